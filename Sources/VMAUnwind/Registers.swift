/// The registers of an x86-64 thread by their DWARF numbers, as far as their values are known.
public struct Registers: Sendable {
    /// The numbers of the System V ABI (figure "DWARF Register Number Mapping").
    public enum Number {
        public static let rax = 0, rdx = 1, rcx = 2, rbx = 3, rsi = 4, rdi = 5, rbp = 6, rsp = 7
        public static let r8 = 8, r9 = 9, r10 = 10, r11 = 11, r12 = 12, r13 = 13, r14 = 14, r15 = 15
        /// The return address column, which holds the instruction pointer.
        public static let rip = 16
    }

    public static let count = 17

    private var values = InlineArray<17, UInt64>(repeating: 0)
    private var known: UInt32 = 0

    public init() {}

    /// What a thread has when it enters the kernel: the registers that a callee keeps, and the two that
    /// say where it is.
    public init(
        rip: UInt64, rsp: UInt64, rbp: UInt64, rbx: UInt64, r12: UInt64, r13: UInt64, r14: UInt64, r15: UInt64
    ) {
        self[Number.rip] = rip
        self[Number.rsp] = rsp
        self[Number.rbp] = rbp
        self[Number.rbx] = rbx
        self[Number.r12] = r12
        self[Number.r13] = r13
        self[Number.r14] = r14
        self[Number.r15] = r15
    }

    /// Nil if the value is not known, or if there is no register with this number.
    public subscript(number: Int) -> UInt64? {
        get { number >= 0 && number < Self.count && known & (1 << UInt32(number)) != 0 ? values[number] : nil }
        set {
            guard number >= 0, number < Self.count else { return }
            if let newValue {
                values[number] = newValue
                known |= 1 << UInt32(number)
            } else {
                known &= ~(1 << UInt32(number))
            }
        }
    }

    /// Those that a called function gives back as it found them; rsp and rip are found by rules.
    static func isKeptByCallee(_ number: Int) -> Bool {
        number == Number.rbx || number == Number.rbp || number >= Number.r12 && number <= Number.r15
    }
}

/// A call stack as far as it could be walked.
public struct Unwound: Sendable {
    public struct Frame: Equatable, Sendable {
        public enum Kind: Equatable, Sendable {
            /// Where the thread was.
            case innermost
            /// Where a call returns to: the call itself is at the address before it.
            case caller
            /// Where a signal interrupted the thread.
            case interrupted
        }

        public var address: UInt64
        public var kind: Kind
        /// Found by a frame pointer that nothing vouches for: what it calls may be a function further in, or
        /// this may be no frame at all. What is outside of a guessed frame is guessed, too.
        public var isGuessed: Bool

        public init(address: UInt64, kind: Kind, isGuessed: Bool) {
            self.address = address
            self.kind = kind
            self.isGuessed = isGuessed
        }

        /// The address by which the function and the line are found.
        public var lookup: UInt64 { kind == .caller ? address &- 1 : address }
    }

    public enum Ending: Equatable, Sendable {
        /// The last frame has no caller: its call-frame information says so, or the return address is 0, or
        /// the frame-pointer chain ends there as the ABI wants it.
        case complete
        /// The copy of the stack ends. `wanted` is how many bytes from its base would have let the walk take
        /// one step more; nil if what is needed lies on another stack.
        case cut(wanted: Int?)
        /// The last frame has no call-frame information, and no frame pointer that can be believed.
        case unknown
        /// More frames, or work, than the limits allow.
        case limit
    }

    /// The innermost first. It has at least the innermost one.
    public var frames: [Frame] = []
    public var ending = Ending.unknown
    /// How many bytes from the base of the first copy the walk has read: as many would have been enough.
    public var depth = 0

    /// A function has changed stacks, and the kernel's frame-pointer chain, which was not at hand, would lead on.
    public var wantsChain = false

    /// What the walk has used, in this order, each once: a word of the first copy by its place from the base
    /// (in 8 bytes), a register that the thread had by `registerInput` and its place among those (rip, rsp, rbp,
    /// rbx, r12 to r15). With equal ones, and equal rip and rsp, another walk would end the same.
    public var inputs: [UInt16] = []
    public static let registerInput: UInt16 = 0xfff0
    /// Among the inputs: something was used that has no such name, and nothing can be said of another walk.
    public static let unnamedInput: UInt16 = 0xfffe
    static let noInput: UInt16 = 0xffff

    public init() {}
}

/// What a walk may cost.
public struct UnwindLimits: Sendable {
    public var frames: Int
    /// Instructions of call-frame information that are run. A frame takes about ten, and none the second time.
    public var steps: Int

    public init(frames: Int = 512, steps: Int = 200_000) {
        self.frames = frames
        self.steps = steps
    }
}

/// What lies at an address where code runs.
public struct CodePlace {
    /// Nil where no file lies, as for code made at run time, and where the file cannot be read.
    public var table: UnwindTable?
    /// An address of the process minus that in the image.
    public var bias: UInt64

    public init(table: UnwindTable?, bias: UInt64) {
        self.table = table
        self.bias = bias
    }
}

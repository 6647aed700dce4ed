/// How a register of the caller is found.
enum RegisterRule: Equatable {
    /// It is lost.
    case undefined
    /// The function has not changed it.
    case same
    /// In memory, at this distance from the CFA.
    case offset(Int64)
    /// The CFA and this.
    case valueOffset(Int64)
    /// In another register.
    case register(UInt8)
    /// In memory, where this expression says.
    case expression([UInt8])
    /// What this expression says.
    case valueExpression([UInt8])
}

/// Where the frame's canonical address (CFA) is: the value of rsp before the call.
enum AddressRule: Equatable {
    case unknown
    case register(UInt8, Int64)
    case expression([UInt8])
}

/// The rules for one place in a function.
struct UnwindRow {
    var cfa = AddressRule.unknown
    /// Of the registers that are named, in the order of their numbers.
    var rules: [(register: UInt8, rule: RegisterRule)] = []
    var returnRule: RegisterRule?
    var isSignalFrame = false
    /// The function keeps its caller's frame pointer below its return address, and points rbp there, though these rules
    /// find both by rsp: a function of Go that has a frame.
    var keepsFramePointer = false

    /// Whether the function keeps the frame pointer of its caller where rbp points to, and returns to the
    /// address beside it: the frame-pointer chain is right here.
    var followsFramePointer: Bool {
        keepsFramePointer
            || cfa == .register(UInt8(Registers.Number.rbp), 16) && returnRule == .offset(-8)
                && rules.contains { $0.register == Registers.Number.rbp && $0.rule == .offset(-16) }
    }
}

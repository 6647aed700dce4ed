/// Calls that the kernel refused, of one process, operation, reason and call stack.
public struct Refused: Sendable {
    /// The id of the address space; 0 where it is unknown.
    public var image: MMID
    /// The process that owns the address space, or, where that is not known any more, the one that made the first
    /// call.
    public var pid: UInt32
    /// The user who stands for the process (`UserShares`), where it is known.
    public var user: UInt32?
    /// The name of the process (comm); empty if unknown.
    public var command: String
    /// The operation that was refused.
    public var operation: Operation
    /// The errno and the reason.
    public var verdict: Refusal.Verdict
    /// How many calls were refused.
    public var count: Int
    /// When the first call was refused, in seconds since the start of the observation.
    public var first: Double
    /// When the last call was refused.
    public var last: Double
    /// The call stack in words, innermost frame first; empty if there is none.
    public var stack: [String]

    /// Refused calls that are alike. `image` is 0 and `command` empty where they are unknown; `first` and `last` are
    /// seconds since the start of the observation; `stack` has the innermost frame first.
    public init(
        image: MMID, pid: UInt32, command: String, operation: Operation, verdict: Refusal.Verdict, count: Int, first: Double,
        last: Double, stack: [String], user: UInt32? = nil
    ) {
        self.user = user
        self.image = image
        self.pid = pid
        self.command = command
        self.operation = operation
        self.verdict = verdict
        self.count = count
        self.first = first
        self.last = last
        self.stack = stack
    }
}

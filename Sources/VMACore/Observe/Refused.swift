/// Calls that the kernel refused, of one process, operation, reason and call stack.
public struct Refused: Sendable {
    /// Of the address space; 0 where it is not told.
    public var image: MMID
    public var pid: UInt32
    public var command: String
    public var operation: Operation
    public var verdict: Refusal.Verdict
    public var count: Int
    /// Seconds since the start of the window.
    public var first: Double
    public var last: Double
    /// Innermost frame first; empty if there is none.
    public var stack: [String]

    public init(
        image: MMID, pid: UInt32, command: String, operation: Operation, verdict: Refusal.Verdict, count: Int, first: Double,
        last: Double, stack: [String]
    ) {
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

/// Refusals whose answer may still come, by thread: the answer to a thread's last call comes before its next call, if at
/// all.
public struct PendingRefusals: Sendable {
    /// A refusal, and what it was refused for.
    public typealias Judged = (refusal: Refusal, verdict: Refusal.Verdict)

    private struct Pending: Sendable {
        var refusal: Refusal
        /// The verdict if no answer comes; nil if the call may have succeeded.
        var inferred: Refusal.Verdict?
    }

    private var pending: [UInt32: Pending] = [:]
    /// Answers come at once. What waits beside so many others has none: threads may come and go.
    private static let limit = 512

    /// No refusal waits for its answer.
    public init() {}

    /// - Parameters:
    ///   - refusal: a call that changed nothing, with what the kernel compares before it refuses.
    ///   - layout: of the address space, after the call; nil where it is not known.
    /// - Returns: earlier refusals that get no answer any more.
    public mutating func note(_ refusal: Refusal, _ layout: Layout?) -> [Judged] {
        let thread = refusal.origin.tid
        var settled: [Judged] = []
        if pending.count >= Self.limit, pending[thread] == nil {
            settled = inferred
            pending = [:]
        } else if let old = pending[thread], let verdict = old.inferred {
            settled = [(old.refusal, verdict)]
        }
        pending[thread] = Pending(refusal: refusal, inferred: refusal.inferred(layout))
        return settled
    }

    /// Takes the kernel's answer to the thread's last call. Nil if that is none that was refused.
    public mutating func answer(_ origin: Origin, _ result: Int64) -> Judged? {
        guard let found = pending.removeValue(forKey: origin.tid) else { return nil }
        return found.refusal.verdict(result: result).map { (found.refusal, $0) }
    }

    /// What is refused if no further answer comes, in the order of the threads.
    public var inferred: [Judged] {
        pending.keys.sorted().compactMap { thread in
            pending[thread].flatMap { found in found.inferred.map { (found.refusal, $0) } }
        }
    }

    /// The processes of those that wait.
    public var spaces: Set<SystemRefusals.Space> {
        Set(pending.values.lazy.map { SystemRefusals.Space(mm: $0.refusal.origin.mm, pid: $0.refusal.origin.tgid) })
    }

    /// The ids of the stacks of those that wait.
    public var stacks: Set<StackID> { Set(pending.values.lazy.map(\.refusal.stack)) }
}

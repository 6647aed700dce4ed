/// What a kernel has refused to attach, though its BTF has it: a function that is on the kernel's blacklist, is not to be
/// traced, or has been inlined. Only trying shows that.
public struct AttachRefusals: Sendable, Equatable {
    /// A probe of a kind at a function or tracepoint.
    public struct Place: Sendable, Hashable {
        var kind: String
        var name: String
    }

    private struct Reason: Equatable {
        var place: Place
        var text: String
    }

    /// In the order in which they were found.
    private var reasons: [Reason] = []

    public init() {}

    init(_ place: Place, _ why: String) { reasons = [Reason(place: place, text: why)] }

    public var isEmpty: Bool { reasons.isEmpty }

    /// Why nothing can be attached there, in words that name the function; nil if that is not known.
    subscript(_ point: AttachPoint) -> String? { reasons.first { $0.place == point.place }?.text }

    /// Why the first probe was refused, in words that name its function.
    var message: String { reasons.first?.text ?? "" }

    /// Adds what `others` knows of further places. Returns false if all of that was known already.
    @discardableResult mutating func note(_ others: AttachRefusals) -> Bool {
        let more = others.reasons.filter { other in !reasons.contains { $0.place == other.place } }
        reasons += more
        return !more.isEmpty
    }

    /// Calls `body` until the kernel refuses none of the probes that it attaches. Each time `body` gets what was refused
    /// until then, and has to do without that; whatever it had attached by then is to be gone.
    ///
    /// - Throws: what `body` throws. A probe that is refused twice is `unsupported`.
    public static func settle<Result>(_ body: (AttachRefusals) throws(ProbeError) -> Result) throws(ProbeError) -> Result {
        var refused = AttachRefusals()
        while true {
            let found: AttachRefusals
            do {
                return try body(refused)
            } catch .notAttached(let more) {
                found = more
            }
            guard refused.note(found) else { throw .unsupported(found.message) }
        }
    }
}

extension AttachPoint {
    var place: AttachRefusals.Place { AttachRefusals.Place(kind: kind, name: name) }
}

extension Kernel {
    /// The plan of a source on this kernel.
    func plan(_ source: Source, without refused: AttachRefusals = AttachRefusals()) -> AttachPlan {
        if source == .hooks { readSymbols(AttachPlan.hookedFunctions) }
        return AttachPlan(source, self, without: refused)
    }

    /// The plan of `system` on this kernel.
    func planForEveryone(countsAttempts: Bool, without refused: AttachRefusals) -> AttachPlan {
        if countsAttempts { readSymbols(AttachPlan.hookedFunctions) }
        return AttachPlan(everyoneOn: self, countsAttempts: countsAttempts, without: refused)
    }
}

/// One time that the kernel considered joining a range with its neighbours, and the outcome.
public struct MergeAttempt: Sendable {
    /// A VMA that touches the proposed range.
    public struct Neighbour: Sendable, Equatable {
        public var vma: VMA
        /// False for a neighbour that the operation itself splits or is about to unmap: the kernel looks at it, but
        /// staying apart from it is no missed merge.
        public var stays: Bool
        /// The VMA that an mremap with MREMAP_DONTUNMAP copies.
        public var isKeptSource = false

        public init(_ vma: VMA, stays: Bool = true) {
            self.vma = vma
            self.stays = stays
        }
    }

    /// The sides that were joined with the range, or that the rules predict to be.
    public struct Outcome: Sendable, Equatable {
        public var prev: Bool
        public var next: Bool

        public init(prev: Bool, next: Bool) {
            self.prev = prev
            self.next = next
        }

        public var merged: Bool { prev || next }
    }

    public var origin: Origin
    public var operation: Operation
    public var stack: StackID
    /// The proposed range, with the flags, offset and anon_vma that it is to have.
    public var proposed: VMA
    /// Whether the range is the whole of an existing VMA, which a merge would remove.
    public var replacesVMA: Bool
    /// Whether the range is a copy of a VMA elsewhere, which mremap moves.
    public var isCopy: Bool
    /// The whole VMA that a copy is made from, and the address in it; nil if that is unknown.
    public var source: VMA?
    public var movedFrom: UInt64 = 0
    public var prev: Neighbour?
    public var next: Neighbour?
    /// False where the kernel looks only at prev, as brk does.
    public var considersNext: Bool
    public var outcome: Outcome

    public init(
        origin: Origin, operation: Operation, stack: StackID, proposed: VMA, replacesVMA: Bool = false,
        isCopy: Bool = false, prev: Neighbour?, next: Neighbour?, considersNext: Bool = true,
        outcome: Outcome = Outcome(prev: false, next: false)
    ) {
        self.origin = origin
        self.operation = operation
        self.stack = stack
        self.proposed = proposed
        self.replacesVMA = replacesVMA
        self.isCopy = isCopy
        self.prev = prev
        self.next = next
        self.considersNext = considersNext
        self.outcome = outcome
    }

    var hasNeighbour: Bool { prev != nil || next != nil }
}

/// The side of a proposed range: below it (prev), or above it (next).
public enum Side: String, CaseIterable, Sendable {
    case prev, next
}

/// One time that the kernel considered joining a range with its neighbours, and what came of it.
public struct MergeAttempt: Sendable {
    public struct Neighbour: Sendable, Equatable {
        public var vma: VMA
        /// False for one that the operation itself splits or is about to unmap: the kernel
        /// looks at it, but staying apart from it is no missed merge.
        public var stays: Bool
        /// The VMA that an mremap with MREMAP_DONTUNMAP copies.
        public var isKeptSource = false

        public init(_ vma: VMA, stays: Bool = true) {
            self.vma = vma
            self.stays = stays
        }
    }

    /// What one VMA held afterwards, or what the rules say it should.
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
    /// The range with the flags, offset and anon_vma that it is to have.
    public var proposed: VMA
    /// The range is the whole of an existing VMA, which a merge would remove.
    public var replacesVMA: Bool
    /// A copy of a VMA elsewhere, which is being moved.
    public var isCopy: Bool
    /// The whole VMA that a copy is made from, and where in it: nil if that is not known.
    public var source: VMA?
    public var movedFrom: UInt64 = 0
    public var prev: Neighbour?
    public var next: Neighbour?
    /// brk only ever looks to the left.
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

public enum Side: String, CaseIterable, Sendable {
    case prev, next
}

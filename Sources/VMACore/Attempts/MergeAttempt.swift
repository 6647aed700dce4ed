/// One time that the kernel considered joining a range with its neighbours, and the outcome.
///
/// An object, since it has some 400 bytes and goes through several hands; only who makes one changes it.
public final class MergeAttempt {
    /// A VMA that touches the proposed range.
    public struct Neighbour: Sendable, Equatable {
        /// The part of the VMA on this side of the range, with the attributes that it has when the attempt is made.
        public var vma: VMA
        /// False for a neighbour that the operation itself splits or is about to unmap: the kernel looks at it, but
        /// staying apart from it is no missed merge.
        public var stays: Bool
        /// The VMA that an mremap with MREMAP_DONTUNMAP copies.
        public var isKeptSource = false

        init(_ vma: VMA, stays: Bool = true) {
            self.vma = vma
            self.stays = stays
        }
    }

    /// The sides that were joined with the range, or that the rules predict to be.
    public struct Outcome: Sendable, Equatable {
        /// The VMA below and the range are one VMA afterwards.
        public var prev: Bool
        /// The range and the VMA above are one VMA afterwards.
        public var next: Bool

        /// Whether at least one side was joined.
        public var merged: Bool { prev || next }
    }

    /// When, by whom, and in which address space.
    public internal(set) var origin: Origin
    /// The syscall during which it happened, or what the kernel did outside of one.
    public internal(set) var operation: Operation
    /// The call stack of the thread; 0 if there is none.
    public internal(set) var stack: StackID
    /// The proposed range, with the flags, offset and anon_vma that it is to have.
    public internal(set) var proposed: VMA
    /// Whether the range is the whole of an existing VMA, which a merge would remove.
    public internal(set) var replacesVMA: Bool
    /// Whether the range is a copy of a VMA elsewhere, which mremap moves.
    public internal(set) var isCopy: Bool
    /// The whole VMA that a copy is made from; nil if that is unknown, and for what is no copy.
    public internal(set) var source: VMA?
    /// The address in `source` at which the copied part begins.
    public internal(set) var movedFrom: UInt64 = 0
    /// The neighbour below; nil if there is none, or it is no side.
    public internal(set) var prev: Neighbour?
    /// The neighbour above; nil if there is none, or it is no side.
    public internal(set) var next: Neighbour?
    /// False where the kernel looks only at prev, as brk does.
    public internal(set) var considersNext: Bool
    /// What the kernel did.
    public internal(set) var outcome: Outcome
    /// The pages that were counted in the same write section.
    public internal(set) var counts: [PageCount] = []

    init(
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
    /// The neighbour on a side; nil if there is none, or it is no side.
    subscript(side: Side) -> Neighbour? { side == .prev ? prev : next }
    /// Whether touched anonymous memory is moved: what becomes of its page offset decides about later attempts.
    var movesFaulted: Bool { isCopy && proposed.isAnonymous && proposed.anonVMA != 0 }
}

/// The side of a proposed range: below it (prev), or above it (next).
public enum Side: String, CaseIterable, Sendable {
    case prev, next
}

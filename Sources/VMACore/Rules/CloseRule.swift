/// Which merges a `vm_ops->close` refuses where both VMAs have one: four facts, each found by an experiment, because
/// kernels have changed them one at a time.
public struct CloseRule: RawRepresentable, Hashable, Sendable {
    /// The previous VMA may grow over a part of the one that changes (case 5 of `vma_merge`).
    public var prevGrows: Bool
    /// The next VMA may grow over a part of the one that changes (case 4).
    public var nextGrows: Bool
    /// The previous VMA may take over one that is removed (case 7).
    public var prevTakes: Bool
    /// The next VMA may take over one that is removed (case 8).
    public var nextTakes: Bool

    /// A rule of four facts. Without the last two, a VMA with a close hook is never removed.
    public init(prevGrows: Bool, nextGrows: Bool, prevTakes: Bool = false, nextTakes: Bool = false) {
        self.prevGrows = prevGrows
        self.nextGrows = nextGrows
        self.prevTakes = prevTakes
        self.nextTakes = nextTakes
    }

    /// Every neighbour with a close hook is refused (`is_mergeable_vma` up to 6.3).
    public static let any = CloseRule(prevGrows: false, nextGrows: false)
    /// A next VMA with a close hook is refused, and the removal of any VMA with one (`may_remove_vma`, from 6.4 to
    /// 6.11).
    public static let next = CloseRule(prevGrows: true, nextGrows: false)
    /// Only the removal of a VMA with a close hook is refused (`can_merge_remove_vma`).
    public static let removed = CloseRule(prevGrows: true, nextGrows: true)

    private static let named: [(String, CloseRule)] = [("any", .any), ("next", .next), ("removed", .removed)]
    private static let parts: [(String, WritableKeyPath<CloseRule, Bool> & Sendable)] = [
        ("prev-grows", \.prevGrows), ("next-grows", \.nextGrows), ("prev-takes", \.prevTakes), ("next-takes", \.nextTakes),
    ]

    // Not compared by the raw value, which is made by comparing.
    /// Whether the four facts are equal.
    public static func == (one: CloseRule, other: CloseRule) -> Bool {
        one.prevGrows == other.prevGrows && one.nextGrows == other.nextGrows && one.prevTakes == other.prevTakes
            && one.nextTakes == other.nextTakes
    }

    /// Hashes the four facts.
    public func hash(into hasher: inout Hasher) {
        for part in Self.parts { hasher.combine(self[keyPath: part.1]) }
    }

    /// A word for a known combination, and the facts themselves for a combination that no kernel had so far.
    public var rawValue: String {
        if let known = Self.named.first(where: { $0.1 == self }) { return known.0 }
        return Self.parts.filter { self[keyPath: $0.1] }.map(\.0).joined(separator: ",")
    }

    /// Reads `rawValue`. Nil for a word that is unknown.
    public init?(rawValue: String) {
        if let known = Self.named.first(where: { $0.0 == rawValue }) {
            self = known.1
            return
        }
        self = .any
        for word in rawValue.split(separator: ",") {
            guard let part = Self.parts.first(where: { $0.0 == word }) else { return nil }
            self[keyPath: part.1] = true
        }
    }

    /// Whether `vm_ops->close` of a neighbour, or of the range's own VMA, forbids the merge.
    func blocks(_ pair: Pair) -> Bool {
        let left = pair.left.traits.contains(.hasClose), right = pair.right.traits.contains(.hasClose)
        switch pair.proposed {
        // A kernel that refuses every neighbour does not examine the VMA that would be removed.
        case .left: return nextGrows ? pair.replacesVMA && left && !nextTakes : right
        case .right: return prevGrows ? pair.replacesVMA && right && !prevTakes : left
        // Of two standing VMAs one would be removed.
        case .neither: return left && right && !prevTakes && !nextTakes
        }
    }
}

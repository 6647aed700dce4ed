/// The exact difference between two VMAs, with its direction, where their blockers leave it open: `rw-p` beside
/// `---p` is another difference than `---p` beside `rw-p`.
public struct Difference: Hashable, Sendable {
    /// The protection of the left VMA if `prot` keeps the two apart; of flags that differ otherwise, those that it
    /// has.
    public private(set) var left: VMAFlags = []
    /// The same of the right VMA.
    public private(set) var right: VMAFlags = []
    /// The left VMA has no file; false unless `file` keeps the two apart.
    public private(set) var leftIsAnonymous = false
    /// The same of the right VMA.
    public private(set) var rightIsAnonymous = false

    /// The flags that only the left VMA has.
    public var leftOnly: VMAFlags { left.subtracting(right) }
    /// The flags that only the right VMA has.
    public var rightOnly: VMAFlags { right.subtracting(left) }

    /// No difference, or one that is not known.
    public init() {}

    init(_ blockers: Blockers, _ left: VMA, _ right: VMA, _ model: KernelModel) {
        var meant: VMAFlags = []
        if blockers.contains(.protection) { meant.formUnion([.protection, .mayShare]) }
        if blockers.contains(.flags) {
            meant.formUnion(left.flags.symmetricDifference(right.flags).subtracting(model.ignoredFlags))
        }
        if blockers.contains(.special) { meant.formUnion(.special) }
        self.left = left.flags.intersection(meant)
        self.right = right.flags.intersection(meant)
        if blockers.contains(.file) { (leftIsAnonymous, rightIsAnonymous) = (left.isAnonymous, right.isAnonymous) }
    }
}

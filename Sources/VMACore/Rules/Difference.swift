/// The exact difference between two VMAs, with its direction, where their blockers leave it open: `rw-p` beside
/// `---p` is another difference than `---p` beside `rw-p`.
public struct Difference: Hashable, Sendable {
    /// The protection of both if `prot` keeps them apart; else the flags that only this side has.
    public private(set) var left: VMAFlags = []
    public private(set) var right: VMAFlags = []
    /// Which of the two have no file, if `file` keeps them apart.
    public private(set) var leftIsAnonymous = false
    public private(set) var rightIsAnonymous = false

    public var leftOnly: VMAFlags { left.subtracting(right) }
    public var rightOnly: VMAFlags { right.subtracting(left) }

    init() {}

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

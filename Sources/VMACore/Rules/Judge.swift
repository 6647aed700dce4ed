/// Whether the RFC "Removing limitations of merging anonymous VMAs" (v3, 2022) would have
/// merged: its rules lift `pgoff` and `anon_vma`, but only for memory that no other process maps.
public enum WhatIf: String, CaseIterable, Sendable {
    case recoverable, shared, unknown

    /// Of two VMAs, each of which must not be shared.
    static func both(_ one: WhatIf, _ other: WhatIf) -> WhatIf {
        if one == .shared || other == .shared { return .shared }
        return one == .unknown || other == .unknown ? .unknown : .recoverable
    }
}

public struct SideVerdict: Sendable {
    public var side: Side
    public var neighbour: VMA
    public var blockers: Blockers
    public var detail: String?
    public var whatIf: WhatIf?
    /// The kernel did not merge, and it is a missed merge by our definition.
    public var missed: Bool
}

public struct Verdict: Sendable {
    public var sides: [SideVerdict]
    public var predicted: MergeAttempt.Outcome
    public var agreed: Bool
}

/// From an attempt to a verdict, by the rules of one kernel.
public struct Judge: Sendable {
    public var model: KernelModel

    public init(_ model: KernelModel) { self.model = model }

    public func judge(_ attempt: MergeAttempt) -> Verdict {
        var prev = blockers(attempt, .prev, anonymousAs: nil)
        var next = attempt.considersNext ? blockers(attempt, .next, anonymousAs: nil) : nil

        if let left = neighbour(attempt, .prev)?.vma, let right = neighbour(attempt, .next)?.vma, next == [] {
            if model.hole == .next, attempt.operation == .mmap {
                // mmap_region asks next first, and then prev on next's behalf.
                prev = blockers(attempt, .prev, anonymousAs: right)
            } else if prev == [], left.anonVMA != 0, right.anonVMA != 0, left.anonVMA != right.anonVMA {
                // Either would do, but they don't fit each other.
                next = .anonVMA
            } else if prev == [], model.close == .removed, right.traits.contains(.hasClose) {
                // Joining all three would remove next; so only prev grows.
                next = .close
            }
        }
        let predicted = MergeAttempt.Outcome(prev: prev == [], next: next == [])
        var sides: [SideVerdict] = []
        if let prev { sides.append(verdict(attempt, .prev, prev, merged: attempt.outcome.prev)) }
        if let next { sides.append(verdict(attempt, .next, next, merged: attempt.outcome.next)) }
        return Verdict(sides: sides, predicted: predicted, agreed: predicted == attempt.outcome)
    }

    /// What separates two VMAs as they stand, and whether it was their pages that told `whatIf`.
    public func boundary(
        _ left: VMA, _ right: VMA, _ pages: PageFacts = PageFacts()
    ) -> (blockers: Blockers, whatIf: WhatIf?, byPages: Bool) {
        let found = MergeRules.blockers(Pair(left, right), model)
        guard found.isHeadline else { return (found, nil, false) }
        let (one, other) = (pages.sharing(left), pages.sharing(right))
        return (found, WhatIf.both(one.0, other.0), one.byPages || other.byPages)
    }

    /// The VMAs of `layout` whose pages have to be looked at to say what could be merged.
    public func inDoubt(_ layout: Layout, _ pages: PageFacts = PageFacts()) -> [AddressRange] {
        var found: [AddressRange] = []
        layout.forEachBoundary { _, left, right, _ in
            guard MergeRules.blockers(Pair(left, right), model).isHeadline else { return }
            for vma in [left, right] where pages.isInDoubt(vma) && found.last != vma.range { found.append(vma.range) }
        }
        return found
    }

    /// What exactly differs, where the blockers between two VMAs leave that open.
    public func detail(_ blockers: Blockers, _ left: VMA, _ right: VMA) -> String? {
        MergeRules.detail(blockers, Pair(left, right), model)
    }

    private func pair(_ attempt: MergeAttempt, _ side: Side, _ proposed: VMA, _ neighbour: VMA) -> Pair {
        var pair = side == .prev
            ? Pair(neighbour, proposed, proposed: .right) : Pair(proposed, neighbour, proposed: .left)
        pair.replacesVMA = attempt.replacesVMA
        pair.isCopy = attempt.isCopy
        pair.isExtension = attempt.operation == .mremap && !attempt.isCopy
        return pair
    }

    private func neighbour(_ attempt: MergeAttempt, _ side: Side) -> MergeAttempt.Neighbour? {
        let found = side == .prev ? attempt.prev : attempt.next
        // copy_vma() with keep_source looks past it, as long as it could merge.
        guard attempt.proposed.isAnonymous, attempt.proposed.anonVMA == 0 else { return found }
        switch model.keptSource {
        case .merges: return found
        case .apart: return found?.isKeptSource == true ? nil : found
        case .alone:
            let isBesideIt = [attempt.prev, attempt.next].contains { $0?.isKeptSource == true }
            return isBesideIt ? nil : found
        }
    }

    private func blockers(_ attempt: MergeAttempt, _ side: Side, anonymousAs other: VMA?) -> Blockers? {
        guard let neighbour = neighbour(attempt, side) else { return nil }
        var proposed = attempt.proposed
        if let other {
            proposed.anonVMA = other.anonVMA
            proposed.traits = other.traits
        }
        return MergeRules.blockers(pair(attempt, side, proposed, neighbour.vma), model)
    }

    private func verdict(_ attempt: MergeAttempt, _ side: Side, _ blockers: Blockers, merged: Bool) -> SideVerdict {
        let neighbour = neighbour(attempt, side)!
        let pair = pair(attempt, side, attempt.proposed, neighbour.vma)
        return SideVerdict(
            side: side, neighbour: neighbour.vma, blockers: blockers,
            detail: MergeRules.detail(blockers, pair, model),
            whatIf: blockers.isHeadline ? WhatIf.both(attempt.proposed.sharing, neighbour.vma.sharing) : nil,
            missed: !merged && neighbour.stays)
    }
}

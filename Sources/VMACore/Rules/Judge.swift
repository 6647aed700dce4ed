/// The answer of a proposal: whether it would have merged. `what_if` without a name is the answer of the patch series
/// "Removing limitations of merging anonymous VMAs" (RFC v3, 2022), as its text describes it. *shared* is whatever
/// the proposal refuses, since sharing is the reason as a rule; *unknown* is never counted as either.
public enum WhatIf: String, CaseIterable, Sendable {
    /// The proposal would have merged it.
    case recoverable
    /// The proposal refuses it.
    case shared
    /// It could not be established.
    case unknown
}

/// The verdict on one side of an attempt.
public struct SideVerdict: Sendable {
    /// Which side of the range it is about.
    public var side: Side
    /// The VMA on that side.
    public var neighbour: VMA
    /// All rules that refuse the merge with it; empty if the merge is predicted.
    public var blockers: Blockers
    /// The exact difference where the blockers leave it open; else nil.
    public var detail: String?
    /// The proposals' answers for a headline miss; empty for others.
    public var answers = WhatIfAnswers()
    /// The answer of the 2022 series; nil for others.
    public var whatIf: WhatIf? { answers[Proposals.rfc] }
    /// The kernel did not merge the side, and by our definition that is a missed merge.
    public var missed: Bool
}

/// The verdict on an attempt: its sides, the predicted outcome, and whether the kernel did what was predicted.
public struct Verdict: Sendable {
    /// prev, then next, each where it exists.
    public var sides: [SideVerdict]
    /// The sides that the rules say will merge.
    public var predicted: MergeAttempt.Outcome
    /// The kernel did what was predicted.
    public var agreed: Bool
    /// A bit for each proposal that would have rewritten the page offset of the memory that is moved.
    var rewritten: UInt8 = 0

    /// Whether the proposal with this index in `Proposals.table` would have rewritten the page offset.
    func rewrites(_ proposal: Int) -> Bool { rewritten >> UInt8(proposal) & 1 != 0 }
}

/// Makes verdicts of attempts, by the rules of one kernel.
public struct Judge: Sendable {
    /// The ways in which this kernel differs from others.
    public var model: KernelModel

    /// A judge for the kernel that `model` describes.
    public init(_ model: KernelModel) { self.model = model }

    /// Judges an attempt by itself, without layouts under the proposals.
    public func judge(_ attempt: MergeAttempt) -> Verdict {
        var nothing = WhatIfState()
        return judge(attempt, &nothing, in: { nil })
    }

    /// - Parameters:
    ///   - state: the layouts under the proposals, which change with the attempt.
    ///   - layout: the layout of the address space, to begin them with; nil if it is not completely known.
    func judge(_ attempt: MergeAttempt, _ state: inout WhatIfState, in layout: () -> Layout?) -> Verdict {
        let (prev, next) = apart(attempt)
        let predicted = MergeAttempt.Outcome(prev: prev == [], next: next == [])
        let answers = state.answers(attempt, apart: (prev, next), model, layout)
        var sides: [SideVerdict] = []
        if let prev { sides.append(verdict(attempt, .prev, prev, answers.prev, merged: attempt.outcome.prev)) }
        if let next { sides.append(verdict(attempt, .next, next, answers.next, merged: attempt.outcome.next)) }
        return Verdict(
            sides: sides, predicted: predicted, agreed: predicted == attempt.outcome, rewritten: answers.rewrites)
    }

    /// The blockers of the two sides; nil where there is no side.
    private func apart(_ attempt: MergeAttempt) -> (prev: Blockers?, next: Blockers?) {
        var prev = blockers(attempt, .prev, anonymousAs: nil)
        var next = attempt.considersNext ? blockers(attempt, .next, anonymousAs: nil) : nil

        if let left = neighbour(attempt, .prev)?.vma, let right = neighbour(attempt, .next)?.vma, next == [] {
            let fitsBoth = prev == [] && left.anonVMA != 0 && right.anonVMA != 0 && left.anonVMA != right.anonVMA
            if model.hole == .next, attempt.operation == .mmap {
                // mmap_region asks next first, and then prev on next's behalf.
                prev = blockers(attempt, .prev, anonymousAs: right)
            } else if fitsBoth, model.hole == .neither {
                (prev, next) = (.anonVMA, .anonVMA)
            } else if fitsBoth, model.hole != .both {
                // Either neighbour could merge, but they can't merge with each other.
                next = .anonVMA
            } else if prev == [], !model.close.prevTakes, right.traits.contains(.hasClose) {
                // Joining all three would remove next; so only prev grows.
                next = .close
            }
        }
        return (prev, next)
    }

    /// The blockers between two standing VMAs, and the proposals' answers if somebody changed the left VMA now, or
    /// the right one. The answers are empty unless pgoff and anon_vma alone keep the two apart.
    public func boundary(_ left: VMA, _ right: VMA) -> (blockers: Blockers, left: WhatIfAnswers, right: WhatIfAnswers) {
        let found = MergeRules.blockers(Pair(left, right), model)
        guard found.isHeadline else { return (found, WhatIfAnswers(), WhatIfAnswers()) }
        var (ofLeft, ofRight) = (WhatIfAnswers(), WhatIfAnswers())
        for place in Proposals.table.indices {
            var rules = WhatIfLayout(place)
            if let answer = rules.apply(WhatIfAttempt(.change, left, prev: nil, next: right), model).next {
                ofLeft.set(place, answer)
            }
            if let answer = rules.apply(WhatIfAttempt(.change, right, prev: left, next: nil), model).prev {
                ofRight.set(place, answer)
            }
        }
        return (found, ofLeft, ofRight)
    }

    /// The exact difference in words, where the blockers between two VMAs leave it open; else nil.
    public func detail(_ blockers: Blockers, _ left: VMA, _ right: VMA) -> String? {
        MergeRules.detail(blockers, Pair(left, right), model)
    }

    private func pair(_ attempt: MergeAttempt, _ side: Side, _ proposed: VMA, _ neighbour: VMA) -> Pair {
        var pair =
            side == .prev
            ? Pair(neighbour, proposed, proposed: .right) : Pair(proposed, neighbour, proposed: .left)
        pair.replacesVMA = attempt.replacesVMA
        pair.isCopy = attempt.isCopy
        pair.isExtension = attempt.operation == .mremap && !attempt.isCopy
        return pair
    }

    private func neighbour(_ attempt: MergeAttempt, _ side: Side) -> MergeAttempt.Neighbour? {
        let found = side == .prev ? attempt.prev : attempt.next
        // copy_vma() with keep_source ignores the kept source as long as it could merge with it.
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

    private func verdict(
        _ attempt: MergeAttempt, _ side: Side, _ blockers: Blockers, _ answers: WhatIfAnswers, merged: Bool
    ) -> SideVerdict {
        let neighbour = neighbour(attempt, side)!
        let pair = pair(attempt, side, attempt.proposed, neighbour.vma)
        return SideVerdict(
            side: side, neighbour: neighbour.vma, blockers: blockers,
            detail: MergeRules.detail(blockers, pair, model),
            answers: blockers.isHeadline ? answers : WhatIfAnswers(),
            missed: !merged && neighbour.stays)
    }
}

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
    /// All rules that refuse the merge with it; empty if the merge is predicted.
    public var blockers: Blockers
    /// The proposals' answers for a headline miss; empty for others.
    public var answers = WhatIfAnswers()
    /// The answer of the 2022 series; nil for others.
    public var whatIf: WhatIf? { answers[Proposals.rfc] }
    /// The kernel did not merge the side, and by our definition that is a missed merge.
    public var missed: Bool
}

/// The verdicts on the sides of an attempt: prev, then next, each where it exists. As an array it would be an allocation
/// for each attempt.
public struct SideVerdicts: RandomAccessCollection, Sendable {
    /// The first side; nil if there is none.
    private var one: SideVerdict?
    private var other: SideVerdict?

    init(prev: SideVerdict?, next: SideVerdict?) {
        one = prev ?? next
        other = prev == nil ? nil : next
    }

    /// 0.
    public var startIndex: Int { 0 }
    /// The number of sides: 0, 1 or 2.
    public var endIndex: Int { one == nil ? 0 : other == nil ? 1 : 2 }
    /// The verdict on prev, or on next if that is the only side; with 1 the verdict on next.
    public subscript(index: Int) -> SideVerdict { index == 0 ? one! : other! }
}

/// The verdict on an attempt: its sides, the predicted outcome, and whether the kernel did what was predicted.
public struct Verdict: Sendable {
    /// prev, then next, each where it exists.
    public var sides: SideVerdicts
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
        let prev = pair(attempt, .prev)
        let next = pair(attempt, .next)
        let apart = apart(attempt, prev, next)
        let predicted = MergeAttempt.Outcome(prev: apart.prev == [], next: apart.next == [])
        let answers = state.answers(attempt, apart: apart, model, layout)
        let sides = SideVerdicts(
            prev: apart.prev.map { verdict(attempt, .prev, $0, answers.prev, merged: attempt.outcome.prev) },
            next: apart.next.map { verdict(attempt, .next, $0, answers.next, merged: attempt.outcome.next) })
        return Verdict(
            sides: sides, predicted: predicted, agreed: predicted == attempt.outcome, rewritten: answers.rewrites)
    }

    /// The blockers of the two sides; nil where there is no side.
    private func apart(_ attempt: MergeAttempt, _ left: Pair?, _ right: Pair?) -> (prev: Blockers?, next: Blockers?) {
        var prev = left.map { MergeRules.blockers($0, model) }
        var next = attempt.considersNext ? right.map { MergeRules.blockers($0, model) } : nil
        guard next == [], let left, let right else { return (prev, next) }
        let fitsBoth =
            prev == [] && left.left.anonVMA != 0 && right.right.anonVMA != 0
            && left.left.anonVMA != right.right.anonVMA
        if model.hole == .next, attempt.operation == .mmap {
            // mmap_region asks next first, and then prev on next's behalf.
            var both = left
            both.right.anonVMA = right.right.anonVMA
            both.right.traits = right.right.traits
            prev = MergeRules.blockers(both, model)
        } else if fitsBoth, model.hole == .neither {
            (prev, next) = (.anonVMA, .anonVMA)
        } else if fitsBoth, model.hole != .both {
            // Either neighbour could merge, but they can't merge with each other.
            next = .anonVMA
        } else if prev == [], !model.close.prevTakes, right.right.traits.contains(.hasClose) {
            // Joining all three would remove next; so only prev grows.
            next = .close
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
        guard !blockers.isDisjoint(with: MergeRules.detailed) else { return nil }
        return MergeRules.detail(blockers, Pair(left, right), model)
    }

    /// The exact difference on one side of an attempt, where the side's blockers leave it open; else nil.
    public func detail(_ side: SideVerdict, of attempt: MergeAttempt) -> String? {
        guard let neighbour = attempt[side.side]?.vma else { return nil }
        return side.side == .prev
            ? detail(side.blockers, neighbour, attempt.proposed) : detail(side.blockers, attempt.proposed, neighbour)
    }

    /// The range and the neighbour on one side; nil where there is no side.
    private func pair(_ attempt: MergeAttempt, _ side: Side) -> Pair? {
        guard let neighbour = attempt[side], !hides(neighbour, attempt) else { return nil }
        var pair =
            side == .prev
            ? Pair(neighbour.vma, attempt.proposed, proposed: .right)
            : Pair(attempt.proposed, neighbour.vma, proposed: .left)
        pair.replacesVMA = attempt.replacesVMA
        pair.isCopy = attempt.isCopy
        pair.isExtension = attempt.operation == .mremap && !attempt.isCopy
        return pair
    }

    /// copy_vma() with keep_source ignores the kept source, or each neighbour, as long as the source could merge with
    /// the copy.
    private func hides(_ neighbour: MergeAttempt.Neighbour, _ attempt: MergeAttempt) -> Bool {
        guard attempt.proposed.isAnonymous, attempt.proposed.anonVMA == 0 else { return false }
        switch model.keptSource {
        case .merges: return false
        case .apart: return neighbour.isKeptSource
        case .alone: return attempt.prev?.isKeptSource == true || attempt.next?.isKeptSource == true
        }
    }

    private func verdict(
        _ attempt: MergeAttempt, _ side: Side, _ blockers: Blockers, _ answers: WhatIfAnswers, merged: Bool
    ) -> SideVerdict {
        let stays = attempt[side]?.stays == true
        return SideVerdict(
            side: side, blockers: blockers, answers: blockers.isHeadline ? answers : WhatIfAnswers(),
            missed: !merged && stays)
    }
}

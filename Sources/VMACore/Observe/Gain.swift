/// What a proposal would gain and cost if it lifted the limits, summed over missed merges.
public struct Gain: Sendable, Equatable {
    /// The sums of one proposal.
    public struct Saved: Sendable, Equatable {
        /// Missed sides that the proposal would have merged.
        public var sides = 0
        /// The missed sides among them of processes with more than half of the VMAs that they may have.
        public var nearLimit = 0
        /// The ranges that it would have absorbed.
        public var absorbed = RangeSizes()
        /// The ranges whose pages it would have had to update: those that are moved and get another page offset,
        /// whether or not anything merges there, and those that are absorbed and get another anon_vma.
        public var updated = RangeSizes()

        mutating func add(_ other: Saved) {
            sides += other.sides
            nearLimit += other.nearLimit
            absorbed.add(other.absorbed)
            updated.add(other.updated)
        }

        /// Present pages to update for each VMA saved; nil if none is saved, or if not all were counted.
        public var pagesPerSide: Double? {
            updated.unknown > 0 || sides == 0 ? nil : Double(updated.present) / Double(sides)
        }
    }

    /// In the order of `Proposals.table`; empty while there is no missed merge, and no move.
    private var all: [Saved] = []
    /// All ranges of touched anonymous memory that mremap moved, whatever a proposal makes of it.
    public private(set) var moved = RangeSizes()
    /// Sides that the first proposal refuses, or for which its answer is unknown, by the reason.
    public private(set) var refused: [WhatIfAnswer.Reason: Int] = [:]

    /// The sums of the proposal with this index in `Proposals.table`.
    public subscript(proposal: Int) -> Saved { proposal < all.count ? all[proposal] : Saved() }

    /// - Parameter isNearLimit: the process had more than half of the VMAs that it may have.
    mutating func add(_ attempt: MergeAttempt, _ verdict: Verdict, isNearLimit: Bool) {
        let source = attempt.movedSource
        func counts(_ side: SideVerdict) -> Bool { side.missed && !side.answers.isEmpty }
        guard source != nil || verdict.sides.contains(where: counts) else { return }
        let sides = verdict.sides.filter(counts)
        if all.isEmpty { all = Array(repeating: Saved(), count: Proposals.table.count) }
        for side in sides where side.whatIf != .recoverable { refused[side.answers.reason, default: 0] += 1 }
        if let source { moved.add(source, attempt.count(of: source)) }
        for place in all.indices {
            let saved = sides.filter { $0.answers[place] == .recoverable }
            all[place].sides += saved.count
            if isNearLimit { all[place].nearLimit += saved.count }
            let updatesPages = Proposals.table[place].updatesPages
            // One range is moved or changed, and absorbed once; where it has no page it is the neighbour.
            if attempt.proposed.anonVMA != 0 {
                let range = attempt.occupied
                let counted = attempt.count(of: range)
                if !saved.isEmpty { all[place].absorbed.add(attempt.proposed.range, counted) }
                if verdict.rewrites(place) || updatesPages && saved.contains(where: { $0.blockers.contains(.anonVMA) }) {
                    all[place].updated.add(range, counted)
                }
            } else {
                for side in saved {
                    guard let range = attempt[side.side]?.vma.range else { continue }
                    all[place].absorbed.add(range, attempt.count(of: range))
                    guard updatesPages, side.blockers.contains(.anonVMA) else { continue }
                    all[place].updated.add(range, attempt.count(of: range))
                }
            }
        }
    }

    mutating func add(_ other: Gain) {
        refused.merge(other.refused, uniquingKeysWith: +)
        moved.add(other.moved)
        if all.isEmpty { return all = other.all }
        for place in other.all.indices { all[place].add(other.all[place]) }
    }
}

extension MergeAttempt {
    /// Where the pages of the proposed range are when the attempt is made: at the source, if it is a copy.
    fileprivate var occupied: AddressRange {
        guard isCopy, let source, source.range.contains(movedFrom) else { return proposed.range }
        // It can be less than that: what becomes longer can be a part of its VMA.
        if let counted = counts.last(where: { $0.range.start == movedFrom }) { return counted.range }
        let length = min(proposed.end &- proposed.start, source.end - movedFrom)
        return AddressRange(movedFrom, movedFrom + length)
    }

    /// What is moved, if it is touched anonymous memory.
    fileprivate var movedSource: AddressRange? {
        movesFaulted ? occupied : nil
    }

    fileprivate func count(of range: AddressRange) -> PageCount? {
        // What mremap adds in place has no page yet.
        if operation == .mremap, !isCopy, range == proposed.range { return PageCount(range, present: 0) }
        return counts.last { $0.range == range }
    }
}

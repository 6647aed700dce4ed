/// What a proposal would gain and cost if it lifted the limits, summed over missed merges.
public struct Gain: Sendable, Equatable {
    /// The sums of one proposal.
    public struct Saved: Sendable, Equatable {
        /// Missed sides that the proposal would have merged.
        public var sides = 0
        /// Pages of the ranges that it would have absorbed, each of which it may have to update.
        public var pages: UInt64 = 0
        /// The missed sides among them of processes with more than half of the VMAs that they may have.
        public var nearLimit = 0
        /// Absorbed ranges by size: place n counts ranges of 2^n pages and more, up to twice that.
        public private(set) var sizes: [Int] = []

        public init() {}

        mutating func add(pages count: UInt64) {
            pages &+= count
            let place = count < 2 ? 0 : UInt64.bitWidth - 1 - count.leadingZeroBitCount
            while sizes.count <= place { sizes.append(0) }
            sizes[place] += 1
        }

        mutating func add(_ other: Saved) {
            sides += other.sides
            pages &+= other.pages
            nearLimit += other.nearLimit
            while sizes.count < other.sizes.count { sizes.append(0) }
            for (place, count) in other.sizes.enumerated() { sizes[place] += count }
        }

        /// A size in pages that this share of the ranges does not exceed; nil if there is no range.
        ///
        /// - Parameter share: 0 to 1.
        public func size(at share: Double) -> UInt64? {
            let all = sizes.reduce(0, +)
            var seen = 0
            for (place, count) in sizes.enumerated() where count > 0 {
                seen += count
                if Double(seen) >= share * Double(all) { return (2 << UInt64(place)) - 1 }
            }
            return nil
        }
    }

    /// In the order of `Proposals.table`; empty while there is no missed merge.
    private var all: [Saved] = []
    /// Sides that the first proposal refuses, or for which its answer is unknown, by the reason.
    public private(set) var refused: [WhatIfAnswer.Reason: Int] = [:]

    public init() {}

    /// The sums of the proposal with this index in `Proposals.table`.
    public subscript(proposal: Int) -> Saved { proposal < all.count ? all[proposal] : Saved() }

    /// - Parameter isNearLimit: the process had more than half of the VMAs that it may have.
    mutating func add(_ attempt: MergeAttempt, _ verdict: Verdict, isNearLimit: Bool) {
        let sides = verdict.sides.filter { $0.missed && !$0.answers.isEmpty }
        guard !sides.isEmpty else { return }
        if all.isEmpty { all = Array(repeating: Saved(), count: Proposals.table.count) }
        for side in sides where side.whatIf != .recoverable { refused[side.answers.reason, default: 0] += 1 }
        for place in all.indices {
            let saved = sides.filter { $0.answers[place] == .recoverable }
            all[place].sides += saved.count
            if isNearLimit { all[place].nearLimit += saved.count }
            // One range is moved or changed, and absorbed once; where it has no page it is the neighbour.
            if attempt.proposed.anonVMA != 0, !saved.isEmpty {
                all[place].add(pages: attempt.proposed.range.pages)
            } else {
                for side in saved { all[place].add(pages: side.neighbour.range.pages) }
            }
        }
    }

    mutating func add(_ other: Gain) {
        refused.merge(other.refused, uniquingKeysWith: +)
        if all.isEmpty { return all = other.all }
        for place in other.all.indices { all[place].add(other.all[place]) }
    }
}

import VMACore

/// What proposals would gain in a whole report, for every output format.
struct WhatIfFigures {
    /// Missed sides, and boundaries, that pgoff and anon_vma alone keep apart.
    var misses = 0
    var boundaries = 0
    /// The number of VMAs that stand now, or stood at the end.
    var vmas = 0
    /// The gain of each proposal, in the order of `Proposals.table`.
    var flow: [Gain.Saved]
    var stock: [Int]
    var stockNearLimit: [Int]
    /// Why the series refuses misses, the most frequent reason first.
    var refused: [(reason: WhatIfAnswer.Reason, count: Int)]

    init(_ report: Report) {
        self.init(report.totals, report.processes)
    }

    init(_ process: Report.Process) {
        self.init(process.tally, [process])
    }

    private init(_ tally: Tally, _ processes: [Report.Process]) {
        let all = Proposals.table.indices
        misses = tally.missedBy.reduce(0) { $0 + ($1.key.isHeadline ? $1.value : 0) }
        flow = all.map { tally.gain[$0] }
        refused = tally.gain.refused.map { ($0.key, $0.value) }.sorted {
            ($1.count, $0.reason.rawValue) < ($0.count, $1.reason.rawValue)
        }
        stock = all.map { _ in 0 }
        stockNearLimit = stock
        for process in processes {
            boundaries += process.boundaries.blockedBy.reduce(0) { $0 + ($1.key.isHeadline ? $1.value : 0) }
            vmas += process.now
            let isNear = process.limit.map { process.now > $0 / 2 } ?? false
            for place in all {
                let count = process.boundaries.byProposal[place][.recoverable] ?? 0
                stock[place] += count
                if isNear { stockNearLimit[place] += count }
            }
        }
    }

    /// `0.250`
    static func thousandths(_ count: Int, _ pages: UInt64) -> String {
        guard pages > 0 else { return "no" }
        let all = min(999_999_999, UInt64(count) * 1000 / pages)
        let rest = all % 1000
        return "\((all / 1000).grouped)." + (rest < 10 ? "00" : rest < 100 ? "0" : "") + "\(rest)"
    }

    static func words(_ reason: WhatIfAnswer.Reason) -> String {
        switch reason {
        case .none: "for an unknown reason"
        case .child: "a forked child has the memory, too"
        case .inherited: "inherited through a fork"
        case .next: "the next VMA is shared by a fork"
        case .pages: "KSM or the swap cache has a page, or may"
        case .moved: "moved while it was shared"
        case .unfaulted: "beside an untouched VMA"
        case .chain: "beside an inherited VMA"
        case .scope: "outside of the proposal"
        case .unread: "its anon_vma could not be read"
        }
    }
}

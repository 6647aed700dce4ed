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
    /// All touched anonymous memory that was moved.
    var moved: RangeSizes
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
        moved = tally.gain.moved
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

    /// `1,000 pages (600 present, 3 swapped out)`
    static func pages(_ sizes: RangeSizes) -> String {
        let all = sizes.pages.of("page")
        if sizes.ranges > 0, sizes.unknown == sizes.ranges { return all + " (how many are present is unknown)" }
        var found = ["\(sizes.present.grouped) present"]
        if sizes.zero > 0 { found.append("\(sizes.zero.grouped) never written") }
        if sizes.swapped > 0 { found.append("\(sizes.swapped.grouped) swapped out") }
        if sizes.unknown > 0 { found.append("\(sizes.unknown.of("range")) unknown") }
        return all + " (\(found.joined(separator: ", ")))"
    }

    /// The pages that have to be updated, for each VMA that this saves, in words.
    static func price(_ saved: Gain.Saved, _ proposal: Proposal) -> String {
        if !proposal.updatesPages { return "it does not say which pages it would update" }
        if saved.updated.unknown > 0 { return "how many present pages it would update is unknown" }
        if saved.updated.present == 0 { return "it would update no page" }
        let pages = saved.updated.present
        let all = pages.of("present page") + " to update"
        return saved.sides == 0 ? all : all + ", \(tenths(pages, saved.sides)) for each VMA saved"
    }

    /// `12.3`
    private static func tenths(_ pages: UInt64, _ count: Int) -> String {
        let (whole, rest) = pages.quotientAndRemainder(dividingBy: UInt64(count))
        let tenth = rest.multipliedReportingOverflow(by: 10)
        return "\(whole.grouped).\(tenth.overflow ? 0 : tenth.partialValue / UInt64(count))"
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

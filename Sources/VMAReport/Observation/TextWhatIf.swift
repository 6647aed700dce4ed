import VMACore

/// What patches would gain, in five lines of text.
struct TextWhatIf {
    var style: TextStyle
    /// The proposal whose gain the lines after the first give: an index in `Proposals.table`.
    var proposal: Int

    func render(_ report: Report) -> String {
        let figures = WhatIfFigures(report)
        guard figures.misses + figures.boundaries > 0 else { return "" }
        let slug = Proposals.table[proposal].slug
        var text = style.bold("WHAT A PATCH WOULD GAIN") + style.dim("  (vmascope explain what-if)") + "\n"
        func line(_ label: String, _ words: String) {
            for (index, part) in Fit.wrap(words, Fit.width - 13).enumerated() {
                text += "  " + (index == 0 ? label : "").padded(11) + part + "\n"
            }
        }
        func each(_ count: (Int) -> Int) -> String {
            Proposals.table.indices.map { "\(Proposals.table[$0].slug) \(count($0).grouped)" }.joined(separator: ", ")
        }
        line("merges", "of \(figures.misses.of("side")) missed by pgoff or anon_vma alone: " + each { figures.flow[$0].sides })
        line("VMAs", "of the \(figures.vmas.grouped) that stand: " + each { figures.stock[$0] })
        let flow = figures.flow[proposal]
        if let median = flow.absorbed.size(at: 0.5), let most = flow.absorbed.size(at: 0.9) {
            line(
                "absorbed",
                "\(slug): \(WhatIfFigures.pages(flow.absorbed)) in ranges of at most \(median.grouped) pages (half of them), "
                    + "\(most.grouped) (nine of ten); \(WhatIfFigures.price(flow, Proposals.table[proposal]))"
            )
        } else {
            line("absorbed", "\(slug): nothing")
        }
        let refused = figures.refused.map { "\($0.count.grouped) \(WhatIfFigures.words($0.reason))" }.joined(separator: "; ")
        line("refused", "by rfc2022: " + (refused.isEmpty ? "nothing" : refused))
        line(
            "near limit",
            report.processes.contains { $0.limit != nil }
                ? "\(slug), if it were for processes above half of the limit only: \(flow.nearLimit.of("merge")), \(figures.stockNearLimit[proposal].of("VMA"))"
                : "unknown: the limit could not be read")
        return text + "\n"
    }
}

import VMACore

/// What patches would gain, as a picture: for each proposal a bar of its flow and one of its stock, and the sizes of
/// the ranges that it would absorb.
struct HTMLWhatIf {
    var proposal: Int
    private static let (width, row, label) = (720, 22, 150)

    func render(_ report: Report) -> String {
        let figures = WhatIfFigures(report)
        let all = report.totals.byProposal[proposal]
        let chosen = Proposals.table[proposal]
        func count(_ whatIf: WhatIf) -> String {
            let count = all[whatIf] ?? 0
            return figures.misses == 0 ? count.grouped : "\(count.grouped) (\((1000 * count / figures.misses + 5) / 10)%)"
        }
        var html =
            "<p>Of the \(figures.misses.grouped) sides missed by nothing else, \(count(.recoverable)) would have merged by "
        html +=
            "<b>\(chosen.slug)</b>, \(chosen.title); \(count(.shared)) not even so, and \(count(.unknown)) are unknown.</p>\n"
        html += bars("Missed merges that it would have made", figures.misses) { figures.flow[$0].sides }
        html += bars("VMAs that stand, and would not with it", max(figures.boundaries, 1)) { figures.stock[$0] }
        html += sizes(figures.flow[proposal])
        let refused = figures.refused.map { "\($0.count.grouped) \(WhatIfFigures.words($0.reason))" }
        if !refused.isEmpty { html += "<p>rfc2022 refuses: \(HTML.escaped(refused.joined(separator: "; "))).</p>\n" }
        return html
    }

    private func bars(_ title: String, _ most: Int, _ count: (Int) -> Int) -> String {
        let table = Proposals.table
        let scale = max(most, table.indices.map(count).max() ?? 0, 1)
        let height = table.count * Self.row + 4
        var svg = "<figure><figcaption>\(title)</figcaption>"
        svg += "<svg viewBox=\"0 0 \(Self.width) \(height)\" role=img aria-label=\"\(title)\">"
        for (place, row) in table.enumerated() {
            let value = count(place)
            let y = place * Self.row
            let bar = (Self.width - Self.label - 90) * value / scale
            svg += "<text x=\(Self.label - 8) y=\(y + 15) text-anchor=end>\(row.slug)</text>"
            svg +=
                "<rect class=fill x=\(Self.label) y=\(y + 3) width=\(max(value > 0 ? 1 : 0, bar)) height=15><title>\(HTML.escaped(row.title))</title></rect>"
            svg += "<text x=\(Self.label + bar + 6) y=\(y + 15)>\(value.grouped)</text>"
        }
        return svg + "</svg></figure>\n"
    }

    private func sizes(_ saved: Gain.Saved) -> String {
        let all = saved.sizes.reduce(0, +)
        guard all > 0, let most = saved.sizes.max() else { return "" }
        let title =
            "Absorbed ranges by size, \(saved.pages.grouped) pages in all: "
            + "\(WhatIfFigures.thousandths(saved.sides, saved.pages)) VMAs saved a page"
        let (height, step) = (120, Self.width / max(saved.sizes.count, 12))
        var svg =
            "<figure><figcaption>\(title)</figcaption><svg viewBox=\"0 0 \(Self.width) \(height + 24)\" role=img aria-label=\"\(title)\">"
        for (power, count) in saved.sizes.enumerated() {
            let bar = count == 0 ? 0 : max(1, (height - 20) * count / most)
            let pages = 1 << UInt64(power)
            svg +=
                "<rect class=fill x=\(power * step + 2) y=\(height - bar) width=\(step - 4) height=\(bar)><title>\(pages.grouped) pages and more: \(count.grouped)</title></rect>"
            if count > 0 {
                svg += "<text x=\(power * step + step / 2) y=\(height - bar - 4) text-anchor=middle>\(count.grouped)</text>"
            }
            svg +=
                "<text x=\(power * step + step / 2) y=\(height + 16) text-anchor=middle>\(pages < 1024 ? "\(pages)" : "\(pages / 1024)k")</text>"
        }
        return svg + "</svg></figure>\n"
    }
}

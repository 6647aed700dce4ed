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
        let flow = figures.flow[proposal]
        html += sizes("Ranges that \(chosen.slug) would have absorbed", flow.absorbed)
        if flow.absorbed.ranges > 0 { html += "<p>\(chosen.slug): \(WhatIfFigures.price(flow, chosen)).</p>\n" }
        html += sizes("Touched anonymous memory that was moved", figures.moved)
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

    /// Ranges by their pages, and, as a second bar in each class, by the pages that are present in them.
    private func sizes(_ title: String, _ sizes: RangeSizes) -> String {
        guard sizes.ranges > 0 else { return "" }
        // The class of none at all comes first: no range is so small, but its present pages may be.
        let all = [0] + sizes.sizes
        let present = sizes.presentSizes
        let classes = max(all.count, present.count, 12)
        let most = max(all.max() ?? 0, present.max() ?? 0, 1)
        let title = HTML.escaped(
            "\(title) by size, \(WhatIfFigures.pages(sizes)) in all; behind each bar that of the present pages")
        let (height, step) = (120, Self.width / classes)
        var svg =
            "<figure><figcaption>\(title)</figcaption><svg viewBox=\"0 0 \(Self.width) \(height + 24)\" role=img aria-label=\"\(title)\">"
        func bar(_ count: Int, _ place: Int, _ half: Int, _ what: String) {
            guard count > 0 else { return }
            let (bar, width) = (max(1, (height - 20) * count / most), (step - 4) / 2)
            let left = place * step + 2 + half * width
            let least = place == 0 ? "no page" : "\(Self.least(place).grouped) pages and more"
            svg +=
                "<rect class=fill x=\(left) y=\(height - bar) width=\(width) height=\(bar) opacity=\(half == 0 ? "1" : "0.5")><title>\(least) \(what): \(count.of("range"))</title></rect>"
            svg += "<text x=\(left + width / 2) y=\(height - bar - 4) text-anchor=middle>\(count.grouped)</text>"
        }
        for place in 0 ..< max(all.count, present.count) {
            bar(place < all.count ? all[place] : 0, place, 0, "in all")
            bar(place < present.count ? present[place] : 0, place, 1, "present")
            let least = Self.least(place)
            svg +=
                "<text x=\(place * step + step / 2) y=\(height + 16) text-anchor=middle>\(least < 1024 ? "\(least)" : "\(least / 1024)k")</text>"
        }
        return svg + "</svg></figure>\n"
    }

    /// The least number of pages of a class.
    private static func least(_ place: Int) -> UInt64 { place == 0 ? 0 : 1 << UInt64(place - 1) }
}

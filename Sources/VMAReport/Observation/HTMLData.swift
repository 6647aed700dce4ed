import VMACore

/// The data that the page's scripts draw, packed: layouts as four numbers for each VMA, stacks as indices into one
/// table of strings.
enum HTMLData {
    /// The most VMAs in all, so that the page stays small, and the most rows of each flame graph.
    private static let vmaLimit = 200_000
    private static let layoutLimit = 50
    private static let stackLimit = 3000

    static func strip(_ report: Report) -> String {
        let keys = report.processes.reduce(into: [Blockers: Int]()) { $0.merge($1.boundaries.blockedBy, uniquingKeysWith: +) }
        let legend = keys.ranked.prefix(12).map { HTML.blocker($0.key.key) }.joined(separator: " ")
        return """
            <p class=tools><select id=layout aria-label=Process></select>
            <button id=in aria-label="Zoom in">+</button><button id=out aria-label="Zoom out">−</button>
            <button id=back aria-label="To lower addresses">◀</button><button id=on aria-label="To higher addresses">▶</button>
            <button id=all>all</button></p>
            <canvas id=strip tabindex=0 aria-label="Address space"></canvas>
            <p id=vma class=mono>&nbsp;</p>
            <p class=legend>Seams: \(legend)</p>
            <noscript><p>The address space is drawn by a script.</p></noscript>

            """
    }

    static let flame = """
        <p class=tools><button id=by-misses aria-pressed=true>misses</button><button id=by-boundaries aria-pressed=false>\
        boundaries now</button> <button id=whole>all</button></p>
        <div id=flame></div>
        <p id=frame class=mono>&nbsp;</p>
        <noscript><p>The flame graph is drawn by a script.</p></noscript>

        """

    static func write(_ report: Report, into text: inout String) {
        var strings = Strings()
        text += "{\"layouts\":["
        var left = vmaLimit
        var isFirst = true
        let ranked = Answer.ranked(report.processes).filter { $0.layout.count > 0 }
        for process in ranked.prefix(layoutLimit) where process.layout.count <= left {
            left -= process.layout.count
            if !isFirst { text += "," }
            isFirst = false
            write(process, report, &strings, into: &text)
        }
        text += "],\n\"misses\":"
        write(
            report.missed.map { ($0.count, $0.command, $0.stack, "\($0.operation) \($0.side)", $0.blockers.key) }, &strings,
            into: &text)
        text += ",\n\"boundaries\":"
        let standing = report.standing.filter { !$0.isGap }.map { row in
            (row.count, row.command, row.stack, row.operation?.rawValue ?? "before", row.word)
        }
        write(standing, &strings, into: &text)
        text += ",\n\"strings\":[\(strings.all.map(HTML.json).joined(separator: ","))],"
        text += "\n\"colours\":[\(strings.all.map { "\"\(HTML.colour($0))\"" }.joined(separator: ","))]}"
    }

    private struct Strings {
        private(set) var all: [String] = []
        private var ids: [String: Int] = [:]

        mutating func id(_ text: String) -> Int {
            if let id = ids[text] { return id }
            ids[text] = all.count
            all.append(text)
            return all.count - 1
        }
    }

    /// `v`: for each VMA the number of unmapped pages in front of it, the number of its own pages, the index of a
    /// string that describes it, and one more than the index of a string for the boundary behind it; 0 is a gap.
    private static func write(_ process: Report.Process, _ report: Report, _ strings: inout Strings, into text: inout String) {
        let vmas = process.layout.vmas
        let seams = report.seams(of: process).map { blockers in
            blockers.map { strings.id($0.isEmpty ? "mergeable" : $0.key) + 1 } ?? 0
        }
        text += "{\"name\":\(HTML.json("\(process.command)[\(process.pid)], \(vmas.count.of("VMA"))")),\"v\":["
        var end: UInt64 = 0
        for (index, vma) in vmas.enumerated() {
            if index > 0 { text += "," }
            let gap = (vma.start - end) >> AddressRange.pageShift
            text += "\(gap),\(vma.range.pages),\(strings.id(label(vma, report.labels))),\(seams[index])"
            end = vma.end
        }
        text += "]}"
    }

    /// A short description, equal for many VMAs.
    private static func label(_ vma: VMA, _ labels: Labels) -> String {
        let what = labels.file(vma).map { Fit.middle($0, 60) } ?? labels.name(vma).map { Fit.middle($0, 60) } ?? "anonymous"
        let flags = labels.flags.of(vma.flags.besideProtection.subtracting([.softDirty, .account]))
        return ([vma.flags.protectionText, what] + flags).joined(separator: " ")
    }

    /// Rows of a count, the index of a string for the operation, the index of one for the blockers, and the frames,
    /// outermost first.
    private static func write(
        _ rows: [(count: Int, command: String, stack: [String], what: String, blockers: String)],
        _ strings: inout Strings, into text: inout String
    ) {
        let packed = rows.prefix(stackLimit).map { row in
            let frames = ([row.command] + row.stack.reversed()).map { strings.id($0) }
            let ids = [row.count, strings.id(row.what), strings.id(row.blockers)] + frames
            return "[" + ids.map(String.init).joined(separator: ",") + "]"
        }
        text += "[\(packed.joined(separator: ","))]"
    }
}

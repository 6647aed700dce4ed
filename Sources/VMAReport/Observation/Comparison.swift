import VMACore

/// The comparison of two reports, for `vmascope diff`.
public struct Comparison: Sendable {
    private let before: Figures
    private let after: Figures

    /// Compares two reports by their figures.
    public init(before: Figures, after: Figures) {
        self.before = before
        self.after = after
    }

    /// The comparison as text.
    ///
    /// - Parameter names: the names of the two files.
    public func text(_ names: (String, String)) -> String {
        var text = "before  \(Fit.middle(Fit.printable(names.0), Fit.width - 8))\n"
        text += "after   \(Fit.middle(Fit.printable(names.1), Fit.width - 8))\n"
        for section in sections where !section.rows.isEmpty {
            var table = TextTable([section.title, "before", "after", "change"], right: [1, 2, 3], width: Fit.width - 2)
            for row in section.rows { table.add([Fit.middle(Fit.printable(row.name), 50)] + row.cells) }
            text += "\n" + table.lines.map { "  \($0)\n" }.joined()
        }
        return text
    }

    /// The comparison in JSON: `vmascope.diff.v1`.
    public func json() -> String {
        var json = JSONWriter()
        json.object { json in
            json.field("schema", "vmascope.diff.v1")
            for section in sections {
                json.object(section.key) { json in
                    for row in section.rows {
                        json.object(row.name) { json in
                            json.field("before", thousandths: row.before)
                            json.field("after", thousandths: row.after)
                        }
                    }
                }
            }
        }
        return json.finish()
    }

    private struct Row {
        var name: String
        var before: Double?
        var after: Double?

        var cells: [String] {
            let change = before.flatMap { before in after.map { $0 - before } }
            return [
                Self.text(before), Self.text(after), change.map { $0 == 0 ? "=" : ($0 > 0 ? "+" : "") + Self.text($0) } ?? "",
            ]
        }

        private static func text(_ value: Double?) -> String {
            guard let value else { return "–" }
            return abs(value) < 1e15 && value == value.rounded() ? Int(value).grouped : Condition.text(value)
        }
    }

    private var sections: [(title: String, key: String, rows: [Row])] {
        [
            ("VMAs", "vmas", ["vmas.peak", "vmas.now", "growth_per_minute", "seconds_to_limit"].map(row)),
            ("merges", "merges", ["attempts", "merged", "missed", "refused"].map(row)),
            ("missed by", "missed_by", keys("missed.").map(row)),
            (
                "missed in", "missed_in",
                Set(before.missedByOperation.keys).union(after.missedByOperation.keys).sorted().map { name in
                    Row(name: name, before: before.missedByOperation[name] ?? 0, after: after.missedByOperation[name] ?? 0)
                }
            ),
            ("between the VMAs", "boundaries", keys("boundaries.").map(row) + [row("gaps.total")]),
            ("at the peak", "peak", keys("peak.").map(row)),
            ("what if", "what_if", WhatIf.allCases.map { row("what_if.\($0.rawValue)") }),
            ("trust", "trust", ["lost", "unexplained", "layout_audit.different"].map(row)),
        ]
    }

    private func row(_ name: String) -> Row { Row(name: name, before: before.value(name), after: after.value(name)) }

    /// The names of figures in either report, those with the largest numbers first.
    private func keys(_ prefix: String) -> [String] {
        let names = Set(before.values.keys).union(after.values.keys).filter { $0.hasPrefix(prefix) }
        func most(_ name: String) -> Double { max(before.value(name) ?? 0, after.value(name) ?? 0) }
        return names.sorted { (most($1), $0) < (most($0), $1) }
    }
}

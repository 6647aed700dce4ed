import VMACore

/// One file to open in a browser: nothing is fetched, and names can't become markup. What matters
/// most is there without scripts, too; these draw the address space and the flame graph.
struct HTMLReport: ReportFormat {
    private static let processLimit = 200
    private static let standingLimit = 15
    private static let frameLimit = 6
    /// Whose answers are drawn first; a place in `Proposals.table`.
    private let proposal: Int

    init(whatIf: Int = Proposals.rfc) { proposal = whatIf }

    func render(_ report: Report, into text: inout String) {
        let answer = Answer(report)
        text += """
            <!doctype html>
            <html lang=en><head><meta charset=utf-8>
            <meta name=viewport content="width=device-width,initial-scale=1">
            <meta http-equiv=Content-Security-Policy content="default-src 'none';style-src 'unsafe-inline';script-src 'unsafe-inline'">
            <meta name=color-scheme content="light dark">
            <title>vmascope: \(HTML.escaped(answer.near))</title>
            <style>\(HTMLStyle.text)</style></head><body>

            """
        text += head(report, answer)
        text += HTML.section("where", "Address space", HTMLData.strip(report))
        text += HTML.section("time", "VMAs over time", HTMLChart.history(report))
        if !report.refused.isEmpty { text += HTML.section("refused", "Calls that the kernel refused", refused(report.refused)) }
        text += HTML.section("missed", "Missed merges", missed(report))
        text += HTML.section("code", "Which code", HTMLData.flame)
        if let peaks = report.peaks { text += HTML.section("peak", "What stood at the peak", standing(peaks)) }
        text += HTML.section("standing", "What stands between the VMAs", standing(report))
        text += HTML.section("whatif", "If pgoff and anon_vma were no limits", whatIf(report))
        text += HTML.section("processes", "Processes", processes(report))
        text += HTML.section("trust", "How far to trust this", trust(report))
        text += "<script type=application/json id=data>"
        HTMLData.write(report, into: &text)
        text += "</script>\n<script>\(HTMLScript.text)</script>\n"
        text += "</body></html>\n"
    }

    private func head(_ report: Report, _ answer: Answer) -> String {
        var html = "<header><h1>\(HTML.escaped(answer.near))</h1>\n<dl>"
        for (label, text) in [("filled by", answer.filledBy), ("left by", answer.leftBy), ("what to do", answer.whatToDo)] {
            html += "<dt>\(label)</dt><dd>\(HTML.escaped(text ?? "unknown"))</dd>\n"
        }
        html += "<dt>trust</dt><dd class=\(answer.isTrusted ? "good" : "bad")>\(HTML.escaped(answer.trust))</dd>\n"
        if let meanwhile = answer.meanwhile { html += "<dt>meanwhile</dt><dd>\(HTML.escaped(meanwhile))</dd>\n" }
        html += "</dl>\n"
        html += "<p class=dim>vmascope \(HTML.escaped(report.version)) on \(HTML.escaped(report.host.kernel)), source "
        html += "\(HTML.escaped(report.host.source)), from \(HTML.escaped(report.started)) for "
        return html + "\(Answer.tenths(report.seconds))</p></header>\n"
    }

    private func refused(_ rows: [Refused]) -> String {
        HTML.table(
            ["=count", "call", "why", "seen", "=first", "=last", "code", "process"],
            rows.prefix(Self.processLimit).map { row in
                [
                    "=\(row.count.grouped)", row.operation.rawValue, row.verdict.words, row.verdict.seen ? "yes" : "inferred",
                    "=\(Answer.tenths(row.first))", "=\(Answer.tenths(row.last))",
                    "<code>\(row.stack.prefix(Self.frameLimit).map(HTML.escaped).joined(separator: " ← "))</code>",
                    HTML.escaped(Report.name(row.command, row.pid)),
                ]
            })
    }

    /// What was missed, by blocker and operation.
    private func missed(_ report: Report) -> String {
        let totals = report.totals
        var html = "<p>\(totals.attempts.of("merge attempt")), \(totals.merged.grouped) merged; "
        html += "\(totals.missed.of("side")) missed.</p>\n"
        guard totals.missed > 0 else { return html }
        var counts: [Blockers: [Operation: Int]] = [:]
        for miss in report.missed { counts[miss.blockers, default: [:]][miss.operation, default: 0] += miss.count }
        let operations = Operation.allCases.filter { operation in counts.values.contains { $0[operation] != nil } }
        let most = totals.missedBy.values.max() ?? 1
        let rows = totals.missedBy.ranked.map { blockers, count in
            let share = max(1, 100 * count / most)
            let bar = "<div class=\"bar \(HTML.colour(blockers.key))\" style=\"width:\(share)%\"></div>"
            return [HTML.blocker(blockers.key), "=\(count.grouped)", bar]
                + operations.map { "=\((counts[blockers]?[$0]).map(\.grouped) ?? "")" }
        }
        return html + HTML.table(["by", "=missed", ""] + operations.map { "=\($0)" }, rows)
    }

    /// A row for each kind of pair and stack, and what can be done about the most frequent.
    private func standing(_ report: Report) -> String {
        guard !report.standing.isEmpty else { return "<p>No two VMAs touch.</p>\n" }
        let all = report.standingAlike(Self.frameLimit)
        let rows = all.prefix(Self.standingLimit).map { alike in
            let row = alike.row
            let callers = row.operation.map { Stack.callers(row.stack, of: $0) } ?? []
            let stack = (callers.isEmpty ? row.stack : callers).prefix(Self.frameLimit).map(HTML.escaped).joined(separator: " ← ")
            let notes = [row.whatIf?.rawValue, row.directedDetail(report.labels.flags)].compactMap { $0 }.map(HTML.escaped)
                .joined(separator: ", ")
            return [
                "=\(alike.count.grouped)", HTML.blocker(row.word) + " <span class=dim>\(notes)</span>",
                row.operation?.rawValue ?? "", "<code>\(stack)</code>", HTML.escaped(alike.who),
            ]
        }
        var html = rows.isEmpty ? "" : HTML.table(["=count", "by", "left by", "code", "process"], Array(rows))
        let rest = all.dropFirst(Self.standingLimit).reduce(0) { $0 + $1.count }
        let besides = (rest > 0 ? ["\(rest.grouped) more"] : []) + report.standingBesides
        if !besides.isEmpty { html += "<p class=dim>Besides: \(besides.joined(separator: "; ")).</p>\n" }
        var told: [Remedy] = []
        for alike in all {
            guard told.count < 4, let remedy = report.remedy(alike.row), !told.contains(where: { $0.slug == remedy.slug }) else {
                continue
            }
            told.append(remedy)
        }
        html += "<dl>"
        for remedy in told {
            html += "<dt>\(HTML.blocker(remedy.blocker?.slugs.first ?? "gaps"))</dt>"
            html += "<dd>\(HTML.escaped("\(remedy.advice) \(remedy.reason)"))</dd>\n"
        }
        return html + "</dl>\n"
    }

    private func whatIf(_ report: Report) -> String {
        var html = HTMLWhatIf(proposal: proposal).render(report)
        let rows = report.processes.filter { $0.boundaries.total > 0 }.sorted {
            $0.boundaries.recoverable > $1.boundaries.recoverable
        }
        .prefix(Self.standingLimit).map { process in
            return [
                "\(HTML.escaped(process.command))[\(process.pid)]", "=\(process.now.grouped)", "=\(process.atBest.grouped)",
                "=\(process.now > 0 ? 100 * process.boundaries.recoverable / process.now : 0)%",
                "=\((process.boundaries.whatIf[.shared] ?? 0).grouped)", "=\((process.boundaries.whatIf[.unknown] ?? 0).grouped)",
                "=\((process.tally.whatIf[.shared] ?? 0).grouped)",
            ]
        }
        let titles = ["process", "=VMAs", "=without the recoverable", "=fewer", "=shared", "=unknown", "=shared misses"]
        html += HTML.table(titles, Array(rows))
        return html
    }

    private func processes(_ report: Report) -> String {
        let ranked = Answer.ranked(report.processes)
        let rows = ranked.prefix(Self.processLimit).map { process in
            [
                "=\(process.pid)", HTML.escaped(process.command), process.exited ? "exited" : "=\(process.now.grouped)",
                "=\(process.start.grouped)", "=\(process.peak.grouped)", "=\(process.limit?.grouped ?? "?")",
                "=\(process.trend.map { Answer.perMinute($0.perMinute) } ?? "–")",
                "=\(process.secondsToLimit.map { $0 == 0 ? "now" : Answer.duration($0) } ?? "–")",
                "=\(process.tally.attempts.grouped)",
                "=\(process.tally.merged.grouped)", "=\(process.tally.missed.grouped)",
                "=\(process.boundaries.total.grouped)", Answer.list(process.boundaries.blockedBy, 3),
                "=\(process.boundaries.gaps.grouped)",
            ]
        }
        let heads = [
            "=pid", "comm", "=VMAs", "=start", "=peak", "=limit", "=growth", "=to the limit", "=attempts", "=merged", "=missed",
            "=boundaries", "by", "=gaps",
        ]
        return HTML.table(heads, Array(rows))
    }

    private func trust(_ report: Report) -> String {
        let audit = report.audit
        let unjudged = report.unjudged == 0 ? [] : [["sections", report.unjudgedText]]
        var html = HTML.table(
            ["", ""],
            [
                ["merge rules", "<code>\(HTML.escaped(report.host.mergeRules))</code>"],
                [
                    "agreement",
                    "the kernel did what the rules say in \(report.agreed.grouped) of \(report.checked.of("attempt"))",
                ],
                ["events", "\(report.received.grouped) received, \(report.lost.grouped) lost"],
                [
                    "layout audit",
                    "equal to the kernel's in \(audit.equal.grouped) of \(audit.checked.of("comparison")), read anew "
                        + audit.resynced.of("time"),
                ],
            ] + unjudged)
        let doubts = report.disagreements + audit.differences
        if !doubts.isEmpty { html += "<ul>" + doubts.map { "<li>\(HTML.escaped($0))</li>\n" }.joined() + "</ul>\n" }
        return html
    }
}

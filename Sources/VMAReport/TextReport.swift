import VMACore

/// The report for people: what was missed and by whom first, how far to trust it last.
struct TextReport: ReportFormat {
    private let style: TextStyle
    private static let missLimit = 20
    /// Of those that the program asked for itself, by different files or protections.
    private static let intentLimit = 3
    private static let processLimit = 10
    private static let frameLimit = 8

    init(colour: Bool) { style = TextStyle(colour: colour) }

    func render(_ report: Report, into text: inout String) {
        text += style.bold("vmascope \(report.version)")
        text += " on \(report.host.kernel), source \(report.host.source), from \(report.started)"
        text += " for \(seconds(report.seconds))\n\n"
        text += totals(report) + "\n"
        if !report.missed.isEmpty { text += misses(report) }
        if !report.processes.isEmpty { text += processes(report) + "\n" }
        text += trust(report)
    }

    // MARK: totals

    private func totals(_ report: Report) -> String {
        let totals = report.totals
        guard totals.attempts > 0 else { return "no merge attempts were seen\n" }
        var text = style.bold(
            "\(totals.attempts.of("merge attempt")), \(totals.merged.grouped) merged; "
                + "\(totals.missed.of("side")) missed") + "\n"
        if totals.merged > 0 {
            let ranked = totals.mergedBy.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
            text += "merged by " + ranked.map { "\($0.key) \($0.value.grouped)" }.joined(separator: ", ") + "\n"
        }
        var table = TextTable(["missed", "by"], right: [0])
        for (blockers, count) in totals.missedBy.ranked { table.add([count.grouped, blockers.key]) }
        if totals.missed > 0 { text += table.lines.map { "  \($0)\n" }.joined() }

        let limits = totals.missedBy.filter { $0.key.isHeadline }.values.reduce(0, +)
        if limits == 0 {
            text += "none by pgoff or anon_vma alone: the kernel's own limits cost nothing here\n"
        } else {
            let whatIf = WhatIf.allCases.map { "\((totals.whatIf[$0] ?? 0).grouped) \($0)" }.joined(separator: ", ")
            text += "of the \(limits.grouped) by pgoff or anon_vma, if those were no limits: \(whatIf)\n"
        }
        return text
    }

    // MARK: misses

    private func misses(_ report: Report) -> String {
        let lines = TextVMA(labels: report.labels, style: style)
        var text = style.bold("MISSED MERGES") + "\n"
        let shown = Self.interesting(report.missed)
        for miss in shown {
            let whatIf = miss.whatIf.map { ", \($0)" } ?? ""
            text += "  " + style.bold("\(miss.count.grouped)×  \(miss.blockers.key)")
            text += "  \(miss.operation), \(miss.side) side\(whatIf)"
            text += "  \(TextStyle.printable(miss.command))[\(miss.pid)]\n"

            let (left, right) = miss.side == .prev ? (miss.prev, miss.proposed) : (miss.proposed, miss.next)
            if let left, let right {
                let far = miss.side == .prev ? miss.next : miss.prev
                let seam = lines.seam(miss.blockers, miss.detail, left, right, joined: far?.anonVMA ?? 0)
                text += "       \(miss.side == .prev ? "prev     " : "proposed ") \(lines.line(left))\n"
                text += "       " + style.red("─────────  \(seam)") + "\n"
                text += "       \(miss.side == .prev ? "proposed " : "next     ") \(lines.line(right))\n"
            }
            if !miss.stack.isEmpty { text += "       by        \(stack(miss.stack))\n" }
            text += "\n"
        }
        let rest = report.missed.count - shown.count
        if rest > 0 {
            let count = report.totals.missed - shown.reduce(0) { $0 + $1.count }
            text += "  … and \(count.grouped) more in \(rest.of("row")): --format json has them all\n\n"
        }
        return text
    }

    /// The kernel's limits first, then what another advice or another order of mapping would
    /// mend, then a few of those that are as the program wants them.
    private static func interesting(_ missed: [Report.Miss]) -> [Report.Miss] {
        let mendable: Blockers = [.pgoff, .anonVMA, .fileOffset, .flags]
        let headlines = missed.filter { $0.blockers.isHeadline }
        let others = missed.filter { !$0.blockers.isHeadline }
        let mends = others.filter { $0.blockers.isSubset(of: mendable) }
        let intents = others.filter { !$0.blockers.isSubset(of: mendable) }
        return Array((headlines + mends).prefix(missLimit) + intents.prefix(intentLimit))
    }

    private func stack(_ frames: [String]) -> String {
        let shown = frames.prefix(Self.frameLimit).map(TextStyle.printable).joined(separator: " ← ")
        return frames.count > Self.frameLimit ? shown + " ← …" : shown
    }

    // MARK: processes

    private func processes(_ report: Report) -> String {
        var table = TextTable(
            ["pid", "comm", "VMAs", "start", "peak", "limit", "attempts", "merged", "missed", "between the VMAs"],
            right: [0, 2, 3, 4, 5, 6, 7, 8])
        // The worst first; they started in this order where they are alike.
        let ranked = report.processes.enumerated()
            .sorted { ($1.element.tally.missed, $0.offset) < ($0.element.tally.missed, $1.offset) }.map(\.element)
        for process in ranked.prefix(Self.processLimit) {
            table.add([
                "\(process.pid)", TextStyle.printable(process.command),
                process.exited ? "exited" : process.now.grouped, process.start.grouped, process.peak.grouped,
                process.limit?.grouped ?? "?", process.tally.attempts.grouped, process.tally.merged.grouped,
                process.tally.missed.grouped, boundaries(process.boundaries),
            ])
        }
        var text = style.bold("PROCESSES") + "\n" + table.lines.map { "  \($0)\n" }.joined()
        let rest = ranked.count - Self.processLimit
        if rest > 0 { text += "  … and \(rest.grouped) more that missed no more than these\n" }
        return text
    }

    private func boundaries(_ boundaries: Boundaries) -> String {
        guard boundaries.total > 0 else { return "no boundaries" }
        let known = boundaries.blockedBy.ranked.prefix(3).map { "\($0.value.grouped) \($0.key.key)" }
        let more = boundaries.blockedBy.count > 3 ? ", …" : ""
        return "\(boundaries.total.grouped): " + known.joined(separator: ", ") + more
    }

    // MARK: trust

    private func trust(_ report: Report) -> String {
        let unexplained = report.checked - report.agreed
        var text = style.bold("HOW FAR TO TRUST THIS") + "\n"
        text += "  merge rules   \(report.host.mergeRules)\n"
        text += "  agreement     "
        text += verdict(
            unexplained == 0,
            "the kernel did what the rules say in \(report.agreed.grouped) of \(report.checked.of("attempt"))",
            "; \(unexplained.grouped) unexplained: this kernel has a rule that vmascope does not know")
        for line in report.disagreements { text += "                " + TextStyle.printable(line) + "\n" }
        text += "  events        "
        text += verdict(
            report.lost == 0, "\(report.received.grouped) received, \(report.lost.grouped) lost",
            "; layouts were read anew, but attempts are missing from the counts")
        text += "  layout audit  "
        let audit = report.audit
        text += verdict(
            audit.equal == audit.checked,
            audit.checked == 0
                ? "not compared: no moment was quiet"
                : "equal to the kernel's in \(audit.equal.grouped) of \(audit.checked.of("comparison"))", "")
        if audit.resynced > 0 { text += "                read anew \(audit.resynced.of("time"))\n" }
        for line in audit.differences { text += "                " + TextStyle.printable(line) + "\n" }
        return text
    }

    private func verdict(_ isGood: Bool, _ text: String, _ otherwise: String) -> String {
        (isGood ? style.green(text) : style.red(text + otherwise)) + "\n"
    }

    private func seconds(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}

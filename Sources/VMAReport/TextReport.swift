import VMACore

/// The report for people: the answer first, how far to trust it last. At most `Fit.width` columns.
struct TextReport: ReportFormat {
    private let style: TextStyle
    private static let missLimit = 20
    /// Of those that the program asked for itself, by different files or protections.
    private static let intentLimit = 3
    private static let processLimit = 10
    private static let standingLimit = 10
    private static let frameLimit = 8
    /// Misses of the kernel's limits are rare when they are fewer than one in so many attempts.
    private static let rare = 100

    init(colour: Bool) { style = TextStyle(colour: colour) }

    func render(_ report: Report, into text: inout String) {
        text += answer(Answer(report)) + "\n"
        text += style.bold("vmascope \(report.version)")
        text += " on \(report.host.kernel), source \(report.host.source), from \(report.started)"
        text += " for \(Answer.tenths(report.seconds))\n\n"
        text += totals(report) + "\n"
        if !report.processes.isEmpty { text += processes(report) + "\n" }
        if !report.missed.isEmpty { text += misses(report) }
        if !report.standing.isEmpty { text += standing(report) + "\n" }
        text += TextTrust(style: style).render(report)
    }

    // MARK: the answer

    private func answer(_ answer: Answer) -> String {
        func line(_ label: String, _ text: String?) -> String {
            label.padded(12) + Fit.end(text ?? "nothing that was seen", Fit.width - 12)
        }
        let trust = line("trust", answer.trust)
        let lines = [
            style.bold(line("vmascope", answer.near)), line("filled by", answer.filledBy), line("left by", answer.leftBy),
            line("what to do", answer.whatToDo), answer.isTrusted ? trust : style.red(trust),
        ]
        return lines.map { $0 + "\n" }.joined()
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
            text += wrapped("merged by " + ranked.map { "\($0.key) \($0.value.grouped)" }.joined(separator: ", "))
        }
        var table = TextTable(["missed", "by"], right: [0])
        for (blockers, count) in totals.missedBy.ranked { table.add([count.grouped, blockers.key]) }
        if totals.missed > 0 { text += table.lines.map { "  \($0)\n" }.joined() }

        let limits = totals.missedBy.filter { $0.key.isHeadline }.values.reduce(0, +)
        guard limits > 0 else {
            return text + "none by pgoff or anon_vma alone: the kernel's own limits cost nothing here\n"
        }
        let whatIf = WhatIf.allCases.map { "\((totals.whatIf[$0] ?? 0).grouped) \($0)" }.joined(separator: ", ")
        text += "of the \(limits.grouped) by pgoff or anon_vma, if those were no limits: \(whatIf)\n"
        if limits * Self.rare < totals.attempts { text += "which is rare, as in most programs: the rest is as it was asked for\n" }
        return text
    }

    private func wrapped(_ text: String) -> String { Fit.wrap(text, Fit.width).map { $0 + "\n" }.joined() }

    // MARK: misses

    private func misses(_ report: Report) -> String {
        let lines = TextVMA(labels: report.labels, style: style)
        var text = style.bold("MISSED MERGES") + "\n"
        let shown = Self.interesting(report.missed)
        for (index, miss) in shown.enumerated() {
            let whatIf = miss.whatIf.map { ", \($0)" } ?? ""
            text += "  " + style.bold("\(miss.count.grouped)×  \(miss.blockers.key)")
            text += "  \(miss.operation), \(miss.side) side\(whatIf)  \(name(miss.command, miss.pid))\n"
            if index == 0 { text += TextStrip(style: style).lines(miss).map { "       \($0)\n" }.joined() }

            let (left, right) = miss.side == .prev ? (miss.prev, miss.proposed) : (miss.proposed, miss.next)
            if let left, let right {
                let far = miss.side == .prev ? miss.next : miss.prev
                let seam = lines.seam(miss.blockers, miss.detail, left, right, joined: far?.anonVMA ?? 0)
                text += labelled(miss.side == .prev ? "prev" : "proposed", lines.lines(left, Self.room))
                text += labelled("─────────", Fit.wrap(seam, Self.room), style.red)
                text += labelled(miss.side == .prev ? "proposed" : "next", lines.lines(right, Self.room))
            }
            if !miss.stack.isEmpty { text += labelled("by", stack(miss.stack)) }
            text += "\n"
        }
        let rest = report.missed.count - shown.count
        if rest > 0 {
            let count = report.totals.missed - shown.reduce(0) { $0 + $1.count }
            text += "  … and \(count.grouped) more in \(rest.of("row")): --format json has them all\n\n"
        }
        return text
    }

    /// Columns beside a label.
    private static let room = Fit.width - 18

    private func labelled(_ label: String, _ lines: [String], _ paint: (String) -> String = { $0 }) -> String {
        let gap = label.first == "─" ? 11 : 10
        let indent = String(repeating: " ", count: 7 + gap)
        return "       " + paint(label.padded(gap) + lines.joined(separator: "\n" + indent)) + "\n"
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

    /// Innermost frame first, on as many lines as it takes.
    private func stack(_ frames: [String]) -> [String] {
        var shown = frames.prefix(Self.frameLimit).map { Fit.middle(Fit.printable($0), Self.room - 2) }
        if frames.count > Self.frameLimit { shown.append("…") }
        let arrows = shown.enumerated().map { $0.offset == 0 ? $0.element : "← \($0.element)" }
        return Fit.fill(arrows, between: " ", Self.room)
    }

    private func name(_ command: String, _ pid: UInt32) -> String { "\(Fit.middle(Fit.printable(command), 16))[\(pid)]" }

    // MARK: what stands

    private func standing(_ report: Report) -> String {
        var text = style.bold("WHAT STANDS BETWEEN THE VMAS, AND WHO LEFT IT") + "\n"
        // What exec made is as it should be.
        let left = report.standing.filter { $0.operation != nil }
        for row in left.prefix(Self.standingLimit) {
            let whatIf = row.whatIf.map { ", \($0)" } ?? ""
            let detail = row.detail.map { " (\($0))" } ?? ""
            let head = "\(row.count.grouped)×  \(row.blockers.isEmpty ? "nothing: mergeable" : row.blockers.key)\(detail)\(whatIf)"
            text += "  " + Fit.end("\(head)  \(row.operation!)  \(name(row.command, row.pid))", Fit.width - 2) + "\n"
            if !row.stack.isEmpty { text += labelled("by", stack(row.stack)) }
        }
        let shown = left.prefix(Self.standingLimit).reduce(0) { $0 + $1.count }
        let others = left.reduce(0) { $0 + $1.count } - shown
        let early = report.standing.reduce(0) { $0 + $1.count } - shown - others
        if others > 0 { text += "  … and \(others.grouped) more: --format folded --weight boundaries has them all\n" }
        if early > 0 { text += "  \(early.of("boundary", "boundaries")) stood before, or exec made them\n" }
        return text
    }

    // MARK: processes

    private func processes(_ report: Report) -> String {
        var table = TextTable(
            ["pid", "comm", "VMAs", "at best", "peak", "a minute", "attempts", "merged", "missed", "between the VMAs"],
            right: [0, 2, 3, 4, 5, 6, 7, 8], width: Fit.width - 2)
        // The worst first; they started in this order where they are alike.
        let ranked = report.processes.enumerated()
            .sorted { ($1.element.tally.missed, $0.offset) < ($0.element.tally.missed, $1.offset) }.map(\.element)
        for process in ranked.prefix(Self.processLimit) {
            table.add([
                "\(process.pid)", Fit.middle(Fit.printable(process.command), 16),
                process.exited ? "exited" : process.now.grouped, process.atBest.grouped, process.peak.grouped,
                process.trend.map { "\(Answer.perMinute($0.perMinute).prefix { $0 != " " })" } ?? "–",
                process.tally.attempts.grouped, process.tally.merged.grouped, process.tally.missed.grouped,
                boundaries(process.boundaries),
            ])
        }
        let limit = report.processes.first?.limit.map { " (of at most \($0.grouped) VMAs each)" } ?? ""
        var text = style.bold("PROCESSES") + limit + "\n" + table.lines.map { "  \($0)\n" }.joined()
        let rest = ranked.count - Self.processLimit
        if rest > 0 { text += "  … and \(rest.grouped) more that missed no more than these\n" }
        if ranked.contains(where: { $0.atBest < $0.now }) { text += "  at best: VMAs if the recoverable boundaries were gone\n" }
        return text
    }

    private func boundaries(_ boundaries: Boundaries) -> String {
        boundaries.total > 0 ? "\(boundaries.total.grouped): \(Answer.list(boundaries.blockedBy, 2))" : "no boundaries"
    }
}

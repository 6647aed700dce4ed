import VMACore

/// The report for people: the answer first, how far to trust it last. At most `Fit.width` columns.
struct TextReport: ReportFormat {
    private let style: TextStyle
    private static let missLimit = 12
    private static let refusedLimit = 8
    private static let headlineLimit = 8
    /// Of those that the program asked for itself, by different files or protections.
    private static let intentLimit = 3
    private static let processLimit = 10
    private static let standingLimit = 10
    private static let frameLimit = 8
    private static let standingFrameLimit = 5
    /// Fewer that are alike are what every program has.
    private static let worthwhile = 16
    /// Misses of the kernel's limits are rare when they are fewer than one in so many attempts.
    private static let rare = 100

    /// Whose answers are given; a place in `Proposals.table`.
    private let whatIf: Int

    init(colour: Bool, whatIf: Int = Proposals.rfc) {
        style = TextStyle(colour: colour)
        self.whatIf = whatIf
    }

    func render(_ report: Report, into text: inout String) {
        text += answer(Answer(report)) + "\n"
        text += style.bold("vmascope \(report.version)")
        text += " on \(report.host.kernel), source \(report.host.source), from \(report.started)"
        text += " for \(Answer.tenths(report.seconds))\n\n"
        text += totals(report) + "\n"
        text += TextWhatIf(style: style, proposal: whatIf).render(report)
        if !report.processes.isEmpty { text += processes(report) + "\n" }
        if !report.refused.isEmpty { text += refused(report.refused) + "\n" }
        if !report.missed.isEmpty { text += misses(report) }
        if let peak = report.peaks { text += standing(peak, "WHAT STOOD AT THE PEAK, AND WHO LEFT IT") + "\n" }
        if !report.standing.isEmpty { text += standing(report, "WHAT STANDS BETWEEN THE VMAS, AND WHO LEFT IT") + "\n" }
        text += TextTrust(style: style).render(report)
    }

    // MARK: the answer

    private func answer(_ answer: Answer) -> String {
        func line(_ label: String, _ text: String?) -> String {
            label.padded(12) + Fit.end(text ?? "unknown", Answer.room)
        }
        let trust = line("trust", answer.trust)
        let lines =
            [
                style.bold(line("vmascope", answer.near)), line("filled by", answer.filledBy), line("left by", answer.leftBy),
                line("what to do", answer.whatToDo), answer.isTrusted ? trust : style.red(trust),
            ] + (answer.meanwhile.map { [line("meanwhile", $0)] } ?? [])
        return lines.map { $0 + "\n" }.joined()
    }

    // MARK: totals

    private func totals(_ report: Report) -> String {
        let totals = report.totals
        guard totals.attempts > 0 else { return "no merge attempts were seen\n" }
        var text =
            style.bold(
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
        let counts = totals.byProposal[whatIf]
        let answers = WhatIf.allCases.map { whatIf in
            let count = counts[whatIf] ?? 0
            // What the series gives as its result: how many of all stay refused because of sharing.
            let share = whatIf == .shared && count > 0 ? " (\((1000 * count / limits + 5) / 10)%)" : ""
            return "\(count.grouped) \(whatIf)\(share)"
        }.joined(separator: ", ")
        text += "of the \(limits.grouped) by pgoff or anon_vma, if those were no limits: \(answers)\n"
        if limits * Self.rare < totals.attempts {
            text += "this is rare, as in most programs: the other misses have differences that programs asked for\n"
        }
        return text
    }

    private func wrapped(_ text: String) -> String { Fit.wrap(text, Fit.width).map { $0 + "\n" }.joined() }

    // MARK: what was refused

    private func refused(_ rows: [Refused]) -> String {
        var text = style.bold("CALLS THAT THE KERNEL REFUSED") + "\n"
        for row in rows.prefix(Self.refusedLimit) {
            let seen = row.verdict.seen ? "" : " (inferred: nothing changed)"
            let when =
                row.count == 1
                ? "at \(Answer.tenths(row.first))" : "from \(Answer.tenths(row.first)) to \(Answer.tenths(row.last))"
            let head =
                "\(row.count.grouped)×  \(row.operation) \(row.verdict.words)\(seen), \(when)  \(Report.name(row.command, row.pid))"
            text += "  " + style.red(Fit.end(head, Fit.width - 2)) + "\n"
            if !row.stack.isEmpty { text += labelled("by", stack(row.stack, Self.standingFrameLimit)) }
        }
        let rest = rows.dropFirst(Self.refusedLimit).reduce(0) { $0 + $1.count }
        return rest > 0 ? text + "  … and \(rest.grouped) more: --format json has them all\n" : text
    }

    // MARK: misses

    private func misses(_ report: Report) -> String {
        let lines = TextVMA(labels: report.labels, style: style)
        var text = style.bold("MISSED MERGES") + "\n"
        let shown = Self.interesting(report.missedAlike(Self.frameLimit))
        for (index, alike) in shown.enumerated() {
            let miss = alike.row
            let whatIf = miss.answers[self.whatIf].map { ", \($0)" } ?? ""
            text += "  " + style.bold("\(alike.count.grouped)×  \(miss.blockers.key)")
            text += "  \(miss.operation), \(miss.side) side\(whatIf)  \(alike.who)\n"
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
        let rest = report.totals.missed - shown.reduce(0) { $0 + $1.count }
        guard !shown.isEmpty else {
            return text
                + "  \(rest.of("side")), all by differences that were asked for, or the loader's: --format json has them\n\n"
        }
        let loaders = report.missed.reduce(0) { $0 + (Stack.isLoaders($1.stack) ? $1.count : 0) }
        if rest > 0 {
            text += "  … and \(rest.grouped) more"
            text += loaders > 0 ? ", of which \(loaders.grouped) are the dynamic loader's" : ""
            text += ": --format json has them all\n\n"
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

    /// The kernel's limits first, then what is most frequent, and of that a few only that are as the
    /// program wants them. Every program misses what its loader does.
    private static func interesting(_ missed: [Alike<Report.Miss>]) -> [Alike<Report.Miss>] {
        let headlines = missed.filter { $0.row.blockers.isHeadline }.prefix(headlineLimit)
        var intents = 0
        let others = missed.filter { alike in
            guard !alike.row.blockers.isHeadline, !Stack.isLoaders(alike.row.stack) else { return false }
            if alike.row.blockers.isSubset(of: mendable) { return true }
            intents += 1
            return intents <= intentLimit
        }
        return Array(headlines + others.prefix(missLimit - headlines.count))
    }

    /// What another advice, or another order of mapping, would mend.
    private static let mendable: Blockers = [.pgoff, .anonVMA, .fileOffset, .flags]

    /// Innermost frame first, on as many lines as it takes.
    private func stack(_ frames: [String], _ limit: Int = frameLimit) -> [String] {
        var shown = frames.prefix(limit).map { Fit.middle(Fit.printable($0), Self.room - 2) }
        if frames.count > limit { shown.append("\(frames.count - limit) more") }
        let arrows = shown.enumerated().map { $0.offset == 0 ? $0.element : "← \($0.element)" }
        return Fit.fill(arrows, between: " ", Self.room)
    }

    // MARK: what stands

    private func standing(_ report: Report, _ title: String) -> String {
        var text = style.bold(title) + "\n"
        var told: Set<String> = []
        let left = report.standingAlike(Self.standingFrameLimit)
        for alike in left.prefix(Self.standingLimit) {
            let row = alike.row
            let whatIf = row.answers[self.whatIf].map { ", \($0)\(row.wasTried ? "" : " now")" } ?? ""
            let detail = row.directedDetail(report.labels.flags).map { " (\($0))" } ?? ""
            let head = "\(alike.count.grouped)×  \(row.what)\(detail)\(whatIf)"
            text += "  " + Fit.end("\(head)  \(row.operation!)  \(alike.who)", Fit.width - 2) + "\n"
            if !row.stack.isEmpty { text += labelled("by", stack(row.stack, Self.standingFrameLimit)) }
            if alike.count >= Self.worthwhile, let remedy = report.remedy(row), told.insert(remedy.slug).inserted {
                text += labelled("do", Fit.wrap(remedy.advice, Self.room))
            }
        }
        let others = left.dropFirst(Self.standingLimit).reduce(0) { $0 + $1.count }
        if others > 0 { text += "  … and \(others.grouped) more: --format folded --weight boundaries has them all\n" }
        for sentence in report.standingBesides { text += "  \(sentence)\n" }
        return text
    }

    // MARK: processes

    private func processes(_ report: Report) -> String {
        // The worst first; they started in this order where they are alike.
        let ranked = report.processes.enumerated()
            .sorted { ($1.element.tally.missed, $0.offset) < ($0.element.tally.missed, $1.offset) }.map(\.element)
        let shown = ranked.prefix(Self.processLimit)
        // What nobody of those shown has takes no room.
        let growing = shown.contains { $0.trend != nil }
        let better = shown.contains { $0.atBest < $0.now }
        let heads =
            ["pid", "comm", "VMAs"] + (better ? ["at best"] : []) + ["peak"] + (growing ? ["a minute"] : [])
            + ["attempts", "merged", "missed", "between the VMAs"]
        var table = TextTable(heads, right: Set(0 ..< heads.count - 1).subtracting([1]), width: Fit.width - 2)
        for process in shown {
            var cells = ["\(process.pid)", Fit.middle(Fit.printable(process.command), 16)]
            cells.append(process.exited ? "exited" : process.now.grouped)
            if better { cells.append(process.atBest.grouped) }
            cells.append(process.peak.grouped)
            if growing { cells.append(process.trend.map { "\(Answer.perMinute($0.perMinute).prefix { $0 != " " })" } ?? "–") }
            cells += [process.tally.attempts, process.tally.merged, process.tally.missed].map(\.grouped)
            table.add(cells + [boundaries(process.boundaries)])
        }
        let limit = report.processes.first?.limit.map { " (of at most \($0.grouped) VMAs each)" } ?? ""
        var text = style.bold("PROCESSES") + limit + "\n" + table.lines.map { "  \($0)\n" }.joined()
        let rest = ranked.count - Self.processLimit
        if rest > 0 { text += "  … and \(rest.grouped) more that missed no more than these\n" }
        if better { text += "  at best: VMAs in the end if the recoverable boundaries were gone\n" }
        return text
    }

    private func boundaries(_ boundaries: Boundaries) -> String {
        let gaps = boundaries.gaps > 0 ? [boundaries.gaps.of("gap")] : []
        guard boundaries.total > 0 else { return gaps.first ?? "no boundaries" }
        return (["\(boundaries.total.grouped): \(Answer.list(boundaries.blockedBy, 3))"] + gaps).joined(separator: "; ")
    }
}

import VMACore

/// The text of `vmascope system`: a screen, lines, a report, and warnings.
public struct SystemText {
    private let style: TextStyle

    /// - Parameter colour: whether the text goes to a terminal and may contain escape codes.
    public init(colour: Bool) { style = TextStyle(colour: colour) }

    // MARK: a screen

    /// A screen of at most `height` lines and `width` columns.
    public func screen(_ host: SystemHost, _ interval: SystemInterval, _ sort: SystemSort, width: Int, height: Int) -> [String] {
        var head = [
            style.bold(Fit.end("vmascope \(host.version) on \(host.kernel): \(summary(interval))", width)),
            Fit.end("merges   \(merges(host, interval.flow, interval.processes, interval.seconds))", width),
            Fit.end("between  \(between(interval))", width),
            Fit.end("own      \(interval.own.text)\(warnings(interval))", width),
            "",
        ]
        if let flow = interval.flowSinceStart, let doubt = doubt(flow) {
            head.insert(style.red(Fit.end("doubt    \(doubt)", width)), at: 1)
        }
        let room = max(0, height - head.count - 2)
        let table = SystemTable(interval: interval, style: style, sort: sort, width: width)
        var rows = table.lines(Array(sort.sorted(interval).prefix(room)))
        rows[0] = style.bold(rows[0])
        let filler = [String](repeating: "", count: max(0, room + 1 - rows.count))
        return Array((head + rows + filler).prefix(max(0, height - 1)) + [footer(sort, width)]).suffix(max(0, height))
    }

    private func footer(_ sort: SystemSort, _ width: Int) -> String {
        var text = "sort by "
        var count = text.count
        for other in SystemSort.allCases {
            let name = "[\(other.key)]\(other.rawValue.dropFirst())"
            if count + name.count + 1 + 6 > width { break }
            text += (other == sort ? style.bold(name) : name) + " "
            count += name.count + 1
        }
        return count + 6 <= width ? text + "[q]uit" : Fit.end("[q]uit", width)
    }

    // MARK: lines

    /// The lines of an interval: a summary, and the largest processes.
    public func lines(_ host: SystemHost, _ interval: SystemInterval, time: String, top: Int) -> String {
        let table = SystemTable(interval: interval, style: style, width: Fit.width - 2)
        let counted = interval.flow == nil ? "" : "; \(merges(host, interval.flow, interval.processes, interval.seconds))"
        let own = "own \(Own.percent(interval.own.share)) of a CPU"
        var head = Fit.wrap("\(time)  \(summary(interval))\(counted); \(own)", Fit.width)
        if let flow = interval.flow, let doubt = doubt(flow) { head += Fit.wrap(doubt, Fit.width).map(style.red) }
        let rows = table.lines(Array(interval.processes.prefix(top))).map { "  \($0)" }
        return (head + rows + [""]).map { $0 + "\n" }.joined()
    }

    // MARK: the report

    /// The report at the end.
    public func report(_ report: SystemReport) -> String {
        let last = report.last
        func line(_ label: String, _ text: String) -> String {
            Fit.wrap(text, Fit.width - 12).enumerated().map { ($0.offset == 0 ? label : "").padded(12) + $0.element + "\n" }
                .joined()
        }
        var text = style.bold(line("vmascope", nearest(report)))
        if let refused = last.refused, let first = refused.leading ?? refused.ranked(by: \.count).first {
            let sentence = refused.sentence().map { "; \($0)" } ?? ""
            text += style.red(
                line(
                    "refused",
                    "\(refused.total.of("call"))\(part(last.flowSinceStart))\(sentence) (\(Report.name(first.command, first.pid)))"
                ))
        }
        text += line("merges", merges(report.host, last.flowSinceStart, last.processes, report.seconds))
        text += line("between", between(last))
        text += line("cost", last.own.text) + "\n"
        text += style.bold("vmascope \(report.host.version)") + " on \(report.host.kernel), from \(report.host.started)"
        text += " for \(Answer.tenths(report.seconds))\n"
        text += "\(report.seenCount.of("process", "processes")) seen, \(report.exitedCount.grouped) of them gone; "
        text += "VMAs counted by \(report.host.stock)\(report.host.source.map { ", merges by \($0)" } ?? "")\n"
        text += Fit.wrap("merge rules \(report.host.mergeRules)", Fit.width).joined(separator: "\n") + "\n\n"
        var table = SystemTable(interval: last, style: style, width: Fit.width - 2)
        table.showsPeaks = true
        let limit = last.limit.map { " (of at most \($0.grouped) VMAs each)" } ?? ""
        text += style.bold("PROCESSES") + limit + "\n" + table.lines(report.processes).map { "  \($0)\n" }.joined()
        if report.others.count > 0 {
            text += "  … and \(report.others.count.grouped) more with \(report.others.vmas.of("VMA")) in all: --top lists more\n"
        }
        if let sums = last.whole.boundaries, sums.total > 0 {
            var blockers = TextTable(["boundaries", "by"], right: [0])
            for (key, count) in sums.blockedBy.ranked { blockers.add([count.grouped, key.key]) }
            text += "\n" + style.bold("BETWEEN THE VMAS") + "\n" + blockers.lines.map { "  \($0)\n" }.joined()
        }
        return text + flow(last.flowSinceStart) + captures(last.captures?.kept ?? [])
    }

    private func nearest(_ report: SystemReport) -> String {
        let soon = report.last.processes.min { one, other in
            (one.secondsToLimit(report.last.limit) ?? .infinity) < (other.secondsToLimit(report.last.limit) ?? .infinity)
        }
        let isSoon = soon?.secondsToLimit(report.last.limit).map { $0 < Answer.horizon } ?? false
        guard let process = isSoon ? soon : report.last.processes.first else { return "no process was seen" }
        return near(process, report.last.limit)
    }

    /// One line on a process that has come near the limit.
    public func warning(_ process: ProcessStock, _ limit: Int?) -> String {
        let sums = process.boundaries.map { "; between them \(Answer.list($0.blockedBy, 3))" } ?? ""
        return near(process, limit) + sums
    }

    /// ` in 49% of the time`, where refused calls were not seen all the time.
    private func part(_ flow: Flow?) -> String {
        flow.map { $0.watched < Self.wholeTime ? " in \(Self.percent($0.watched)) of the time" : "" } ?? ""
    }

    private static let wholeTime = 0.995

    /// One line where sections were not counted for a while; nil where that was for less than a tenth of the interval.
    public func warning(paused interval: SystemInterval) -> String? {
        guard let flow = interval.flow, flow.watched < 0.9 else { return nil }
        return "calls that are refused are seen in \(Self.percent(flow.watched)) of the time only, to keep to the budget of "
            + "\(Own.percent(interval.own.budget)) of a CPU: a larger --budget sees more"
    }

    /// One line on calls that were refused, of one process; nil where none was refused for lack of something. A call
    /// whose arguments were wrong, as where a program tries out what is mapped, is no reason to wake anybody.
    ///
    /// - Parameter isStrained: answers are not read, to keep to the budget: a call that failed may have been refused for
    ///   lack of something.
    public func warning(refused all: [Refused], isStrained: Bool = false) -> String? {
        let rows = all.filter(\.verdict.isShortage)
        guard let first = rows.first else {
            guard isStrained, let unread = all.first(where: { $0.verdict.reason == nil && !$0.verdict.seen }) else { return nil }
            let name = Report.name(unread.command, unread.pid)
            return
                "\(name): \(unread.operation) failed, at \(Answer.tenths(unread.first)); why was not read, to keep to the budget"
        }
        let sentence = rows.sentence() ?? "\(first.operation) failed \(first.verdict.words), at \(Answer.tenths(first.first))"
        return "\(Report.name(first.command, first.pid)): \(sentence)"
    }

    /// `redis[123] has 52,430 of 65,530 VMAs (80%), +312 a minute: ENOMEM in 41 min`
    private func near(_ process: ProcessStock, _ limit: Int?) -> String {
        var text = "\(process.name) has \(process.vmas.grouped)"
        text += limit.map { " of \($0.grouped) VMAs (\(100 * process.vmas / max(1, $0))%)" } ?? " VMAs"
        if process.secondsToLimit(limit) == 0 { return text + ": it is at the limit" }
        guard let trend = process.trend else { return text }
        text += ", \(Answer.perMinute(trend.perMinute)) over \(Answer.duration(trend.observed))"
        return text + (process.secondsToLimit(limit).map { ": ENOMEM in \(Answer.duration($0))" } ?? "")
    }

    // MARK: captures

    /// Lines on a capture that is complete: where it is, and the answer of its report.
    public static func captured(_ capture: Capture, _ seconds: Double, _ answer: [String]) -> [String] {
        let name = Report.name(capture.command, capture.pid)
        let head = "captured \(name) for \(Answer.duration(seconds)) (\(why(capture))): vmascope report \(capture.path)"
        return [head] + answer.map { "  \($0)" }
    }

    /// A line on a capture that failed.
    public static func failed(_ capture: Capture) -> String {
        guard case .failed(let reason) = capture.state else { return "" }
        return "warning: \(Report.name(capture.command, capture.pid)) could not be captured in whole (\(why(capture))): \(reason)"
    }

    private static func why(_ capture: Capture) -> String {
        switch capture.reason {
        case .refused: "it was refused a call at the limit of VMAs"
        case .forecast, .near:
            switch capture.secondsToLimit {
            case 0?: "it is at the limit of VMAs"
            case let seconds?: "ENOMEM in \(Answer.duration(seconds))"
            case nil: "it came near the limit of VMAs"
            }
        }
    }

    private func captures(_ kept: [Capture]) -> String {
        guard !kept.isEmpty else { return "" }
        let rows = kept.map { capture in
            let state =
                switch capture.state {
                case .running: ", not complete yet"
                case .done: ""
                case .failed(let reason): ", not complete: \(reason)"
                }
            return
                "\(capture.started)  \(Report.name(capture.command, capture.pid)), \(Self.why(capture))\(state): \(capture.path)"
        }
        return "\n" + style.bold("CAPTURES") + "  (vmascope report FILE)\n" + rows.map { "  \(Fit.printable($0))\n" }.joined()
    }

    // MARK: parts

    private func summary(_ interval: SystemInterval) -> String {
        let whole = interval.whole
        let limit = interval.limit.map { ", at most \($0.grouped) each" } ?? ""
        return "\(whole.count.of("process", "processes")), \(whole.vmas.of("VMA"))\(limit)"
    }

    private func merges(_ host: SystemHost, _ flow: Flow?, _ processes: [ProcessStock], _ seconds: Double) -> String {
        guard let flow, seconds > 0 else { return "not counted" }
        let sums = flow.total
        var text = sums.sections.of("section")
        if flow.watched < 1 { text += " in the \(Self.percent(flow.watched)) of the time, as the budget allows" }
        if let attempts = sums.allHooked {
            text += "; \(attempts.count.of("attempt"))"
            if let merged = attempts.merged { text += ", \(merged.grouped) of them merged" }
        } else {
            if let attempts = sums.attempts { text += "; \(attempts) attempts" }
            if let merged = sums.merged { text += ", \(merged) of them merged" }
        }
        if let missed = sums.missed { text += "; \(missed) sides missed" }
        if let recoverable = sums.recoverable { text += ", \(recoverable) of them recoverable" }
        let sampled = flow.sampled < flow.watched ? " in \(Self.percent(flow.sampled)) of the time" : ""
        if flow.sampleOneIn != 1 ... 1 || !sampled.isEmpty {
            text += " (estimated: \(Self.oneIn(flow.sampleOneIn)) recorded\(sampled))"
        }
        if flow.lost > 0 { text += "; \(flow.lost.of("event")) lost" }
        if flow.unseen > 0 { text += "; \(flow.unseen.of("section")) of further address spaces not counted" }
        return text + notCounted(flow, processes)
    }

    private static func percent(_ part: Double) -> String { "\(Int((100 * part).rounded()))%" }

    /// `; 120,000 sections of toggles[812] not counted, to keep to the budget`
    private func notCounted(_ flow: Flow, _ processes: [ProcessStock]) -> String {
        guard flow.total.skipped > 0 else { return "" }
        let names = Dictionary(processes.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        let most = flow.processes.filter { $0.value.skipped > 0 }.sorted { $0.value.skipped > $1.value.skipped }.prefix(2)
        var texts = most.map { key, sums in
            "\(sums.skipped.of("section")) of \(Report.name(names[key]?.command ?? "?", key.pid))"
        }
        let listed = most.reduce(0) { $0 + $1.value.skipped }
        if flow.total.skipped > listed {
            texts.append(
                "\((flow.total.skipped - listed).of("section")) of \(texts.isEmpty ? "processes that are gone" : "others")")
        }
        return "; not counted, to keep to the budget: \(texts.joined(separator: ", "))"
    }

    private static func oneIn(_ range: ClosedRange<Int>) -> String {
        range.lowerBound == range.upperBound
            ? "one in \(range.lowerBound.grouped)" : "one in \(range.lowerBound.grouped) to \(range.upperBound.grouped)"
    }

    private func between(_ interval: SystemInterval) -> String {
        let swept = interval.sweptCount
        guard swept > 0, let sums = interval.whole.boundaries else { return "no process has been swept yet" }
        let of = swept == interval.processes.count ? "" : " of \(swept.grouped) of the processes"
        let blockers = "\(Answer.list(sums.blockedBy, 3)); \(sums.recoverable.grouped) recoverable"
        return "\(sums.total.of("boundary", "boundaries"))\(of): \(blockers); \(sums.gaps.of("gap"))"
    }

    /// Nil if the rules explain all attempts and the rows agree with the kernel's counts; else how many differ, and
    /// the last disagreement in words.
    private func doubt(_ flow: Flow) -> String? {
        var parts: [String] = []
        if flow.unexplained > 0 { parts.append("\(flow.unexplained.grouped) of \(flow.checked.of("attempt")) unexplained") }
        if flow.audit.different > 0 {
            parts.append("\(flow.audit.different.grouped) of \(flow.audit.checked.of("section")) not as the kernel counts")
        }
        if parts.isEmpty { return nil }
        return (parts + flow.disagreements.suffix(1).map(Fit.printable)).joined(separator: "; ")
    }

    private func warnings(_ interval: SystemInterval) -> String {
        interval.warned.isEmpty ? "" : style.red("; \(interval.warned.count.grouped) near the limit")
    }

    private func flow(_ flow: Flow?) -> String {
        guard let flow else { return "" }
        let hooked = flow.total.hooked
        var table = TextTable(
            ["sections", "fewer VMAs", "more VMAs"] + (hooked == nil ? [] : ["attempts", "merged"]) + ["by"],
            right: hooked == nil ? [0, 1, 2] : [0, 1, 2, 3, 4])
        for operation in Operation.allCases where flow.total.sections(operation) > 0 {
            func count(_ change: Flow.Change) -> String { flow.total.counts[Flow.Count(operation, change), default: 0].grouped }
            var row = [flow.total.sections(operation).grouped, count(.fewer), count(.more)]
            if let hooked {
                let attempts = hooked[operation] ?? Flow.Attempts(count: 0, merged: 0)
                row += [attempts.count.grouped, attempts.merged?.grouped ?? "?"]
            }
            table.add(row + [operation.rawValue])
        }
        var missed = TextTable(["missed", "op", "by"], right: [0])
        for (miss, estimate) in flow.total.missedBy.ranked {
            missed.add(["\(estimate)", "\(miss.operation)", miss.blockers.key])
        }
        var text = ""
        if !flow.total.counts.isEmpty {
            text += "\n" + style.bold("WRITE SECTIONS OF THE MMAP_LOCK") + ", counted\n"
            text += table.lines.map { "  \($0)\n" }.joined()
        }
        if !flow.total.missedBy.isEmpty {
            text += "\n" + style.bold("MISSED SIDES") + ", estimated, at 95%\n" + missed.lines.map { "  \($0)\n" }.joined()
        }
        return text + (flow.checked + flow.audit.checked > 0 ? "\n\(trust(flow))" : "")
    }
}

extension SystemText {
    /// A disagreement is printed, never hidden.
    private func trust(_ flow: Flow) -> String {
        let verdict = "the kernel did what the rules say in \(flow.agreed.grouped) of \(flow.checked.of("attempt")) of the sample"
        var lines = [
            flow.unexplained == 0 ? style.green(verdict) : style.red("\(verdict); \(flow.unexplained.grouped) unexplained")
        ]
        if flow.audit.checked > 0 {
            let (equal, checked) = (flow.audit.equal.grouped, flow.audit.checked.of("section"))
            let audit = "as many VMAs came and went as the kernel counts in \(equal) of \(checked) of the sample"
            lines.append(flow.audit.different == 0 ? style.green(audit) : style.red(audit))
        }
        for line in flow.disagreements { lines += Fit.wrap(Fit.printable(line), Fit.width - 2).map { "  \($0)" } }
        let more = flow.unexplained + flow.audit.different - flow.disagreements.count
        if more > 0 { lines.append("  … and \(more.grouped) more") }
        return lines.map { $0 + "\n" }.joined()
    }

    /// One line on an attempt that the rules don't explain, or on a section whose rows don't agree with the kernel's
    /// count of VMAs.
    public func warning(_ disagreement: String) -> String {
        "\(Flow.isOfCount(disagreement) ? "count of VMAs" : "unexplained"): \(Fit.printable(disagreement))"
    }
}

extension Dictionary where Key == Flow.Miss, Value == Estimate {
    /// Largest first.
    var ranked: [(key: Flow.Miss, value: Estimate)] {
        sorted {
            ($1.value.value, $0.key.operation.rawValue, $0.key.blockers.rawValue)
                < ($0.value.value, $1.key.operation.rawValue, $1.key.blockers.rawValue)
        }
    }
}

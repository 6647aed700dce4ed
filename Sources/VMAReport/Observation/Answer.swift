import VMACore

/// What somebody wants to know first, in five sentences: how near the limit is, what fills it, which
/// code does it, what to do, and how far to trust that. Of the process that is nearest.
struct Answer {
    var near: String
    var filledBy: String?
    var leftBy: String?
    var whatToDo: String?
    var trust: String
    var isTrusted: Bool

    /// Columns beside the label of a line.
    static let room = Fit.width - 12
    /// A rate that brings it to the limit later than this says little of today.
    static let horizon = 7 * 86400.0

    init(_ report: Report) {
        (trust, isTrusted) = Self.trust(report)
        guard let process = Self.nearest(report.processes) else {
            near = "no process was seen"
            return
        }
        near = Self.near(process, report.seconds)
        if let sentence = report.refused.filter({ $0.image == process.image }).sentence ?? report.refused.sentence {
            // What happened comes first; what there is no room for is in the table of processes.
            near = Fit.first(["\(sentence); \(near)", "\(sentence): \(Report.name(process.command, process.pid))", sentence], Self.room)
        }
        filledBy = Self.filled(process)
        if Self.isSparse(process) {
            let gaps = report.standing.filter { $0.pid == process.pid && $0.command == process.command && $0.isGap }
            leftBy = Self.left(gaps, "gaps", process.boundaries.gaps)
            whatToDo = "gaps: Map larger pieces, and unmap them whole: what lies between gaps is a VMA each."
            return
        }
        let rows = report.standing.filter { $0.pid == process.pid && $0.command == process.command && !$0.blockers.isEmpty }
        let own = rows.filter { !Stack.isLoaders($0.stack) }
        let (ownCount, count) = (Self.sum(own), Self.sum(rows))
        guard 2 * ownCount >= count else {
            leftBy = "the dynamic loader: \((count - ownCount).grouped) of the \(count.grouped)"
            whatToDo = "nothing: every program has what its loader leaves"
            return
        }
        guard let lead = Self.lead(own) else { return }
        let leading = own.filter { $0.blockers == lead }
        leftBy = Self.left(leading, lead.key, process.boundaries.blockedBy[lead] ?? 0)
        whatToDo = lead.rules.first.map { "\($0.slug): \($0.advice(leading[0].left, leading[0].right, report.judge.model))" }
    }

    private static func sum(_ rows: [Report.Standing]) -> Int { rows.reduce(0) { $0 + $1.count } }

    /// The one that comes to the limit first, if any does soon; else the largest that lives. Of those
    /// that are about as large, as forks of one another are, it is the one that did most.
    static func nearest(_ processes: [Report.Process]) -> Report.Process? {
        let soon = processes.filter { ($0.secondsToLimit ?? .infinity) < horizon }
        if let first = soon.min(by: { $0.secondsToLimit! < $1.secondsToLimit! }) { return first }
        let living = processes.filter { !$0.exited }
        let sized = living.isEmpty ? processes.map { ($0, $0.peak) } : living.map { ($0, $0.now) }
        let most = sized.map(\.1).max() ?? 0
        return sized.filter { 10 * $0.1 >= 9 * most }
            .max { ($0.0.tally.attempts, $0.1) < ($1.0.tally.attempts, $1.1) }?.0
    }

    /// The one that the answer is of, then those that live, the largest first.
    static func ranked(_ processes: [Report.Process]) -> [Report.Process] {
        let first = nearest(processes)
        func rank(_ process: Report.Process) -> (Int, Int) {
            if let first, process.pid == first.pid, process.command == first.command { return (2, process.peak) }
            return (process.exited ? 0 : 1, process.peak)
        }
        return processes.sorted { rank($0) > rank($1) }
    }

    private static func near(_ process: Report.Process, _ seconds: Double) -> String {
        let name = Report.name(process.command, process.pid)
        let count = process.exited ? process.peak : process.now
        var text = "\(name) \(process.exited ? "had up to" : "has") \(count.grouped)"
        if let limit = process.limit {
            text += " of \(limit.grouped) VMAs (\(100 * count / max(1, limit))%)"
        } else {
            text += count == 1 ? " VMA" : " VMAs"
        }
        if process.exited { return text + ", and has exited" }
        if process.secondsToLimit == 0 { return text + ": it is at the limit" }
        guard let trend = process.trend else {
            return text + (seconds < Trend.shortest ? ", seen too shortly for a trend" : ", no steady growth")
        }
        text += ", \(perMinute(trend.perMinute)) over \(duration(trend.observed))"
        return text + (process.secondsToLimit.map { ": ENOMEM in \(duration($0))" } ?? "")
    }

    /// `+312 a minute`
    static func perMinute(_ rate: Double) -> String {
        let sign = rate < 0 ? "-" : "+"
        let tenths = Int(min(1e15, (abs(rate) * 10).rounded()))
        let text = tenths >= 100 ? ((tenths + 5) / 10).grouped : "\(tenths / 10).\(tenths % 10)"
        return "\(sign)\(text) a minute"
    }

    /// `24 min`; what is far off is not told to the second.
    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(max(1, Int(seconds))) s"
        case ..<7200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3600)) h"
        case ..<63_072_000: "\(Int(seconds / 86400)) days"
        default: "years"
        }
    }

    /// `12.3 s`
    static func tenths(_ seconds: Double) -> String {
        let tenths = Int((min(1e12, max(0, seconds)) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// Every address space has some gaps; where they are far more than boundaries, merging is not the point.
    private static func isSparse(_ process: Report.Process) -> Bool { process.boundaries.gaps > 2 * process.boundaries.total }

    private static func filled(_ process: Report.Process) -> String {
        let (boundaries, isSparse) = (process.boundaries, isSparse(process))
        guard boundaries.total > 0 else {
            return boundaries.gaps > 0 ? boundaries.gaps.of("gap") : "VMAs that do not touch: there is nothing to merge"
        }
        let known = whatIf(boundaries.whatIf)
        func text(_ limit: Int) -> String {
            let count = boundaries.total.of("boundary", "boundaries")
            return (isSparse ? "\(boundaries.gaps.of("gap")), and " : "") + "\(count): \(list(boundaries.blockedBy, limit))"
                + (known.isEmpty ? "" : "; \(known)")
        }
        // What could be gained is worth more than a third blocker.
        return [3, 2].map(text).first { $0.count <= room } ?? text(1)
    }

    /// `12 recoverable, 3 shared`, without what there is none of.
    static func whatIf(_ counts: [WhatIf: Int]) -> String {
        WhatIf.allCases.filter { counts[$0, default: 0] > 0 }.map { "\(counts[$0]!.grouped) \($0)" }.joined(separator: ", ")
    }

    /// `12 pgoff, 10 flags, …`
    static func list(_ counts: [Blockers: Int], _ limit: Int) -> String {
        let ranked = counts.ranked
        let shown = ranked.prefix(limit).map { "\($0.value.grouped) \($0.key.key)" }
        return (shown + (ranked.count > limit ? ["…"] : [])).joined(separator: ", ")
    }

    /// What keeps most apart; of two files, or a device, nobody can make one, so these come last.
    private static func lead(_ rows: [Report.Standing]) -> Blockers? {
        let counts = rows.reduce(into: [Blockers: Int]()) { $0[$1.blockers, default: 0] += $1.count }
        let ranked = counts.ranked.map(\.key)
        return ranked.first { $0.isDisjoint(with: [.file, .special]) } ?? ranked.first
    }

    /// `mmap by fill_hole ← main: 12 of the 15 anon_vma`: by whom most, of what was seen to be left.
    private static func left(_ rows: [Report.Standing], _ what: String, _ all: Int) -> String {
        var counts: [String: Int] = [:]
        for row in rows { if let code = code(row) { counts[code, default: 0] += row.count } }
        let before = sum(rows.filter { $0.operation == nil })
        guard let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) else {
            return "what was there before (or exec): \(before.grouped) of the \(all.grouped) \(what)"
        }
        let text = "\(most.key): \(most.value.grouped) of the \(all.grouped) \(what)"
        return before > most.value ? "\(text); \(before.grouped) stood before" : text
    }

    private static func code(_ row: Report.Standing) -> String? {
        guard let operation = row.operation else { return nil }
        guard !row.stack.isEmpty else { return "\(operation), without a stack" }
        let callers = Stack.callers(row.stack, of: operation).prefix(2).map { Fit.middle(Fit.printable($0), 28) }
        return callers.isEmpty ? "\(operation), its caller was not seen" : "\(operation) by " + callers.joined(separator: " ← ")
    }

    private static func trust(_ report: Report) -> (String, Bool) {
        let unexplained = report.checked - report.agreed
        let audit = report.audit
        var doubts: [String] = []
        if unexplained > 0 { doubts.append("\(unexplained.grouped) of \(report.checked.of("attempt")) unexplained") }
        if report.lost > 0 { doubts.append("\(report.lost.of("event")) lost") }
        if audit.different > 0 {
            doubts.append("\(audit.different.grouped) of \(audit.checked.of("layout")) not as the kernel's")
        }
        guard doubts.isEmpty else { return ("not fully: " + doubts.joined(separator: ", "), false) }
        let layouts = audit.checked == 0 ? "no layout compared" : "\(audit.checked.of("layout")) as the kernel's"
        return ("the rules explain all \(report.checked.of("attempt")), no event lost, \(layouts)", true)
    }
}

import VMACore

/// What somebody wants to know first, in five sentences: how near the limit is, what fills it, which
/// code does it, what to do, and how far to trust that. Of the process that is nearest.
struct Answer {
    var near: String
    var filledBy: String?
    var leftBy: String?
    var whatToDo: String?
    /// What an administrator can do at once, where it is at the limit, or near it.
    private(set) var meanwhile: String?
    var trust: String
    var isTrusted: Bool
    /// Whom it is of; nil if no process was seen.
    private(set) var process: Report.Process?
    /// Of what it advises; nil for nothing.
    private(set) var remedy: Remedy?
    /// It is of the peak, and not of what stands now, or stood in the end.
    private(set) var isOfPeak = false

    /// Columns beside the label of a line.
    static let room = Fit.width - 12
    /// A rate that brings it to the limit later than this says little of today.
    static let horizon = 7 * 86400.0
    static let nothing = "nothing: it is far from the limit, and has little beyond what every program has"
    static let manyCauses = "nothing: it is far from the limit, and no one cause has left many of its VMAs"
    /// Seconds to the limit, below which it is too late to change the program.
    private static let soon = 86400.0

    init(_ report: Report) {
        (trust, isTrusted) = Self.trust(report)
        guard let process = Self.nearest(report.processes) else {
            near = "no process was seen"
            return
        }
        self.process = process
        isOfPeak = process.isExplainedByPeak
        near = Self.near(process, report)
        let mine = report.refused.filter { $0.image == process.image }
        let refused = mine.leading == nil ? report.refused : mine
        if let most = refused.leading {
            // What happened comes first; what there is no room for is in the table of processes.
            let tries = [(2, true), (1, true), (1, false), (0, true)]
            let sentences = tries.compactMap { refused.sentence(callers: $0.0, saysWhen: $0.1) }
            let who = sentences.map { "\($0): \(Report.name(most.command, most.pid))" }
            near = Fit.first((mine.leading == nil ? [] : ["\(sentences[0]); \(near)"]) + who + sentences, Self.room)
        }
        if refused.leading?.verdict.reason == .mapLimit || (process.secondsToLimit ?? .infinity) < Self.soon {
            meanwhile = process.limit.map { Self.meanwhile($0) }
        }
        let relief = refused.leading?.verdict.reason?.remedy
        let stock = AnswerStock(report, process, atPeak: isOfPeak)
        filledBy = stock.filledBy(Self.room)
        leftBy = stock.leftBy(Self.room)
        if stock.isQuiet(process) || stock.isOfManyCauses(process) {
            whatToDo = relief ?? (stock.isQuiet(process) ? Self.nothing : Self.manyCauses)
        } else {
            meanwhile = meanwhile ?? relief
            remedy = stock.remedy
            whatToDo = stock.whatToDo
        }
    }

    /// `sysctl -w vm.max_map_count=262144 …`
    private static func meanwhile(_ limit: Int) -> String {
        var next = 1 << 18
        // As many as a 32-bit setting holds at most, however large the limit is.
        while next < 1 << 30, next / 4 < limit { next *= 2 }
        return "sysctl -w vm.max_map_count=\(next) lets it go on (200 bytes of kernel memory a VMA)"
    }

    /// The one that comes to the limit first, if any does soon; else the largest. One that is gone counts
    /// by its peak, and is passed over if one that lives has at least half as many, and so is the image of a
    /// process that has called exec, if one that has not has as many. Of those that are about as large, as forks
    /// of one another are, it is the one that did most.
    static func nearest(_ processes: [Report.Process]) -> Report.Process? {
        // The sums over many that have ended are not one process's.
        let single = processes.filter { $0.image != 0 }
        if single.count < processes.count, !single.isEmpty { return nearest(single) }
        let soon = processes.filter { ($0.secondsToLimit ?? .infinity) < horizon }
        if let first = soon.min(by: { $0.secondsToLimit! < $1.secondsToLimit! }) { return first }
        func size(_ process: Report.Process) -> Int { max(process.now, process.peak) }
        func most(_ processes: [Report.Process]) -> Int { processes.map(size).max() ?? 0 }
        var last: [UInt32: MMID] = [:]
        for process in processes { last[process.pid] = max(last[process.pid] ?? 0, process.image) }
        let choices = [processes.filter { !$0.exited }, processes.filter { $0.image == last[$0.pid] }]
        let largest = most(processes)
        let pool = choices.map { $0.filter { 2 * size($0) >= largest } }.first { !$0.isEmpty } ?? processes
        let large = 9 * most(pool)
        return pool.filter { 10 * size($0) >= large }
            .reduce(nil) { best, process in
                guard let best else { return process }
                return (process.tally.attempts, size(process)) >= (best.tally.attempts, size(best)) ? process : best
            }
    }

    /// The one that the answer is of, then those that live, the largest first.
    static func ranked(_ processes: [Report.Process]) -> [Report.Process] {
        let first = nearest(processes)
        func rank(_ process: Report.Process) -> (Int, Int) {
            if let first, process.image == first.image { return (2, process.peak) }
            return (process.image == 0 ? -1 : process.exited ? 0 : 1, process.peak)
        }
        return processes.sorted { rank($0) > rank($1) }
    }

    private static func near(_ process: Report.Process, _ report: Report) -> String {
        let name = Report.name(process.command, process.pid)
        let count = process.exited ? process.peak : process.now
        var text = "\(name) \(process.exited ? "had up to" : "has") \(count.grouped)"
        if let limit = process.limit {
            text += " of \(limit.grouped) VMAs (\(percent(count, limit)))"
        } else {
            text += count == 1 ? " VMA" : " VMAs"
        }
        if process.exited {
            let execs = report.processes.contains { $0.pid == process.pid && $0.image > process.image }
            let left = 10 * process.now < 9 * process.peak && !process.isExplainedByPeak ? " with \(process.now.grouped)" : ""
            return text + (execs ? ", until it called exec" : ", and has exited") + left
        }
        if process.isExplainedByPeak {
            text += ", had \(process.peak.grouped)" + (process.limit.map { " (\(percent(process.peak, $0)))" } ?? "")
        }
        if process.secondsToLimit == 0 { return text + ": it is at the limit" }
        guard let trend = process.trend else {
            return text + (report.seconds < Trend.shortest ? ", seen too shortly for a trend" : ", no steady growth")
        }
        text += ", \(perMinute(trend.perMinute)) over \(duration(trend.observed))"
        return text + (process.secondsToLimit.map { ": ENOMEM in \(duration($0))" } ?? "")
    }

    private static func percent(_ count: Int, _ limit: Int) -> String { "\(100 * count / max(1, limit))%" }

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

    private static func trust(_ report: Report) -> (String, Bool) {
        let unexplained = report.checked - report.agreed
        let audit = report.audit
        var doubts: [String] = []
        if unexplained > 0 { doubts.append("\(unexplained.grouped) of \(report.checked.of("attempt")) unexplained") }
        if report.unjudged > 0 { doubts.append("\(report.unjudged.of("write section")) not judged (\(report.unjudgedBy.text))") }
        if report.lost > 0 { doubts.append("\(report.lost.of("event")) lost") }
        if audit.different > 0 {
            doubts.append("\(audit.different.grouped) of \(audit.checked.of("layout")) not as the kernel's")
        }
        guard doubts.isEmpty else { return ("not fully: " + doubts.joined(separator: ", "), false) }
        let layouts = audit.checked == 0 ? "no layout compared" : "\(audit.checked.of("layout")) as the kernel's"
        let rules =
            report.checked == 0
            ? "no attempt to hold the rules against" : "the rules explain all \(report.checked.of("attempt"))"
        return ("\(rules), no event lost, \(layouts)", true)
    }
}

extension Report.Process {
    /// The same kept them apart then that does now.
    private var isAlikeAtPeak: Bool { boundariesAtPeak.blockedBy.ranked.first?.key == boundaries.blockedBy.ranked.first?.key }

    /// What stands now, or stood in the end, does not explain how many there were: most of it has gone, or
    /// there was more of the same.
    var isExplainedByPeak: Bool {
        guard keptPeak >= 2 * now || keptPeak >= now + 16 && isAlikeAtPeak else { return false }
        return (secondsToLimit ?? .infinity) >= Answer.horizon
    }
}

import VMACore

/// The numbers of a report by name, to compare two reports and to check a condition: of a report that has just been
/// made, or of one that was kept as JSON. A test compares the two.
public struct Figures: Sendable, Equatable {
    /// The figures by name, as conditions use them: `missed.pgoff`, `vmas.peak`. Use `value`, which knows what a
    /// missing one means.
    public private(set) var values: [String: Double] = [:]
    /// Misses by operation, beside `missed.…` by blockers; conditions can't use them.
    public private(set) var missedByOperation: [String: Double] = [:]

    /// The text is not a report; `message` says why.
    public struct NoReport: Error { public var message: String }

    /// The figures of a report that has just been made.
    public init(_ report: Report) {
        values = [
            "attempts": Double(report.totals.attempts), "merged": Double(report.totals.merged),
            "missed": Double(report.totals.missed), "refused": Double(report.refused.total), "lost": Double(report.lost),
            "unexplained": Double(report.checked - report.agreed),
            "layout_audit.different": Double(report.audit.checked - report.audit.equal),
        ]
        for blockers in [.pgoff, .anonVMA, .limits] as [Blockers] { values["missed.\(blockers.key)"] = 0 }
        for (blockers, count) in report.totals.missedBy { values["missed.\(blockers.key)"] = Double(count) }
        for whatIf in WhatIf.allCases {
            values["what_if.\(whatIf.rawValue)"] = Double(report.totals.whatIf[whatIf] ?? 0)
        }
        let processes = report.processes
        values["vmas.start"] = Double(processes.map(\.start).max() ?? 0)
        values["vmas.now"] = Double(processes.map(\.now).max() ?? 0)
        values["vmas.peak"] = Double(processes.map(\.peak).max() ?? 0)
        let boundaries = processes.map(\.boundaries)
        values["boundaries.total"] = Double(boundaries.reduce(0) { $0 + $1.total })
        values["gaps.total"] = Double(boundaries.reduce(0) { $0 + $1.gaps })
        for whatIf in WhatIf.allCases {
            values["boundaries.\(whatIf.rawValue)"] = Double(boundaries.reduce(0) { $0 + ($1.whatIf[whatIf] ?? 0) })
        }
        for (blockers, count) in boundaries.flatMap(\.blockedBy) {
            values["boundaries.\(blockers.key)", default: 0] += Double(count)
        }
        let mergeable = boundaries.reduce(0) { $0 + $1.mergeable }
        if mergeable > 0 { values["boundaries.\(Boundaries.mergeableKey)"] = Double(mergeable) }
        let atPeak = processes.map(\.boundariesAtPeak)
        values["peak.total"] = Double(atPeak.reduce(0) { $0 + $1.total })
        for (blockers, count) in atPeak.flatMap(\.blockedBy) { values["peak.\(blockers.key)", default: 0] += Double(count) }
        let mergeableAtPeak = atPeak.reduce(0) { $0 + $1.mergeable }
        if mergeableAtPeak > 0 { values["peak.\(Boundaries.mergeableKey)"] = Double(mergeableAtPeak) }
        values["growth_per_minute"] = processes.compactMap { Self.printed($0.trend?.perMinute) }.max()
        values["seconds_to_limit"] = processes.compactMap { Self.printed($0.secondsToLimit) }.min()
        for miss in report.missed { missedByOperation[miss.operation.rawValue, default: 0] += Double(miss.count) }
    }

    /// Rounded to thousandths as in JSON: a condition must not depend on where its report comes from.
    private static func printed(_ value: Double?) -> Double? {
        value.flatMap { $0.magnitude < 1e12 ? ($0 * 1000).rounded() / 1000 : nil }
    }

    /// Reads the numbers of a `vmascope.report.v1`.
    public init(_ json: String) throws(NoReport) {
        let report: JSONValue
        do { report = try JSONValue(json) } catch { throw NoReport(message: "not JSON: \(error.message)") }
        guard report["schema"]?.string == "vmascope.report.v1" else {
            throw NoReport(message: "not a report of vmascope (vmascope.report.v1)")
        }
        guard let totals = report["totals"], let processes = report["processes"]?.array else {
            throw NoReport(message: "the report has no totals, or no processes")
        }
        for key in ["attempts", "merged", "missed", "refused"] { values[key] = totals[key]?.number }
        for (key, count) in totals["missed_by"]?.object ?? [:] { values["missed.\(key)"] = count.number }
        for (key, count) in totals["what_if"]?.object ?? [:] { values["what_if.\(key)"] = count.number }
        values["lost"] = report["events"]?["lost"]?.number
        values["unexplained"] = report["agreement"]?["unexplained"]?.number
        values["layout_audit.different"] = Self.difference(report["layout_audit"])
        for key in ["start", "now", "peak"] {
            values["vmas.\(key)"] = processes.compactMap { $0["vmas"]?[key]?.number }.max() ?? 0
        }
        values["boundaries.total"] = Self.sum(processes.map { $0["boundaries"]?["total"] })
        // A report of an older vmascope does not tell.
        let gaps = processes.compactMap { $0["gaps"]?["total"]?.number }
        if gaps.count == processes.count { values["gaps.total"] = gaps.reduce(0, +) }
        values["boundaries.recoverable"] = Self.sum(processes.map { $0["boundaries"]?["recoverable"] })
        for key in ["shared", "unknown"] {
            // A report of an older vmascope does not tell.
            let counts = processes.compactMap { $0["boundaries"]?["what_if"]?[key]?.number }
            if counts.count == processes.count { values["boundaries.\(key)"] = counts.reduce(0, +) }
        }
        for process in processes {
            for (key, count) in process["boundaries"]?["blocked_by"]?.object ?? [:] {
                values["boundaries.\(key)", default: 0] += count.number ?? 0
            }
            for (key, count) in process["peak"]?["boundaries"]?["blocked_by"]?.object ?? [:] {
                values["peak.\(key)", default: 0] += count.number ?? 0
            }
        }
        let peaks = processes.compactMap { $0["peak"]?["boundaries"]?["total"]?.number }
        if peaks.count == processes.count { values["peak.total"] = peaks.reduce(0, +) }
        values["growth_per_minute"] = processes.compactMap { $0["growth_per_minute"]?.number }.max()
        values["seconds_to_limit"] = processes.compactMap { $0["seconds_to_limit"]?.number }.min()
        for miss in report["missed"]?.array ?? [] {
            missedByOperation[miss["op"]?.string ?? "other", default: 0] += miss["count"]?.number ?? 0
        }
    }

    private static func sum(_ values: [JSONValue?]) -> Double { values.reduce(0) { $0 + ($1?.number ?? 0) } }

    private static func difference(_ audit: JSONValue?) -> Double? {
        guard let checked = audit?["checked"]?.number, let equal = audit?["equal"]?.number else { return nil }
        return checked - equal
    }

    /// Nil where the report doesn't know: growth without a trend, misses that were not counted one by
    /// one. What was not seen is 0.
    public func value(_ name: String) -> Double? {
        if name.hasPrefix("missed."), values["missed"] == nil { return nil }
        if name.hasPrefix("peak."), values["peak.total"] == nil { return nil }
        return values[name] ?? (!Self.fixed.contains(name) && Self.open.contains { name.hasPrefix($0) } ? 0 : nil)
    }

    private static let open = ["missed.", "boundaries.", "peak."]
    private static let fixed: Set<String> = [
        "attempts", "merged", "missed", "refused", "lost", "unexplained", "layout_audit.different", "vmas.start", "vmas.now",
        "vmas.peak",
        "boundaries.total", "boundaries.recoverable", "boundaries.shared", "boundaries.unknown",
        "gaps.total", "peak.total", "growth_per_minute", "seconds_to_limit",
    ]

    /// Whether a report can have a number of that name.
    public static func has(_ name: String) -> Bool {
        if fixed.contains(name) { return true }
        if let whatIf = suffix(name, "what_if.") { return WhatIf(rawValue: whatIf) != nil }
        guard let key = open.lazy.compactMap({ suffix(name, $0) }).first else { return false }
        if key == "unexplained" { return name.hasPrefix("missed.") }
        if key == Boundaries.mergeableKey { return !name.hasPrefix("missed.") }
        // In the order of the table, as the report has them.
        let slugs = key.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
        return !key.isEmpty && slugs == MergeRules.table.map(\.slug).filter(slugs.contains)
    }

    private static func suffix(_ name: String, _ prefix: String) -> String? {
        name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : nil
    }
}

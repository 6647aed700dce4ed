import VMACore

/// `vmascope.system.v1`, one object an interval, and the report (docs/system.md).
public enum SystemJSON {
    /// Rows of refused calls in an object, of those that come first in an interval: others are counted.
    static let refusedLimit = (interval: 100, report: 1000)

    /// An interval as one object on one line.
    ///
    /// - Parameters:
    ///   - host: the machine.
    ///   - interval: what was found in it.
    ///   - time: ISO 8601, at the end of the interval.
    ///   - top: how many processes are listed.
    public static func interval(_ host: SystemHost, _ interval: SystemInterval, time: String, top: Int) -> String {
        var json = JSONWriter(oneLine: true)
        json.object { json in
            json.field("schema", "vmascope.system.v1")
            json.object("tool") { $0.field("version", host.version) }
            json.object("host") { $0.host(host) }
            json.field("time", time)
            json.field("interval", interval.number)
            json.field("seconds", thousandths: interval.seconds)
            json.field("limit", interval.limit)
            let whole = interval.whole
            let (listed, others) = interval.listed(top)
            json.object("total") { json in
                json.field("processes", whole.count)
                json.field("vmas", whole.vmas)
                json.field("near_limit", interval.warned.count)
                json.field("warnings", interval.warnings)
                json.field("swept", interval.sweptCount)
                json.field("refused", interval.refused?.total)
                json.boundaries(whole.boundaries, at: interval.time)
            }
            json.refusedOrNull(interval.refused, limit: refusedLimit.interval)
            let refused = interval.refusedByProcess
            json.array("processes") { json in
                for process in listed {
                    json.object { json in
                        json.process(process, limit: interval.limit, at: interval.time)
                        json.field("refused", refused.map { $0[process.pid] ?? 0 })
                        json.field("near_limit", interval.warned.contains(process.key))
                        json.sums("flow", interval.flow.map { $0.processes[process.key] ?? Flow.Sums() })
                    }
                }
            }
            json.others("others", SystemOthers(others), at: interval.time)
            json.flow("flow", interval.flow)
            json.own(interval.own)
            json.captures(interval.captures?.kept)
        }
        return json.finish()
    }

    /// The report as `vmascope.report.v1`; what `system` does not keep, or only estimates, is null.
    public static func report(_ report: SystemReport) -> String {
        let (host, last) = (report.host, report.last)
        let flow = last.flowSinceStart
        var json = JSONWriter()
        json.object { json in
            json.field("schema", "vmascope.report.v1")
            json.object("tool") { $0.field("version", host.version) }
            json.object("host") { $0.host(host) }
            json.object("window") { json in
                json.field("started", host.started)
                json.field("seconds", thousandths: report.seconds)
            }
            json.object("events") { json in
                json.field("received", flow?.received)
                json.field("lost", flow?.lost)
                json.field("sample_one_in", flow?.sampleOneIn.upperBound)
            }
            json.object("agreement") { json in
                json.field("checked", flow?.checked)
                json.field("agreed", flow?.agreed)
                json.field("unexplained", flow?.unexplained)
            }
            json.audit(flow?.audit)
            json.object("totals") { json in
                json.totals(flow?.wholeCount(flow?.total))
                json.field("refused", last.refused?.total)
            }
            json.refusedOrNull(last.refused, limit: refusedLimit.report)
            let refused = last.refusedByProcess
            json.array("processes") { json in
                for process in report.processes {
                    json.object { json in
                        json.process(process, limit: last.limit, at: last.time)
                        json.field("refused", refused.map { $0[process.pid] ?? 0 })
                        let sums = flow?.processes[process.key]
                        json.totals(flow?.wholeCount(sums))
                        json.sums("flow", sums)
                    }
                }
            }
            json.null("missed")
            json.null("standing")
            json.object("system") { json in
                json.field("intervals", last.number)
                json.field("seen", report.seenCount)
                json.field("exited", report.exitedCount)
                json.field("warnings", last.warnings)
                json.others("others", report.others, at: last.time)
                json.flow("flow", flow)
                json.own(last.own)
                json.captures(last.captures?.kept)
            }
        }
        return json.finish()
    }
}

extension JSONWriter {
    mutating func null(_ key: String) { field(key, String?.none) }

    /// The first rows, which are those of all users, most calls first.
    fileprivate mutating func refusedOrNull(_ rows: [Refused]?, limit: Int) {
        guard let rows else {
            null("refused")
            return null("refused_folded")
        }
        refused(Array(rows.prefix(limit)).ranked(by: \.count))
        field("refused_folded", max(0, rows.count - limit))
    }

    fileprivate mutating func host(_ host: SystemHost) {
        field("kernel", host.kernel)
        field("source", host.source)
        field("merge_rules", host.mergeRules)
        field("stock", host.stock)
    }

    /// The boundaries; null if no sweep was made.
    mutating func boundaries(_ sums: BoundarySums?, at time: UInt64) {
        guard let sums else {
            null("boundaries")
            return null("gaps")
        }
        object("boundaries") { json in
            json.field("total", sums.total)
            json.object("blocked_by") { json in
                for (blockers, count) in sums.blockedBy.ranked { json.field(blockers.key, count) }
                let mergeable = sums.total - sums.blockedBy.values.reduce(0, +)
                if mergeable > 0 { json.field(Boundaries.mergeableKey, mergeable) }
            }
            json.field("recoverable", sums.recoverable)
            json.field("age_seconds", thousandths: time > sums.takenAt ? Double(time - sums.takenAt) / 1e9 : 0)
        }
        gaps(sums.gaps)
    }

    fileprivate mutating func others(_ key: String, _ others: SystemOthers, at time: UInt64) {
        object(key) { json in
            json.field("processes", others.count)
            json.field("vmas", others.vmas)
            json.boundaries(others.boundaries, at: time)
        }
    }

    /// Figures that are only estimated have no count here.
    fileprivate mutating func totals(_ attempts: Flow.Attempts?) {
        field("attempts", attempts?.count)
        field("merged", attempts?.merged)
        for key in ["missed", "missed_by", "what_if"] { null(key) }
    }

    fileprivate mutating func flow(_ key: String, _ flow: Flow?) {
        guard let flow else { return null(key) }
        object(key) { json in
            json.object("sample_one_in") { json in
                json.field("least", flow.sampleOneIn.lowerBound)
                json.field("most", flow.sampleOneIn.upperBound)
            }
            json.object("events") { json in
                json.field("received", flow.received)
                json.field("lost", flow.lost)
            }
            json.object("agreement") { json in
                json.field("checked", flow.checked)
                json.field("agreed", flow.agreed)
                json.field("unexplained", flow.unexplained)
                json.field("unjudged", flow.unjudged)
                json.field("disagreements", flow.disagreements)
            }
            json.audit(flow.audit)
            json.field("watched", thousandths: flow.watched)
            json.field("sampled", thousandths: flow.sampled)
            json.field("unseen", flow.unseen)
            json.sums("total", flow.total)
        }
    }

    /// Counts are integers, estimates are objects.
    fileprivate mutating func sums(_ key: String, _ sums: Flow.Sums?) {
        guard let sums else { return null(key) }
        object(key) { json in
            json.object("sections") { json in
                for operation in Operation.allCases where sums.sections(operation) > 0 {
                    json.object(operation.rawValue) { json in
                        for change in Flow.Change.allCases {
                            json.field("\(change)", sums.counts[Flow.Count(operation, change), default: 0])
                        }
                    }
                }
            }
            json.counted(sums.hooked)
            json.field("told", sums.recorded)
            json.field("not_counted", sums.skipped)
            json.estimate("attempts", sums.attempts)
            json.estimate("merged", sums.merged)
            json.estimate("missed", sums.missed)
            json.estimate("recoverable", sums.recoverable)
            json.array("missed_by") { json in
                for (miss, estimate) in sums.missedBy.ranked {
                    json.object { json in
                        json.field("op", miss.operation.rawValue)
                        json.field("blockers", miss.blockers.slugs)
                        json.estimate("missed", estimate)
                    }
                }
            }
        }
    }

    /// The counted attempts; null where nothing is hooked.
    private mutating func counted(_ hooked: [Operation: Flow.Attempts]?) {
        guard let hooked else { return null("counted") }
        object("counted") { json in
            for operation in Operation.allCases {
                guard let attempts = hooked[operation] else { continue }
                json.object(operation.rawValue) { json in
                    json.field("attempts", attempts.count)
                    json.field("merged", attempts.merged)
                }
            }
        }
    }

    private mutating func estimate(_ key: String, _ estimate: Estimate?) {
        guard let estimate else { return null(key) }
        object(key) { json in
            json.field("estimate", thousandths: estimate.value)
            json.field("low", thousandths: estimate.low)
            json.field("high", thousandths: estimate.high)
        }
    }

    /// Null without `--capture`.
    fileprivate mutating func captures(_ kept: [Capture]?) {
        guard let kept else { return null("captures") }
        array("captures") { json in
            for capture in kept {
                json.object { json in
                    json.field("pid", capture.pid)
                    json.field("comm", capture.command)
                    json.field("uid", capture.uid)
                    json.field("reason", capture.reason.rawValue)
                    json.field("seconds_to_limit", thousandths: capture.secondsToLimit)
                    json.field("started", capture.started)
                    json.field("file", capture.path)
                    var failure: String?
                    if case .failed(let reason) = capture.state { failure = reason }
                    json.field("complete", capture.state == .running ? nil : failure == nil)
                    json.field("failure", failure)
                }
            }
        }
    }

    fileprivate mutating func own(_ own: Own) {
        object("own") { json in
            json.field("cpu_seconds", thousandths: own.cpuSeconds)
            json.field("bpf_seconds", thousandths: own.bpfSeconds)
            json.field("cpu_percent", thousandths: 100 * own.share)
            json.field("budget_percent", thousandths: 100 * own.budget)
            json.field("resident_bytes", own.residentBytes)
        }
    }
}

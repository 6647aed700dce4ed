import VMACore

/// The metrics of `system` in Prometheus's text exposition format (0.0.4), which node_exporter reads from files, too.
///
/// Cardinality is bounded: the processes that have most VMAs, and some that are near the limit, have series of their
/// own, all others are summed in one. `SeriesBudget` bounds how many series come with time.
/// The table of docs/system.md has the same words; a test compares the two.
public enum SystemMetrics {
    /// The whole page, of one interval. A figure that is not known has no sample.
    ///
    /// - Parameters:
    ///   - host: the machine.
    ///   - interval: what was found in it.
    ///   - time: seconds since 1970, at the end of the interval.
    ///   - top: how many processes have series of their own.
    ///   - series: which of these get one; without it all do.
    public static func render(
        _ host: SystemHost, _ interval: SystemInterval, time: Double, top: Int, _ series: SeriesBudget? = nil
    ) -> String {
        var page = Page()
        page.family(
            "vmascope_build_info", .gauge, "Version, kernel, source and merge rules of this vmascope; the value is always 1."
        ) {
            let source = host.source ?? "none"
            $0.add(1, [("version", host.version), ("kernel", host.kernel), ("source", source), ("merge_rules", host.mergeRules)])
        }
        page.gauge("vmascope_last_interval_timestamp_seconds", "Unix time at the end of the last interval.", time)
        page.gauge("vmascope_interval_seconds", "Length of the last interval in seconds.", interval.seconds)
        stock(interval, time, top, series, &page)
        if let refused = interval.refused { self.refused(refused, &page) }
        if let flow = interval.flowSinceStart { self.flow(flow, &page) }
        if let counts = interval.captures?.counts {
            page.family(
                "vmascope_captures_total", .counter, "Recordings of single processes that --capture has begun, by reason."
            ) {
                for reason in CapturePlan.Reason.allCases { $0.add(Double(counts[reason] ?? 0), [("reason", reason.rawValue)]) }
            }
        }
        own(interval.own, &page)
        return page.text
    }

    private static func stock(
        _ interval: SystemInterval, _ time: Double, _ top: Int, _ series: SeriesBudget?, _ page: inout Page
    ) {
        var (listed, rest) = interval.listed(top)
        if let series {
            rest += listed.filter { !series.has($0) }
            listed.removeAll { !series.has($0) }
        }
        let others = SystemOthers(rest)
        let whole = interval.whole
        if let limit = interval.limit {
            page.gauge(
                "vmascope_process_vmas_limit", "VMAs that a process may have at most (vm.max_map_count).", Double(limit))
        }
        page.gauge("vmascope_processes", "Processes that the filters let through.", Double(whole.count))
        page.gauge(
            "vmascope_processes_near_limit", "Processes that are near the VMA limit (--warn-at) now.",
            Double(interval.warned.count))
        page.counter(
            "vmascope_limit_warnings_total", "Times that a process came near the VMA limit (--warn-at), since the start.",
            Double(interval.warnings))
        page.gauge("vmascope_vmas", "VMAs of all processes that the filters let through.", Double(whole.vmas))
        page.family(
            "vmascope_process_vmas", .gauge,
            "VMAs of a process; processes beyond the --top largest that are not near the limit are summed, with an empty pid and comm (others)."
        ) {
            for process in listed { $0.add(Double(process.vmas), process.labels) }
            if others.count > 0 { $0.add(Double(others.vmas), ProcessStock.othersLabels) }
        }
        guard let sums = whole.boundaries else { return }
        page.gauge(
            "vmascope_processes_swept", "Processes that were swept: their boundaries and gaps are known.",
            Double(interval.sweptCount))
        page.family(
            "vmascope_boundaries", .gauge,
            "Boundaries (pairs of adjacent VMAs) of all swept processes, by their blockers; none: no rule forbids the merge."
        ) {
            for (blockers, count) in sums.blockedBy.ranked { $0.add(Double(count), [("blockers", blockers.key)]) }
            let free = sums.total - sums.blockedBy.values.reduce(0, +)
            $0.add(Double(free), [("blockers", "none")])
        }
        page.gauge(
            "vmascope_boundaries_recoverable",
            "Boundaries of all swept processes that the rules of the 2022 patch series would remove.", Double(sums.recoverable))
        page.gauge(
            "vmascope_gaps", "Gaps (unmapped space that a program left between two VMAs) of all swept processes.",
            Double(sums.gaps))
        func each(_ name: String, _ help: String, _ value: (BoundarySums) -> Int) {
            page.family(name, .gauge, help) {
                for process in listed {
                    if let sums = process.boundaries { $0.add(Double(value(sums)), process.labels) }
                }
                if let sums = others.boundaries { $0.add(Double(value(sums)), ProcessStock.othersLabels) }
            }
        }
        each("vmascope_process_boundaries", "Boundaries of a process at its last sweep.") { $0.total }
        each("vmascope_process_gaps", "Gaps of a process at its last sweep.") { $0.gaps }
        each(
            "vmascope_process_boundaries_recoverable",
            "Boundaries of a process at its last sweep that the rules of the 2022 patch series would remove."
        ) { $0.recoverable }
        page.family("vmascope_process_boundaries_timestamp_seconds", .gauge, "Unix time of the last sweep of a process.") {
            for process in listed {
                guard let sums = process.boundaries else { continue }
                $0.add(time - Double(interval.time - min(interval.time, sums.takenAt)) / 1e9, process.labels)
            }
        }
    }

    private static func refused(_ rows: [Refused], _ page: inout Page) {
        var counts: [[String]: Int] = [:]
        for row in rows { counts[[row.operation.rawValue, row.verdict.reason?.rawValue ?? "unknown"], default: 0] += row.count }
        page.family(
            "vmascope_refused_total", .counter,
            "Calls that would have changed VMAs and that the kernel refused, as far as they were seen (vmascope_watched_ratio), by operation and reason."
        ) {
            for (key, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                $0.add(Double(count), [("operation", key[0]), ("reason", key[1])])
            }
        }
    }

    private static func flow(_ flow: Flow, _ page: inout Page) {
        page.family(
            "vmascope_sections_total", .counter,
            "Write sections (an mmap_lock held for writing), by operation and by how the number of VMAs changed."
        ) {
            for operation in Operation.allCases where flow.total.sections(operation) > 0 {
                for change in Flow.Change.allCases {
                    let count = flow.total.counts[Flow.Count(operation, change), default: 0]
                    $0.add(Double(count), [("operation", operation.rawValue), ("vmas", "\(change)")])
                }
            }
        }
        let hooked = Operation.allCases.compactMap { operation in flow.total.hooked?[operation].map { (operation, $0) } }
        page.family(
            "vmascope_merge_attempts_total", .counter,
            "Merge attempts: calls of the kernel functions that consider a merge, by operation (with hooks)."
        ) {
            for (operation, attempts) in hooked { $0.add(Double(attempts.count), [("operation", operation.rawValue)]) }
        }
        page.family(
            "vmascope_merges_total", .counter,
            "Merges: calls of the kernel function that carries one out, by operation (with hooks)."
        ) {
            for (operation, attempts) in hooked {
                if let merged = attempts.merged { $0.add(Double(merged), [("operation", operation.rawValue)]) }
            }
        }
        page.counter(
            "vmascope_sections_unseen_total",
            "Write sections of address spaces beyond those that are counted at once; they are in no other metric.",
            Double(flow.unseen))
        page.counter(
            "vmascope_sections_skipped_total",
            "Write sections that were not looked at, since their process alone would have used up the budget; they are in no other metric.",
            Double(flow.total.skipped))
        // Gauges: an estimate may come down when more is known.
        let bounds: [(suffix: String, what: String, value: KeyPath<Estimate, Double>)] = [
            ("", "an estimate from a sample of write sections", \.value),
            ("_low", "the low end of the 95% interval of the estimate", \.low),
            ("_high", "the high end of the 95% interval of the estimate", \.high),
        ]
        for bound in bounds {
            page.family(
                "vmascope_missed_sides_estimate\(bound.suffix)", .gauge,
                "Missed sides since the start, by operation and blockers: \(bound.what)."
            ) {
                for (miss, estimate) in flow.total.missedBy.ranked {
                    $0.add(
                        estimate[keyPath: bound.value], [("operation", miss.operation.rawValue), ("blockers", miss.blockers.key)])
                }
            }
            let sums: [(name: String, help: String, estimate: Estimate?)] = [
                ("merge_attempts", "Merge attempts", flow.total.attempts),
                ("merges", "Merge attempts that merged", flow.total.merged),
                (
                    "recoverable_sides", "Missed sides that the rules of the 2022 patch series would have merged,",
                    flow.total.recoverable
                ),
            ]
            for (name, help, estimate) in sums {
                guard let estimate else { continue }
                page.gauge(
                    "vmascope_\(name)_estimate\(bound.suffix)", "\(help) since the start: \(bound.what).",
                    estimate[keyPath: bound.value])
            }
        }
        page.family(
            "vmascope_sample_one_in", .gauge,
            "The sampling rate: one in this many write sections was recorded and judged, since the start."
        ) {
            $0.add(Double(flow.sampleOneIn.lowerBound), [("bound", "least")])
            $0.add(Double(flow.sampleOneIn.upperBound), [("bound", "most")])
        }
        page.gauge(
            "vmascope_watched_ratio", "Part of the time since the start in which write sections were counted, 0 to 1.",
            flow.watched)
        page.gauge(
            "vmascope_sampled_ratio",
            "Part of the time since the start in which write sections were recorded, too, for which the estimates are, 0 to 1.",
            flow.sampled)
        page.counter("vmascope_events_total", "Records of BPF programs that were received.", Double(flow.received))
        page.counter("vmascope_events_lost_total", "Records of BPF programs that were lost.", Double(flow.lost))
        page.counter(
            "vmascope_attempts_checked_total",
            "Merge attempts on which the rules' prediction was compared with what the kernel did.", Double(flow.checked))
        page.counter(
            "vmascope_attempts_unexplained_total",
            "Checked merge attempts on which the kernel did not do what the rules predict.",
            Double(flow.unexplained))
        page.counter(
            "vmascope_sections_compared_total",
            "Recorded write sections whose VMAs, as read, were compared with the kernel's count.",
            Double(flow.audit.checked))
        page.counter(
            "vmascope_sections_different_total",
            "Compared write sections whose VMAs, as read, were not as many as the kernel counted.",
            Double(flow.audit.different))
    }

    private static func own(_ own: Own, _ page: inout Page) {
        page.family(
            "vmascope_cpu_seconds_total", .counter,
            "Processor time in seconds: of vmascope (process), and of its BPF programs in other processes (bpf)."
        ) {
            $0.add(own.cpuSeconds, [("in", "process")])
            if let seconds = own.bpfSeconds { $0.add(seconds, [("in", "bpf")]) }
        }
        page.gauge("vmascope_cpu_ratio", "Part of one processor that vmascope took in the last interval.", own.share)
        page.gauge("vmascope_cpu_budget_ratio", "Part of one processor that vmascope may take (--budget).", own.budget)
        if let bytes = own.residentBytes {
            page.gauge("vmascope_resident_memory_bytes", "Resident memory of vmascope in bytes.", Double(bytes))
        }
    }
}

/// A page of metrics: families of samples, each with its HELP and TYPE lines before it.
private struct Page {
    enum Kind: String { case gauge, counter }

    private(set) var text = ""

    mutating func gauge(_ name: String, _ help: String, _ value: Double) { family(name, .gauge, help) { $0.add(value, []) } }
    mutating func counter(_ name: String, _ help: String, _ value: Double) { family(name, .counter, help) { $0.add(value, []) } }

    /// Adds a family; nothing at all if it has no samples.
    mutating func family(_ name: String, _ kind: Kind, _ help: String, _ body: (inout Samples) -> Void) {
        var samples = Samples(name: name)
        body(&samples)
        if !samples.text.isEmpty { text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n" + samples.text }
    }

    struct Samples {
        let name: String
        fileprivate(set) var text = ""

        mutating func add(_ value: Double, _ labels: [(String, String)]) {
            let list = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
            text += "\(name)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))\n"
        }

        private static func number(_ value: Double) -> String {
            guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-Inf" : "+Inf" }
            return value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
        }

        /// A label's value: characters that nobody sees are spelt out, as everywhere, then the format's own are escaped.
        private static func escaped(_ text: String) -> String {
            var escaped = ""
            for character in Fit.printable(text) {
                switch character {
                case "\\": escaped += "\\\\"
                case "\"": escaped += "\\\""
                case "\n": escaped += "\\n"
                default: escaped.append(character)
                }
            }
            return escaped
        }
    }
}

extension ProcessStock {
    var labels: [(String, String)] {
        // A label that is empty is none, so a process outside of containers has the labels that it always had.
        let names = [("namespace", container?.namespace), ("pod", container?.pod), ("container", container?.name)]
        return [("pid", "\(pid)"), ("comm", firstCommand), ("cgroup", cgroup ?? "")]
            + names.compactMap { name, value in value.map { (name, $0) } }
    }

    fileprivate static let othersLabels = [("pid", ""), ("comm", "(others)"), ("cgroup", "")]
}

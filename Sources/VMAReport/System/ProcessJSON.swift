import VMACore

/// A process in the JSON of `system` and in its report: what is written of it, and the schema of that.
enum ProcessJSON {
    /// What is counted or read of each process, beside its VMAs.
    static let figures: [JSONSchema.Member] = [
        .of("namespace_pid", .count()), .of("uid", .count()), .of("cgroup", .orNull(.string())),
        .since("0.2.0", "container", .orNull(container)), .of("threads", .count()),
    ]

    /// An element of `processes` in `vmascope.system.v1`.
    static let members: [JSONSchema.Member] =
        [.of("pid", .count()), .of("comm", .string())] + figures + [
            .of("exited", .bool()), .of("vmas", ReportSchema.vmaCount), .of("growth_per_minute", .orNull(.number())),
            .since("0.2.0", "growth_observed_seconds", .orNull(.number())), .of("seconds_to_limit", .orNull(.number())),
            .of("boundaries", .orNull(.named("boundaries"))), .since("0.2.0", "gaps", .orNull(.named("gaps"))),
            .since("0.2.0", "refused", .orNull(.count())), .of("near_limit", .bool()), .of("flow", .orNull(.named("sums"))),
        ]

    private static let container = JSONSchema.object(
        [
            .of("id", .string()), .of("name", .orNull(.string())), .of("pod", .orNull(.string())),
            .of("namespace", .orNull(.string())), .of("pod_uid", .orNull(.string())),
        ], "The container of the process's cgroup; names are null where no runtime's file has them.")
}

extension JSONWriter {
    /// The figures of a process, and what follows from its VMAs; `limit` is vm.max_map_count, `time` the end of the
    /// interval in CLOCK_MONOTONIC nanoseconds.
    mutating func process(_ process: ProcessStock, limit: Int?, at time: UInt64) {
        field("pid", process.pid)
        field("namespace_pid", process.namespacePID)
        field("comm", process.command)
        field("uid", process.uid)
        field("cgroup", process.cgroup)
        container(process.container)
        field("threads", process.threads)
        field("exited", process.hasExited)
        vmas(start: process.start, now: process.vmas, peak: process.peak, limit: limit)
        field("growth_per_minute", thousandths: process.trend?.perMinute)
        field("growth_observed_seconds", thousandths: process.trend?.observed)
        field("seconds_to_limit", thousandths: process.secondsToLimit(limit))
        boundaries(process.boundaries, at: time)
    }

    /// The counts of VMAs of a process (`ReportSchema.vmaCount`).
    mutating func vmas(start: Int, now: Int, peak: Int, limit: Int?) {
        object("vmas") { json in
            json.field("start", start)
            json.field("now", now)
            json.field("peak", peak)
            json.field("limit", limit)
        }
    }

    private mutating func container(_ container: Container?) {
        guard let container else { return null("container") }
        object("container") { json in
            json.field("id", container.id)
            json.field("name", container.name)
            json.field("pod", container.pod)
            json.field("namespace", container.namespace)
            json.field("pod_uid", container.podUID)
        }
    }
}

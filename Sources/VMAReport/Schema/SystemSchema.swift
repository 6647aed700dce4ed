import VMACore

/// `vmascope.system.v1`, and what a report has of the whole system.
enum SystemSchema {
    static let reportMembers: [JSONSchema.Member] = [
        .of("intervals", .count()), .of("seen", .count()), .of("exited", .count()), .of("warnings", .count()),
        .of("others", .named("others")), .of("flow", .orNull(.named("flow"))), .of("own", .named("own")), captures,
    ]

    private static let captures = JSONSchema.Member.since(
        "0.2.0", "captures",
        .orNull(
            .array(
                .object([
                    .of("pid", .count()), .of("comm", .string()), .of("uid", .count()),
                    .of("reason", .words(CapturePlan.Reason.allCases.map(\.rawValue))),
                    .of("seconds_to_limit", .orNull(.number())), .of("started", .string("ISO 8601 in UTC.")),
                    .of("file", .string("The path of the recording; the report has the same path with .txt.")),
                    .of("complete", .orNull(.bool("Null while it is being made."))), .of("failure", .orNull(.string())),
                ]), "Recordings of --capture whose files are kept; null without that option.")))

    private static let estimate = JSONSchema.orNull(.named("estimate"))

    /// Those that a report has, too.
    static let definitions: [(name: String, schema: JSONSchema)] = [
        (
            "others",
            .object([
                .of("processes", .count()), .of("vmas", .count()), .of("boundaries", .orNull(.named("boundaries"))),
                .since("0.2.0", "gaps", .orNull(.named("gaps"))),
            ])
        ),
        (
            "flow",
            .object([
                .of("sample_one_in", .object([.of("least", .count()), .of("most", .count())])),
                .of("events", .object([.of("received", .count()), .of("lost", .count())])),
                .of("agreement", .named("agreement")), .since("0.2.0", "layout_audit", .orNull(.named("audit"))),
                .of("watched", .number("The part of the time in which sections were counted, 0 to 1.")),
                .since(
                    "0.2.0", "sampled",
                    .number("The part of the time in which sections were recorded, too, for which the estimates are, 0 to 1.")),
                .of("unseen", .count("Sections of address spaces beyond those that are counted at once.")),
                .of("total", .named("sums")),
            ])
        ),
        (
            "sums",
            .object([
                .of(
                    "sections",
                    .map(
                        .object([.of("same", .count()), .of("fewer", .count()), .of("more", .count())]),
                        "Counted sections, by operation.")
                ),
                .of(
                    "counted",
                    .orNull(
                        .map(
                            .object([.of("attempts", .count()), .of("merged", .orNull(.count()))]),
                            "Counted attempts, by operation; null without hooks."))),
                .of("told", .count()),
                .since("0.2.0", "not_counted", .count("Sections that are in no other figure: the process had cost its share.")),
                .of("attempts", estimate), .of("merged", estimate), .of("missed", estimate),
                .of("recoverable", estimate),
                .of(
                    "missed_by",
                    .array(
                        .object([.of("op", .string()), .of("blockers", .array(.string())), .of("missed", estimate)]))),
            ])
        ),
        (
            "estimate",
            .object(["estimate", "low", "high"].map { .of($0, .orNull(.number())) }, "An estimate with its 95% interval.")
        ),
        (
            "own",
            .object([
                .of("cpu_seconds", .number("Processor time of vmascope since the start, in seconds.")),
                .of("bpf_seconds", .orNull(.number())),
                .of("cpu_percent", .number("Processor time in this interval, as a percentage of one processor.")),
                .of("budget_percent", .number()),
                .of("resident_bytes", .count()),
            ])
        ),
    ]

    static let v1 = NamedSchema(
        name: "vmascope.system.v1", title: "All processes in one interval",
        root: .object([
            .of("schema", .constant("vmascope.system.v1")), .of("tool", .object([.of("version", .string())])),
            .of(
                "host",
                .object([
                    .of("kernel", .string()), .of("source", .orNull(.words(["hooks", "tracepoints"]))),
                    .of("merge_rules", .orNull(.string())), .of("stock", .words(["iter/task", "/proc"])),
                ])),
            .of("time", .string("The end of the interval, ISO 8601 in UTC.")),
            .of("interval", .count("The number of the interval, from 1 on.")),
            .of("seconds", .number()),
            .of("limit", .orNull(.count("vm.max_map_count."))),
            .of(
                "total",
                .object([
                    .of("processes", .count()), .of("vmas", .count()), .of("near_limit", .count()), .of("warnings", .count()),
                    .of("swept", .count()), .since("0.2.0", "refused", .orNull(.count())),
                    .of("boundaries", .orNull(.named("boundaries"))), .since("0.2.0", "gaps", .orNull(.named("gaps"))),
                ])),
            .since("0.2.0", "refused", .orNull(.array(.named("refusal")))),
            .since("0.2.0", "refused_folded", .orNull(.count("Rows of refused calls that are not listed."))),
            .of("processes", .array(.object(ProcessJSON.members))), .of("others", .named("others")),
            .of("flow", .orNull(.named("flow"))), .of("own", .named("own")), captures,
        ]),
        definitions: [
            (
                "agreement",
                .object([
                    .of("checked", .count()), .of("agreed", .count()), .of("unexplained", .count()), .of("unjudged", .count()),
                    .of("disagreements", .array(.string())),
                ])
            ),
            ("audit", .object(["checked", "equal", "resynced"].map { .of($0, .count()) })),
            (
                "boundaries",
                .object([
                    .of("total", .count()), .of("blocked_by", .map(.count())), .of("recoverable", .count()),
                    .of("age_seconds", .number("Seconds since the last sweep.")),
                ])
            ),
            ("gaps", .object([.of("total", .count())])),
            ("refusal", ReportSchema.refusal),
        ] + definitions)
}

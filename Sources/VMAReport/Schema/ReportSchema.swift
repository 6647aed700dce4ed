import VMACore

/// `vmascope.report.v1`, of an observation and of the whole system.
enum ReportSchema {
    private static let whatIfWords = WhatIf.allCases.map(\.rawValue)
    private static let whatIf = JSONSchema.orNull(.words(whatIfWords, "The answer of the 2022 series: would it have merged?"))
    private static let why = JSONSchema.orNull(.string("Why the series refuses, or why its answer is unknown."))
    private static let byProposal = JSONSchema.orNull(
        .map(.orNull(.words(whatIfWords)), "The answer of each proposal, by its name; null where it was not asked."))
    static let stack = JSONSchema.array(.string(), "The call stack, innermost frame first; empty if there is none.")
    static let stackComplete = JSONSchema.orNull(
        .bool("false: a frame in it is \u{2026}, and not all frames were seen; null: there is no stack."))
    private static let blockers = JSONSchema.array(.string(), "All merge rules that refuse the merge, in the order of the table.")
    private static let op = "The operation: mmap, brk, mremap, \u{2026}"

    static let v1 = NamedSchema(
        name: "vmascope.report.v1", title: "The results of an observation",
        root: .object(members), definitions: definitions)

    private static let members: [JSONSchema.Member] = [
        .of("schema", .constant("vmascope.report.v1")),
        .of("tool", .object([.of("version", .string("The version of vmascope."))])),
        .of(
            "host",
            .object([
                .of("kernel", .string("The kernel's release.")),
                .of("source", .orNull(.words(["hooks", "tracepoints"], "The source of merge attempts; null: none."))),
                .of("merge_rules", .orNull(.string("The merge rules of this kernel, as experiments found them."))),
                .optional("stock", .words(["iter/task", "/proc"], "system: what counts the VMAs of processes.")),
            ])),
        .of(
            "window",
            .object([
                .of("started", .string("The start, ISO 8601 in UTC.")),
                .of("seconds", .number("The length of the observation in seconds.")),
            ])),
        .of(
            "events",
            .object([
                .of("received", .orNull(.count("Records of BPF programs that arrived."))),
                .of("lost", .orNull(.count("Records of BPF programs that were lost."))),
                .of("sample_one_in", .orNull(.count("1: every attempt is looked at."))),
            ])),
        .of("agreement", .named("agreement")),
        .of("layout_audit", .orNull(.named("audit"))),
        .of("totals", .named("tally")),
        .since("0.2.0", "refused", .orNull(.array(.named("refusal"), "Calls that the kernel refused, most frequent first."))),
        .optional("refused_folded", .orNull(.count("system: rows of refused calls that are not listed."))),
        .of("processes", .array(.named("process"), "One row for each address space.")),
        .of("missed", .orNull(.array(.named("miss"), "Missed sides, most frequent first; null: not kept (system)."))),
        .of(
            "standing",
            .orNull(.array(.named("standing"), "Boundaries and gaps that stand between VMAs; null: not kept (system)."))),
        .since("0.2.0", "standing_at_peak", .array(.named("standing"), "Boundaries and gaps when a process had most VMAs.")),
        .since(
            "0.2.0", "folded",
            .object(
                ["missed", "standing", "standing_at_peak", "refused", "processes"].map { .since("0.2.0", $0, .count()) },
                "How many rows were merged into others.")),
        .since("0.2.0", "remedies", .map(.string(), "The advice of each remedy that a row names.")),
        .since("0.2.0", "answer", .named("answer")),
        .optional("system", .named("system")),
    ]

    private static let definitions: [(name: String, schema: JSONSchema)] =
        [
            (
                "agreement",
                .object(
                    [
                        .of("checked", .orNull(.count())), .of("agreed", .orNull(.count())),
                        .of("unexplained", .orNull(.count("Attempts on which the kernel did not do what the rules predict."))),
                        .optional("unjudged", .count("Write sections that were recorded with a part missing.")),
                        .optional("unjudged_by", .map(.count(), "The same, by the reason.")),
                        .optional("disagreements", .array(.string(), "system: the first twenty disagreements, in words.")),
                    ], "Attempts on which the rules' prediction was compared with the kernel's outcome.")
            ),
            (
                "audit",
                .object(
                    ["checked", "equal", "resynced"].map { .of($0, .count()) },
                    "Comparisons of the model with the kernel's VMAs, and times that a layout was read anew.")
            ),
            ("tally", .object(tally)),
            ("gain", gain),
            (
                "whatIfCounts",
                .object(whatIfWords.map { .of($0, .count()) }, "The answers for misses by pgoff and anon_vma alone.")
            ),
            (
                "boundaries",
                .object([
                    .of("total", .count("The number of pairs of VMAs that touch.")),
                    .of("blocked_by", .map(.count(), "Boundaries by their blockers, joined with + in the order of the table.")),
                    .of("recoverable", .count()),
                    .optional("what_if", .named("whatIfCounts")),
                    .since("0.2.0", "what_if_by_proposal", .map(.named("whatIfCounts"))),
                    .optional("age_seconds", .number("system: seconds since the last sweep.")),
                ])
            ),
            ("gaps", .object([.of("total", .count("The number of gaps between VMAs."))])),
            ("process", .object(process)),
            ("vmaCount", vmaCount),
            ("refusal", refusal),
            (
                "miss",
                .object([
                    .of("pid", .count()), .since("0.2.0", "image", .count("The address space.")), .of("op", .string(op)),
                    .of("side", .words(Side.allCases.map(\.rawValue))), .of("blockers", blockers),
                    .of("detail", .orNull(.string("The flags that differ."))), .of("count", .count()), .of("what_if", whatIf),
                    .since("0.2.0", "what_if_why", why), .since("0.2.0", "what_if_by_proposal", byProposal),
                    .of(
                        "example",
                        .object(
                            [
                                .of("time", .number("Seconds since the start.")), .of("proposed", .named("vma")),
                                .of("prev", .orNull(.named("vma"))), .of("next", .orNull(.named("vma"))),
                            ], "The first miss of the row.")),
                    .of("stack", stack), .since("0.2.0", "stack_complete", stackComplete),
                ])
            ),
            ("standing", .object(standing)),
            ("vma", vma),
            ("answer", answer),
            ("system", .object(SystemSchema.reportMembers)),
        ] + SystemSchema.definitions

    static let vma = JSONSchema.object([
        .of("start", .string("A hexadecimal address.")), .of("end", .string("A hexadecimal address.")),
        .of("prot", .string("The protection as in /proc/PID/maps.")),
        .of("flags", .array(.string(), "The kernel's names of the flags that prot does not show.")),
        .of("pgoff", .count("The offset in pages.")),
        .of("anon_vma", .orNull(.count("A small id; null: no page of it was touched."))),
        .of("file", .orNull(.string("The path of the mapped file; null: anonymous memory."))), .of("name", .orNull(.string())),
    ])

    static let vmaCount = JSONSchema.object([
        .of("start", .count()), .of("now", .count("The number of VMAs now, or at the end.")), .of("peak", .count()),
        .of("limit", .orNull(.count("vm.max_map_count."))),
    ])

    static let refusal = JSONSchema.object([
        .of("pid", .count()), .of("op", .string(op)), .of("errno", .orNull(.count())),
        .of("reason", .orNull(.string("map_limit, rlimit_as, rlimit_data, overcommit, locked or other."))),
        .of("seen", .bool("true: the kernel's answer was read; false: it is inferred.")), .of("count", .count()),
        .of("first", .number("Seconds since the start.")), .of("last", .number("Seconds since the start.")),
        .of("stack", stack), .of("stack_complete", stackComplete),
    ])

    private static let tally: [JSONSchema.Member] = [
        .of("attempts", .orNull(.count())), .of("merged", .orNull(.count("Attempts with a side that merged."))),
        .of("missed", .orNull(.count("Sides that did not merge."))),
        .of("missed_by", .orNull(.map(.count(), "Missed sides by their blockers, joined with +."))),
        .of("what_if", .orNull(.named("whatIfCounts"))),
        .since("0.2.0", "what_if_by_proposal", .map(.named("whatIfCounts"))),
        .since("0.2.0", "gain", .named("gain")),
        .since("0.2.0", "other_stacks", .count("Times that a stack could not be kept, beyond the bound.")),
        .since("0.2.0", "refused", .orNull(.count("Calls that the kernel refused."))),
    ]

    /// The pages of ranges that are present, all but the first two keys of it.
    private static let present: [JSONSchema.Member] = [
        .since("0.2.0", "pages_present", .orNull(.count("Pages with a frame of their own, of the ranges that were counted."))),
        .since("0.2.0", "pages_zero", .orNull(.count("Pages that were read, and never written."))),
        .since("0.2.0", "pages_swapped", .orNull(.count("Pages that are swapped out."))),
        .since("0.2.0", "ranges_unknown", .count("Ranges whose pages were not counted.")),
    ]

    private static let sizes: [JSONSchema.Member] = [
        .of("sizes", .map(.count(), "Ranges by size: a key is the least number of pages of its class.")),
        .since(
            "0.2.0", "sizes_present",
            .map(.count(), "Ranges by their present pages: a key is the least number of its class, 0 for none.")),
    ]

    private static let gain = JSONSchema.object([
        .of("misses", .count()), .of("boundaries", .count()),
        .since(
            "0.2.0", "moved",
            .object(
                [.of("ranges", .count("Ranges of touched anonymous memory that mremap moved.")), .of("pages", .count())] + present
                    + sizes)),
        .of(
            "by_proposal",
            .map(
                .object(
                    [
                        .of("merges", .count()), .of("vmas", .integer()), .of("pages", .count()),
                        .of("merges_near_limit", .count()),
                        .of("vmas_near_limit", .integer()),
                        .since(
                            "0.2.0", "updated",
                            .orNull(
                                .object(
                                    [
                                        .of("ranges", .count("Ranges whose pages would have to be updated.")),
                                        .of("pages", .count()),
                                    ]
                                        + present + [
                                            .of(
                                                "pages_per_merge", .orNull(.number("Present pages to update for each VMA saved."))
                                            )
                                        ]))),
                    ] + present + sizes))),
        .of("refused", .map(.count())),
    ])

    private static let process: [JSONSchema.Member] =
        [
            .of("pid", .count()), .since("0.2.0", "image", .count("The address space: a pid has another one after each exec.")),
            .of("comm", .string()),
        ] + ProcessJSON.figures.map(\.sometimes) + [
            .of("vmas", .named("vmaCount")),
            .of("growth_per_minute", .orNull(.number())), .since("0.2.0", "growth_observed_seconds", .orNull(.number())),
            .of("seconds_to_limit", .orNull(.number("0: it is there."))),
            .since("0.2.0", "exited", .bool("It has ended, or called exec.")),
        ] + tally.filter { $0.key != "other_stacks" } + [
            .of("boundaries", .orNull(.named("boundaries"))), .since("0.2.0", "gaps", .orNull(.named("gaps"))),
            .since(
                "0.2.0", "peak",
                .object([
                    .of("vmas", .count()), .of("at", .count("The number of VMAs of the layout that was kept.")),
                    .of("boundaries", .named("boundaries")), .of("gaps", .count()),
                ])),
            .optional("flow", .orNull(.named("sums"))),
        ]

    private static let standing: [JSONSchema.Member] = [
        .since("0.2.0", "kind", .words(["boundary", "gap"])), .of("pid", .count()), .since("0.2.0", "image", .count()),
        .of("op", .orNull(.string("The operation that left it; null: it stood before the observation, or exec made it."))),
        .of("blockers", blockers), .of("detail", .orNull(.string())),
        .since("0.2.0", "left_only", .array(.string(), "Flags that only the left VMA has.")),
        .since("0.2.0", "right_only", .array(.string(), "Flags that only the right VMA has.")),
        .of("what_if", whatIf), .of("what_if_by", .orNull(.words(["anon_vma", "pages"]))),
        .since("0.2.0", "what_if_when", .orNull(.words(["tried", "now"]))), .since("0.2.0", "what_if_why", why),
        .since("0.2.0", "what_if_now", LayoutSchema.whatIfNow), .since("0.2.0", "what_if_by_proposal", byProposal),
        .of("count", .count()), .since("0.2.0", "remedy", .orNull(.string("A key of remedies."))),
        .of("example", .object([.of("left", .named("vma")), .of("right", .named("vma"))])),
        .of("stack", stack), .since("0.2.0", "stack_complete", stackComplete),
    ]

    private static let answer = JSONSchema.object(
        [
            .of("pid", .orNull(.count())), .of("image", .orNull(.count())), .of("at_peak", .bool()), .of("near", .string()),
            .of("filled_by", .orNull(.string())), .of("left_by", .orNull(.string())), .of("what_to_do", .orNull(.string())),
            .since("0.2.0", "meanwhile", .orNull(.string())),
            .of("remedy", .orNull(.string())), .of("trust", .string()),
        ], "The first lines of the text report.")
}

/// `vmascope.layout.v1`.
enum LayoutSchema {
    static let whatIfNow = JSONSchema.orNull(
        .object(
            ["left", "right"].map { .of($0, .orNull(.words(WhatIf.allCases.map(\.rawValue)))) },
            "The answer if somebody changed the left VMA now, or the right one."))

    static let v1 = NamedSchema(
        name: "vmascope.layout.v1", title: "The VMAs of a process, and what separates them",
        root: .object([
            .of("schema", .constant("vmascope.layout.v1")), .of("pid", .count()), .of("comm", .string()),
            .of("vmas", .array(.named("vma"))),
            .of(
                "boundaries",
                .array(
                    .object([
                        .of("index", .count("i, for the pair (vmas[i], vmas[i+1]), which touches.")),
                        .of("blockers", .array(.string(), "[]: mergeable, but nothing has tried.")),
                        .of("detail", .orNull(.string())),
                        .of("what_if", .orNull(.words(WhatIf.allCases.map(\.rawValue)))),
                        .since("0.2.0", "what_if_now", whatIfNow),
                        .since("0.2.0", "what_if_by_proposal", .orNull(.map(.orNull(.words(WhatIf.allCases.map(\.rawValue)))))),
                    ]))),
            .since("0.2.0", "gaps", .object([.of("total", .count())])),
            .since("0.2.0", "remedy", .orNull(.string())), .since("0.2.0", "what_to_do", .orNull(.string())),
        ]), definitions: [("vma", ReportSchema.vma)])
}

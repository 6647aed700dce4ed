/// What `vmascope schema` prints.
public enum Schemas {
    private static let all: [NamedSchema] = [ReportSchema.v1, LayoutSchema.v1, SystemSchema.v1, diff, doctor]

    /// The recordings' format is no JSON: of it there is a text (docs/trace-format.md).
    public static let recording = "vmt"

    /// The short names: `report.v1`, …, and `vmt`.
    public static var names: [String] { all.map { short($0.name) } + [recording] }

    /// - Parameter name: `report`, `report.v1` or `vmascope.report.v1`.
    /// - Returns: nil if there is none of that name.
    public static func text(_ name: String) -> String? {
        if name == recording || name == "." + recording { return recordingText }
        let found = all.first {
            [$0.name, short($0.name), short($0.name).split(separator: ".").first.map(String.init)].contains(name)
        }
        return found?.text
    }

    /// All of them, in a line each.
    public static var list: String {
        let rows =
            all.map { (short($0.name), $0.title) } + [(recording, "Recordings (not JSON): their frame, and what is promised")]
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, title in name + String(repeating: " ", count: width + 2 - name.count) + title + "\n" }.joined()
    }

    private static func short(_ name: String) -> String { name.split(separator: ".").dropFirst().joined(separator: ".") }

    private static let pair = JSONSchema.object([.of("before", .orNull(.number())), .of("after", .orNull(.number()))])

    private static let diff = NamedSchema(
        name: "vmascope.diff.v1", title: "The differences between two observations",
        root: .object(
            [.of("schema", .constant("vmascope.diff.v1"))]
                + ["vmas", "merges", "missed_by", "missed_in", "boundaries"].map { .of($0, .map(.named("pair"))) }
                + [
                    .since("0.2.0", "peak", .map(.named("pair"))), .of("what_if", .map(.named("pair"))),
                    .of("trust", .map(.named("pair"))),
                ]), definitions: [("pair", pair)])

    private static let source = JSONSchema.object([
        .of("usable", .bool("All programs load and attach, and it is proven.")),
        .since("0.2.0", "proven", .bool("A child was observed, and everything was as the rules predict.")),
        .of("why", .orNull(.string())),
        .of(
            "attach_points",
            .array(
                .object([
                    .of("name", .string()),
                    .since("0.2.0", "symbol", .string("The symbol, as this kernel's compiler has named it.")),
                    .of("kind", .string("kprobe, fexit, tp_btf or perf.")), .of("usable", .bool()),
                    .of("why", .orNull(.string())),
                ]))),
    ])

    private static let doctor = NamedSchema(
        name: "vmascope.doctor.v1", title: "What this kernel and these privileges allow",
        root: .object([
            .of("schema", .constant("vmascope.doctor.v1")), .of("kernel", .string()),
            .since("0.2.0", "merge_rules", .orNull(.string())),
            .of("sources", .object([.of("hooks", .named("source")), .of("tracepoints", .named("source"))])),
            .since(
                "0.2.0", "ways",
                .array(
                    .object([
                        .of("command", .string()), .of("usable", .bool()), .of("why", .orNull(.string())),
                        .of("object", .orNull(.string())), .of("snapshot", .orNull(.string())), .of("stock", .orNull(.string())),
                        .of("stack", .orNull(.string())), .of("symbols", .orNull(.string())), .of("note", .orNull(.string())),
                        .of("refused", .array(.object([.of("way", .string()), .of("why", .string())]))),
                    ]))),
            .of("stock", .object([.of("usable", .bool()), .of("why", .orNull(.string()))])),
            .of("capabilities", .map(.bool())),
            .since(
                "0.2.0", "helpers",
                .array(
                    .object([
                        .of("role", .string("opener, reader (and unwinder), proc_reader.")), .of("own_user", .bool()),
                        .of("why", .orNull(.string("Why it has no user of its own."))),
                        .of("capabilities", .array(.string())), .of("no_new_privs", .bool()), .of("seccomp", .bool()),
                    ]))),
            .since("0.2.0", "settings", .map(.orNull(.string()))),
            .since("0.2.0", "summary", .string("What will work here, and the one command that would make more work.")),
        ]), definitions: [("source", source)])

    private static let recordingText = """
        A recording (.vmt) is binary, and not JSON: docs/trace-format.md describes all of it.

          8 bytes    signature: 89 56 4d 54 0d 0a 1a 0a
          4 bytes    version, little endian, 4 now
          blocks     each: kind, bytes of the payload, events in it, CRC-32 of these and the payload
                     (4 bytes each, little endian), payload; kinds: 1 header, 2 events, 3 end

        It is append-only and can be cut off anywhere: what comes before the cut is read, and 65 is the exit status.
        Every version of vmascope reads the recordings of all versions before it. Of blocks and events of kinds that
        it does not know it passes over those of blocks, and refuses a recording of a later format version by name.
        `vmascope report --json FILE` makes a report (vmascope.report.v1) of it.

        """
}

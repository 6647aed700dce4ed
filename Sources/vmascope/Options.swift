import ArgumentParser
import Glibc
import VMACore
import VMAProbe
import VMAReport
import VMASession

/// What arguments mean, with an error that says what to write instead.
enum Parse {
    /// `10s`, `5m`, `1h`, in seconds.
    @Sendable static func duration(_ text: String) throws -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Double(text.dropLast()), count > 0,
            count * unit <= 1e9
        else { throw ValidationError("write 10s, 5m or 1h") }
        return count * unit
    }

    @Sendable static func process(_ text: String) throws -> Int32 {
        guard let id = Int32(text), id > 0 else { throw ValidationError("a process id is a number above 0") }
        return id
    }

    /// `0644`, at most 0777.
    @Sendable static func mode(_ text: String) throws -> UInt32 {
        guard let mode = UInt32(text, radix: 8), mode <= 0o777 else { throw ValidationError("write a mode in octal, like 0644") }
        return mode
    }

    /// What `--fail-on` takes (docs/usage.md).
    @Sendable static func condition(_ text: String) throws -> Condition {
        do { return try Condition(text) } catch { throw ValidationError(error.message) }
    }
}

extension Parse {
    @Sendable static func proposal(_ text: String) throws -> Int {
        guard let place = Proposals.place(text) else {
            throw ValidationError("there is no proposal '\(text)': use \(Proposals.table.map(\.slug).joined(separator: ", "))")
        }
        return place
    }
}

extension SourceChoice: ExpressibleByArgument {}

/// The format that a file's name asks for, where no option does.
enum FileFormat {
    /// - Returns: a name of `ReportFormats`, or `ndjson`; nil: the name says nothing.
    static func named(by path: String?) -> String? {
        guard let name = path?.split(separator: "/").last?.lowercased() else { return nil }
        return table.first { ending, _ in name.utf8.count > ending.utf8.count && name.hasSuffix(ending) }?.format
    }

    private static let table: [(ending: String, format: String)] = [
        (".json", "json"), (".html", "html"), (".htm", "html"), (".txt", "text"), (".folded", "folded"),
        (".pb.gz", "pprof"), (".pprof", "pprof"), (".pftrace", "perfetto"), (".perfetto-trace", "perfetto"),
        (".ndjson", "ndjson"), (".jsonl", "ndjson"),
    ]
}

struct OutputOptions: ParsableArguments {
    @Option(
        help: "Format of the report: \(ReportFormats.names.joined(separator: ", ")); without it the ending of --output decides.",
        completion: .list(ReportFormats.names))
    var format: String?

    @Flag(help: "Short for --format json.")
    var json = false

    @Option(
        name: [.short, .long], help: .init("Write the report to this file, not to stdout.", valueName: "file"),
        completion: .file())
    var output: String?

    @Option(
        help: .init("Mode of a new output file or recording: 0644 (default 0600).", valueName: "mode"), transform: Parse.mode)
    var outputMode: UInt32?

    @Option(
        help:
            "What the width of a folded stack stands for: misses (the flow), or boundaries (the boundaries and gaps that stand now)."
    )
    var weight: Weight?

    @Option(
        help: .init("End with exit status 3 if this condition holds, as in 'missed.pgoff>0'.", valueName: "condition"),
        transform: Parse.condition)
    var failOn: Condition?

    @Option(
        help:
            "The proposal whose rules decide what would have merged: \(Proposals.table.map(\.slug).joined(separator: ", ")) (text, html). Also counts the present pages of what is larger than 128 MiB.",
        completion: .list(Proposals.table.map(\.slug)), transform: Parse.proposal)
    var whatIf: Int?

    mutating func validate() throws {
        if weight != nil, name != "folded" { throw ValidationError("--weight is for --format folded") }
        if failOn?.comparesTwo == true { throw ValidationError("--fail-on: 'delta.' needs two reports: use vmascope diff") }
        if json, let format, format != "json" { throw ValidationError("--json and --format \(format) contradict each other") }
        guard ReportFormats.names.contains(name) else {
            throw ValidationError("there is no format '\(name)': use \(ReportFormats.names.joined(separator: ", "))")
        }
        if ReportFormats.binary(name) != nil, output == nil, isatty(1) == 1 {
            throw ValidationError("--format \(name) is not for a terminal: write --output FILE")
        }
    }

    private var name: String { json ? "json" : format ?? guess ?? "text" }
    private var guess: String? { FileFormat.named(by: output).flatMap { ReportFormats.names.contains($0) ? $0 : nil } }

    var settings: OutputSettings {
        OutputSettings(
            format: name, path: output, mode: outputMode, weight: weight, failOn: failOn, whatIf: whatIf)
    }
}

extension Weight: ExpressibleByArgument {}

struct ObservationOptions: ParsableArguments {
    @Option(
        name: [.short, .long], help: .init("Stop after this time: 10s, 5m, 1h.", valueName: "time"), transform: Parse.duration)
    var duration: Double?

    @Option(help: "Where to learn of merge attempts: auto (hooks where they load, else tracepoints), hooks, tracepoints.")
    var source: SourceChoice = .auto

    @Flag(help: "Do not record call stacks.")
    var noStacks = false

    @Flag(help: "Find stacks by frame pointers, which most programs do not have, instead of unwinding copies of stacks.")
    var noCopies = false

    @Flag(help: "Say at which line of which file each frame is, where debug information tells.")
    var lines = false

    @Flag(help: "Fetch debug files that are not here from the servers that DEBUGINFOD_URLS names, by debuginfod-find.")
    var debuginfod = false

    @Option(
        help: .init("Record all events in this file, for `vmascope report`.", valueName: "file"),
        completion: .file(extensions: ["vmt"]))
    var record: String?

    @OptionGroup var output: OutputOptions

    var settings: ObservationSettings {
        ObservationSettings(
            duration: duration, source: source, wantsStacks: !noStacks, copiesStacks: !noCopies, wantsLines: lines,
            fetchesDebugFiles: debuginfod, record: record, output: output.settings)
    }
}

import ArgumentParser
import VMACore
import VMAProbe
import VMAServe
import VMASession

struct SystemCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "system",
        abstract: "Observe every process, within a CPU budget.",
        discussion: """
            A live table on a terminal, plain lines where it is piped, one JSON object an interval with --format \
            ndjson. Ctrl-C ends it, and prints the report of the whole. docs/system.md says more.

            EXAMPLES
              vmascope system                                  # a live table
              vmascope system --listen 127.0.0.1:9464          # metrics for Prometheus
              vmascope system --format ndjson -d 1m            # an object each 5 s
              vmascope system --cgroup /system.slice --top 5
            """)

    @OptionGroup var options: SystemOptions

    func run() throws {
        try Target.requireHostProcessIDs()
        try SystemObservation(options.settings).run()
    }
}

struct SystemOptions: ParsableArguments {
    @Option(
        name: [.short, .long], help: .init("Stop after this time: 10s, 5m, 1h.", valueName: "time"), transform: Parse.duration)
    var duration: Double?

    @Option(
        help: .init("How often the VMAs of all processes are counted, and figures given: 1s, 5m.", valueName: "time"),
        transform: Parse.interval)
    var interval = 5.0

    @Option(help: .init("How many processes are listed; the others are added up.", valueName: "count"), transform: Parse.top)
    var top = 20

    @Option(help: .init("Only processes in this cgroup, or below it.", valueName: "path"), transform: Parse.cgroup)
    var cgroup: String?

    @Option(help: .init("Only processes whose comm matches this pattern: 'redis*'.", valueName: "pattern"))
    var comm: String?

    @Option(help: "Only processes of this user, by number.", transform: Parse.uid)
    var uid: UInt32?

    @Option(
        help: .init("Warn, once, of each process that reaches this part of the limit of VMAs: 80%.", valueName: "percent"),
        transform: Parse.limitShare)
    var warnAt = 0.8

    @Option(
        help: .init("Processor time that vmascope may take, as a part of one processor: 1%, 0.5%.", valueName: "percent"),
        transform: Parse.budget)
    var budget = 0.01

    @Option(
        help: "Record and judge one in this many write sections of the mmap_lock: a number, or auto (by the budget).",
        transform: Parse.sample)
    var sample = SampleChoice.auto

    @Option(help: "Where to learn of merge attempts: auto (hooks where they load, else tracepoints), hooks, tracepoints.")
    var source: SourceChoice = .auto

    @Option(
        help:
            "Format: text, json (the report at the end), ndjson (an object an interval); without it the ending of --output decides."
    )
    var format: SystemFormat?

    @Flag(help: "Short for --format json.")
    var json = false

    @Option(
        name: [.short, .long], help: .init("Write the report, or the objects, to this file, not to stdout.", valueName: "file"),
        completion: .file())
    var output: String?

    @Option(help: .init("Mode of a new output file: 0644 (default 0600).", valueName: "mode"), transform: Parse.mode)
    var outputMode: UInt32?

    @Option(
        help: .init("Serve metrics to Prometheus at this address: 127.0.0.1:9464.", valueName: "address"),
        transform: Parse.endpoint)
    var listen: Endpoint?

    @Option(
        help: .init("Write vmascope.prom into this folder at each interval, for node_exporter.", valueName: "folder"),
        completion: .directory)
    var textfile: String?

    @Option(
        help: .init(
            "Record each process that comes near the limit of VMAs into this directory, for a while.", valueName: "folder"),
        completion: .directory)
    var capture: String?

    @Option(
        help: .init("How long a process is recorded (default 30s).", valueName: "time"), transform: Parse.captureTime)
    var captureFor: Double?

    @Option(
        help: .init(
            "Record processes that will reach the limit of VMAs within this time (default 1h).", valueName: "time"),
        transform: Parse.duration)
    var captureWithin: Double?

    @Option(
        help: .init("How many recordings are kept in the directory (default 20).", valueName: "count"),
        transform: Parse.captureCount)
    var captureMax: Int?

    // What `attach` and `run` have, too.
    @Flag(help: .hidden) var children = false
    @Flag(help: .hidden) var noStacks = false
    @Option(help: .hidden) var record: String?

    mutating func validate() throws {
        if record != nil { throw ValidationError("--record is for attach and run: system records only a sample") }
        if json, let format, format != .json {
            throw ValidationError("--json and --format \(format.rawValue) contradict each other")
        }
        if capture == nil, let option = captureOption {
            throw ValidationError("\(option) says how --capture FOLDER works: write that, too")
        }
        if comm?.isEmpty == true { throw ValidationError("--comm is empty: write a pattern like 'redis*'") }
    }

    private var captureOption: String? {
        captureFor != nil
            ? "--capture-for" : captureWithin != nil ? "--capture-within" : captureMax != nil ? "--capture-max" : nil
    }

    var settings: SystemSettings {
        var settings = SystemSettings()
        settings.duration = duration
        settings.interval = interval
        settings.top = top
        settings.filter = ProcessFilter(cgroup: cgroup, command: comm.map { Pattern($0).matches }, uid: uid)
        settings.warnAt = warnAt
        settings.budget = budget
        settings.sample = sample
        settings.source = source
        settings.format = json ? .json : format ?? FileFormat.named(by: output).flatMap(SystemFormat.init) ?? .text
        settings.output = output
        settings.outputMode = outputMode
        settings.listen = listen
        settings.textfile = textfile
        settings.capture = capture.map { folder in
            var capture = CaptureSettings(folder: folder)
            capture.seconds = captureFor ?? capture.seconds
            capture.within = captureWithin ?? capture.within
            capture.most = captureMax ?? capture.most
            return capture
        }
        return settings
    }
}

extension SystemFormat: ExpressibleByArgument {}

extension Parse {
    /// A share of something: `80%`, above 0.
    private static func share(_ text: String, upTo most: Double, _ example: String) throws -> Double {
        guard text.last == "%", let percent = Double(text.dropLast()), percent > 0, percent <= most else {
            throw ValidationError("write a percentage above 0 and at most \(Int(most))%, like \(example)")
        }
        return percent / 100
    }

    @Sendable static func limitShare(_ text: String) throws -> Double { try share(text, upTo: 100, "80%") }
    @Sendable static func budget(_ text: String) throws -> Double { try share(text, upTo: 100, "1%") }

    @Sendable static func interval(_ text: String) throws -> Double {
        let seconds = try duration(text)
        guard seconds >= 0.1, seconds <= 86_400 else { throw ValidationError("write 0.1s to 24h, like 5s") }
        return seconds
    }

    @Sendable static func captureTime(_ text: String) throws -> Double {
        let seconds = try duration(text)
        guard seconds >= 1, seconds <= 3600 else { throw ValidationError("write 1s to 1h, like 30s") }
        return seconds
    }

    @Sendable static func captureCount(_ text: String) throws -> Int {
        guard let count = Int(text), (1 ... 1000).contains(count) else {
            throw ValidationError("write a number from 1 to 1000")
        }
        return count
    }

    @Sendable static func top(_ text: String) throws -> Int {
        guard let count = Int(text), (1 ... 100_000).contains(count) else {
            throw ValidationError("write a number from 1 to 100000")
        }
        return count
    }

    @Sendable static func cgroup(_ text: String) throws -> String {
        guard text.first == "/" else {
            throw ValidationError("write a path in the hierarchy, as in /proc/PID/cgroup: /system.slice/nginx.service")
        }
        return text
    }

    @Sendable static func uid(_ text: String) throws -> UInt32 {
        guard let uid = UInt32(text) else { throw ValidationError("write a number, as `id -u NAME` prints it") }
        return uid
    }

    @Sendable static func sample(_ text: String) throws -> SampleChoice {
        if text == "auto" { return .auto }
        guard let count = Int(text), (1 ... 1_000_000).contains(count) else {
            throw ValidationError("write auto, or a number from 1 to 1000000")
        }
        return .oneIn(count)
    }

    @Sendable static func endpoint(_ text: String) throws -> Endpoint {
        guard let endpoint = Endpoint(text) else {
            throw ValidationError("write an address and a port, like 127.0.0.1:9464 or [::1]:9464")
        }
        return endpoint
    }
}

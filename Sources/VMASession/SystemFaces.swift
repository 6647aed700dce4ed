import CSystem
import Glibc
import VMACore
import VMAReport
import VMAServe

/// All faces of `system`: a screen or lines, JSON objects, metrics over HTTP, a file of metrics.
final class SystemFaces {
    private let options: SystemSettings
    private let host: SystemHost
    private let screen: Screen?
    private let text: SystemText
    /// The descriptor that lines and objects go to, and its name.
    private var stream: (fd: Int32, name: String)?
    private let server: MetricsServer?
    private let textfile: Textfile?
    /// Warnings that wait, since they would be written across the screen.
    private var held: [String] = []
    private static let heldLimit = 100
    private var nearLimit = WarningRate("have come near the limit of VMAs since the last count")
    private var refusals = WarningRate("were refused calls for the first time since the last count")
    /// When counting paused last, in nanoseconds of CLOCK_MONOTONIC.
    private var pauseWarned: UInt64?
    private static let pauseRest: UInt64 = 600_000_000_000
    /// Which processes have series of their own.
    private var series: SeriesBudget
    /// The number of disagreements that have been printed.
    private var disagreementCount = 0

    init(_ options: SystemSettings, _ host: SystemHost) throws {
        self.options = options
        self.host = host
        text = SystemText(colour: Console.wantsColour)
        series = SeriesBudget(top: options.top)
        server = try options.listen.map(Self.listen)
        textfile = try options.textfile.map(Textfile.init)
        screen = options.format == .text ? Screen(host, text) : nil
        if options.format == .ndjson {
            stream = try Self.stream(options.output, mode: options.outputMode)
        } else if options.format == .text, options.output == nil, screen == nil, server == nil, textfile == nil {
            // With metrics no lines are printed.
            stream = (1, "stdout")
        }
    }

    private static func listen(_ endpoint: Endpoint) throws -> MetricsServer {
        do {
            let server = try MetricsServer(endpoint)
            Console.warn("metrics at http://\(server.endpoint.text)/metrics")
            if !endpoint.isLoopback {
                Console.warn(
                    "warning: \(server.endpoint.text) is not on the loopback: whoever can reach it can read names of processes")
            }
            return server
        } catch {
            let reason = String(cString: strerror(error.code))
            if error.code == EACCES {
                let advice = "missing CAP_NET_BIND_SERVICE: use a port from 1024 on"
                throw Failure(message: "--listen \(endpoint.text): \(reason); \(advice)", status: 77)
            }
            throw Failure.output("--listen \(endpoint.text): \(reason)")
        }
    }

    /// Objects are written when they are made, so a file grows and is not replaced.
    private static func stream(_ path: String?, mode: mode_t?) throws -> (Int32, String) {
        guard let path else {
            _ = try Output(nil)  // or says that stdout is closed
            return (1, "stdout")
        }
        let fd = try Output.open(path, mode: mode ?? Output.ownMode)
        ftruncate(fd, 0)  // a device has nothing to cut off
        return (fd, path)
    }

    // MARK: an interval

    func show(_ interval: SystemInterval) throws {
        let now = Clock.now
        if server != nil || textfile != nil {
            series.update(interval, top: options.top)
            let page = SystemMetrics.render(host, interval, time: Double(time(nil)), top: options.top, series)
            server?.text = page
            textfile?.write(page)
        }
        try screen?.show(interval)
        warn(interval.flowSinceStart)
        for line in [nearLimit.end(), refusals.end()] { line.map(warn) }
        warnOfPause(interval)
        // The first count begins the first interval, and is none itself.
        guard let stream, interval.number > 0 else { return }
        let lines =
            options.format == .ndjson
            ? SystemJSON.interval(host, interval, time: now, top: options.top)
            : text.lines(host, interval, time: now, top: options.top)
        try Console.write(stream.fd, lines, to: stream.name)
    }

    /// Prints one line each time that a process comes near the limit.
    func warn(_ process: ProcessStock, _ limit: Int?) {
        if nearLimit.allows(process.share) { warn(text.warning(process, limit)) }
    }

    /// Prints one line for each process, operation and reason.
    ///
    /// - Parameter isStrained: the kernel's answers are not read now, to keep to the budget.
    func warn(refused rows: [Refused], isStrained: Bool = false) {
        if let line = text.warning(refused: rows, isStrained: isStrained), refusals.allows(rows.first?.user) { warn(line) }
    }

    /// Prints a line when counting pauses, and no other for as long as it does so in each interval, nor for ten minutes.
    private func warnOfPause(_ interval: SystemInterval) {
        guard let line = text.warning(paused: interval) else { return }
        defer { pauseWarned = interval.time }
        if pauseWarned.map({ interval.time > $0 + Self.pauseRest }) ?? true { warn(line) }
    }

    /// Prints each disagreement once: somebody who reads metrics sees no other words.
    private func warn(_ flow: Flow?) {
        guard let all = flow?.disagreements else { return }
        for disagreement in all.dropFirst(disagreementCount) { warn(text.warning(disagreement)) }
        disagreementCount = all.count
    }

    func warn(_ what: String) { say("warning: \(what)") }

    /// Prints a line, as soon as it would not be written across the screen.
    func say(_ line: String) {
        guard screen != nil, Console.isInteractive else { return Console.warn(line) }
        if held.count < Self.heldLimit { held.append(line) }
    }

    // MARK: whoever talks to us

    var polled: [pollfd] { (screen?.polled ?? []) + (server?.polled ?? []) }
    var isBusy: Bool { server?.isBusy ?? false }
    /// Nanoseconds after which `serve` is to be called, where clients would have it called more often; nil: no matter.
    var rest: UInt64? {
        server?.restsUntil.map { UInt64(max(0, $0 - Double(vms_monotonic_ns()) / 1e9) * 1e9) }
    }
    /// Processor time spent on serving, in seconds.
    var servingSeconds: Double { server?.cpuSeconds ?? 0 }

    func resize() throws { try screen?.draw() }

    /// Returns true if the user wants to end.
    func serve() throws -> Bool {
        server?.serve(at: Double(vms_monotonic_ns()) / 1e9)
        return try screen?.obeyKeys() ?? false
    }

    func close() {
        screen?.close()
        held.forEach(Console.warn)
        held = []
    }
}

/// The file vmascope.prom, as node_exporter's textfile collector reads it. A failure to write it is reported once,
/// until it can be written again.
private final class Textfile {
    private let path: String
    /// The folder is opened anew each time: its name counts, and not a folder that was moved away.
    private let folder: String
    private var hasFailed = false
    private static let name = "vmascope.prom"
    /// node_exporter runs as another user, and what it publishes is no secret.
    private static let mode: mode_t = 0o644

    init(_ folder: String) throws {
        var status = stat()
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure.output("--textfile \(folder): not a directory")
        }
        path = folder + (folder.last == "/" ? "" : "/") + Self.name
        self.folder = folder
        try Folder(folder, for: path).check(path)
    }

    func write(_ text: String) {
        do {
            try Folder(folder, for: path).replace(Self.name, text, mode: Self.mode, durably: true, path: path)
            if hasFailed { Console.warn("\(path) can be written again") }
            hasFailed = false
        } catch {
            if !hasFailed { Console.warn("warning: \((error as? Failure)?.message ?? "\(error)")") }
            hasFailed = true
        }
    }
}

import CSystem
import Glibc
import VMACore
import VMAProbe
import VMAReport

/// One live observation from start to report: the loop that drains, resolves, audits.
final class Observation {
    private let options: ObservationOptions
    private let kernel = Kernel()
    private let probe: Probe
    private let observer: Observer
    private let stacks = StackTable()
    private let signals: Int32
    private let started = Clock.now
    private let startTime = vms_monotonic_ns()
    private var endTime: UInt64?
    private var progress = Progress()

    /// How often the ring is emptied: it holds seconds of the busiest process.
    private static let drainInterval: Int32 = 10  // ms
    private static let auditInterval: UInt64 = 2_000_000_000
    private static let auditTries = 20

    init(_ options: ObservationOptions, followsChildren: Bool) throws {
        self.options = options
        try Console.check(path: options.output.output)
        let choices = Probe.Options(followsChildren: followsChildren, wantsStacks: !options.noStacks)
        probe = try Self.open(options.source, kernel, choices)
        observer = Observer(judge: Judge(try Calibration.model(kernel)), isHooked: probe.source == .hooks)
        signals = vms_signal_fd()
        guard signals >= 0 else { throw ProbeError.failed("signalfd: \(String(cString: strerror(-signals)))") }
    }

    /// Hooks where they load, else tracepoints; the choice is printed.
    private static func open(_ choice: SourceChoice, _ kernel: Kernel, _ options: Probe.Options) throws -> Probe {
        switch choice {
        case .hooks: return try Probe(.hooks, kernel, options)
        case .tracepoints: return try Probe(.tracepoints, kernel, options)
        case .auto:
            do {
                let probe = try Probe(.hooks, kernel, options)
                Console.warn("source: hooks")
                return probe
            } catch {
                let probe = try Probe(.tracepoints, kernel, options)
                Console.warn("source: tracepoints (\(error.message))")
                return probe
            }
        }
    }

    // MARK: what to observe

    /// Until the process exits, the time is over or a signal comes.
    func attach(_ pid: Int32) throws {
        let end = vms_pidfd_open(pid)
        guard end >= 0 else { throw ProbeError.notFound("there is no process \(pid)") }
        defer { close(end) }
        let mm = try probe.track(pid)
        // Events that come from now on are applied on top of the snapshot.
        guard let snapshot = try probe.snapshot(pid) else {
            throw ProbeError.notFound("process \(pid) has exited")
        }
        observer.adopt(mm: mm, tgid: UInt32(pid), command: Target.command(pid))
        observer.resync(mm: mm, snapshot.vmas)
        try loop(until: end) { false }
    }

    /// Returns the command's exit status, 128 + n for a signal.
    func run(_ arguments: [String]) throws -> Int32 {
        let command = try Command(arguments)
        let pid = command.pid
        try probe.expect(UInt32(pid))
        try command.release()
        var status: Int32?
        try loop(until: nil) {
            var code: Int32 = 0
            if waitpid(pid, &code, WNOHANG) == pid {
                status = code & 0x7f == 0 ? (code >> 8) & 0xff : 128 + code & 0x7f
            }
            return status != nil
        }
        // Interrupted, or the time is over: the command goes on without us.
        return status ?? 0
    }

    // MARK: the loop

    private func loop(until end: Int32?, _ isOver: () -> Bool) throws {
        let deadline = options.duration.map { startTime + UInt64($0 * 1e9) }
        var nextAudit = startTime + Self.auditInterval
        var polled = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        if let end { polled.append(pollfd(fd: end, events: Int16(POLLIN), revents: 0)) }
        var interval = Self.drainInterval

        while true {
            poll(&polled, nfds_t(polled.count), interval)
            let over = isOver() || polled.count > 1 && polled[1].revents != 0
            let stopped = wasStopped()
            let isEmpty = try drain()
            interval = isEmpty ? Self.drainInterval : 0
            let now = vms_monotonic_ns()
            progress.show(observer, seconds: Double(now - startTime) / 1e9)
            if over || stopped || deadline.map({ now >= $0 }) ?? false { break }
            if now >= nextAudit {
                for image in observer.images where !image.hasExited { try audit(image, tries: 1) }
                nextAudit = vms_monotonic_ns() + Self.auditInterval
            }
        }
        for image in observer.images where !image.hasExited { try audit(image, tries: Self.auditTries) }
        endTime = vms_monotonic_ns()
        try probe.finish(observer.apply)
        if !options.noStacks { stacks.resolve(observer, probe) }
        progress.clear()
    }

    private func wasStopped() -> Bool {
        var stopped = false
        while case let signal = vms_next_signal(signals), signal != 0 {
            if signal == SIGINT || signal == SIGTERM { stopped = true }
        }
        return stopped
    }

    /// Returns false if there is more.
    @discardableResult
    private func drain() throws -> Bool {
        let isEmpty = probe.drain(observer.apply)
        if !options.noStacks { stacks.resolve(observer, probe) }
        // Not before the ring is empty: what was lost lies behind what is in it.
        for mm in observer.stale where isEmpty {
            guard let image = observer.image(mm), let snapshot = try read(image) else { continue }
            observer.resync(mm: mm, snapshot)
        }
        return isEmpty
    }

    /// The VMAs of an image as they stand, or nil if it has gone.
    private func read(_ image: Image) throws -> [VMA]? {
        do {
            guard image.tgid > 0, let found = try probe.snapshot(Int32(image.tgid)), found.mm == image.mm else { return nil }
            return found.vmas
        } catch ProbeError.notFound {
            return nil
        }
    }

    /// Compares with the kernel at a moment at which the process was quiet before and after. A
    /// difference is believed when it has been seen at each of several such moments.
    private func audit(_ image: Image, tries: Int) throws {
        for attempt in 1...tries {
            while try !drain() {}
            let changes = image.changes
            guard let kernel = try read(image) else { return }
            while try !drain() {}
            let wasQuiet = image.changes == changes && !image.hasExited
            if wasQuiet, observer.isEqual(mm: image.mm, kernel) || attempt == tries && tries > 1 {
                return observer.check(mm: image.mm, kernel)
            }
            if attempt < tries { usleep(2000) }
        }
    }

    // MARK: the report

    func report() throws {
        try LayoutDump.write(observer)
        if let damage = probe.damage { Console.warn("a record could not be read: \(damage)") }
        let host = Report.Host(
            kernel: kernel.release, source: probe.source.rawValue, mergeRules: observer.judge.model.name)
        let report = Report(
            observer, version: Vmascope.version, host: host, started: started, startTime: startTime,
            seconds: Double((endTime ?? vms_monotonic_ns()) - startTime) / 1e9, limit: Kernel.mapLimit,
            stack: { self.stacks[$0, $1] })
        // The text report has them inside.
        if options.output.name != "text" { (report.disagreements + report.audit.differences).forEach(Console.warn) }
        var text = ""
        let toTerminal = options.output.output == nil && Console.wantsColour
        ReportFormats.named(options.output.name, colour: toTerminal)!.render(report, into: &text)
        try Console.emit(text, path: options.output.output)
    }
}

/// A line of figures on a terminal, rewritten in place; nothing where stderr is no terminal.
struct Progress {
    private var shownAt = 0.0
    private static let interval = 0.5

    mutating func show(_ observer: Observer, seconds: Double) {
        guard Console.isInteractive, seconds - shownAt >= Self.interval else { return }
        shownAt = seconds
        var tally = Tally()
        var vmas = 0
        for image in observer.images {
            tally.add(image.tally)
            if !image.hasExited { vmas += image.layout.count }
        }
        let time = "\(Int(seconds)).\(Int(seconds * 10) % 10) s"
        let line = "\(time)  \(vmas) VMAs  \(tally.attempts) merge attempts, \(tally.missed) missed"
        try? Console.write(2, "\r\u{1b}[K\(line)", to: "stderr")
    }

    func clear() {
        if Console.isInteractive, shownAt > 0 { try? Console.write(2, "\r\u{1b}[K", to: "stderr") }
    }
}

enum Clock {
    /// The time of day in UTC, ISO 8601.
    static var now: String {
        var time = time(nil)
        var parts = tm()
        gmtime_r(&time, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

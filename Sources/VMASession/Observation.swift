import CSystem
import Glibc
import VMACore
import VMAProbe
import VMATrace

/// One live observation from start to report: the loop that drains, resolves, audits.
package final class Observation {
    private let options: ObservationSettings
    private let output: Output
    private let recorder: Recorder?
    private let signals: Int32
    private let kernel: Kernel
    private let probe: Probe
    /// What a recording holds of the whole, and a report says of it.
    private let header: TraceHeader
    private let observer: Observer
    private let stacks: StackTable
    private var listening: Listening
    private let startTime: UInt64
    private var endTime: UInt64?
    /// When to stop at the latest, and what a signal leaves of that time.
    private var deadline = UInt64.max
    private var grace: UInt64 = 0
    /// A signal has asked for the end.
    private var wasStopped = false
    /// The round of forgetting that everybody knows of (`Observer.kept`).
    private var keptRound = 0
    /// Only with `attach`: with `run` the terminal is the command's.
    private var progress: Progress?

    /// How often the ring is emptied: it holds seconds of the busiest process.
    private static let drainInterval: Int32 = 10  // ms
    private static let drainRounds = 4
    private static let auditInterval = Tuning.auditInterval ?? 2_000_000_000
    /// Audits read whole layouts: at most a part of the time that is this many times as long.
    private static let auditShare: UInt64 = 20
    private static let auditTries = (periodic: 3, final: 20)
    private static let auditPause: UInt32 = 2000  // µs
    private static let believedDifferences = 3
    private static let execTries = 100
    /// For the comparison in the end.
    private static let finalAuditTime: UInt64 = 2_000_000_000
    /// For stacks that wait to be unwound then.
    private static let finalStackTime: UInt64 = 5_000_000_000
    /// Who has asked for the end by a signal has it within a second.
    private static let finalTimeAfterSignal: UInt64 = 250_000_000
    /// Ctrl-C reaches the command, too, and a final audit may come upon one: time for both to end.
    private static let signalGrace: UInt64 = 200_000_000

    package init(_ options: ObservationSettings, followsChildren: Bool) throws {
        self.options = options
        output = try Output(options.output.path, mode: options.output.mode)
        recorder = try options.record.map { try Recorder($0, mode: options.output.mode, notInto: options.output.path) }
        // From here on a signal ends in a report.
        signals = vms_signal_fd(false)
        guard signals >= 0 else { throw ProbeError.failed("signalfd: \(String(cString: strerror(-signals)))") }
        // Before anything is opened that they have no business with.
        stacks = StackTable(
            StackTable.Options(
                wantsNames: options.wantsStacks, wantsLines: options.wantsLines, checksCode: !options.copiesStacks),
            fetching: options.fetchesDebugFiles && options.wantsStacks ? try Self.fetcher() : nil)
        kernel = Kernel()
        var choices = Probe.Options(
            followsChildren: followsChildren, wantsStacks: options.wantsStacks, copiesStacks: options.copiesStacks,
            ringBytes: Tuning.ringBytes)
        choices.checksPaths = Tuning.checksPaths
        choices.countsAllPages = options.output.asksWhatIf
        probe = try Self.open(options.source, kernel, choices)
        if probe.source == .hooks, let problem = kernel.symbolsProblem {
            Console.warn("warning: \(problem) (--source tracepoints does without)")
        }
        var model = try Calibration.model(kernel)
        model.flagNames = probe.flagNames()
        // Attaching takes seconds where probes are slow: that is not a part of the observation.
        let started = Clock.now
        startTime = vms_monotonic_ns()
        header = TraceHeader(
            toolVersion: Version.number, kernel: kernel.release, source: probe.source.rawValue,
            model: model, isHooked: probe.source == .hooks,
            waits: probe.source == .tracepoints, started: started, startTime: startTime, mapLimit: Kernel.mapLimit,
            hasStacks: options.wantsStacks)
        listening = Listening(start: startTime)
        try probe.setMapLimit(header.mapLimit)
        kernel.releaseTypes()
        observer = Findings.observer(header, for: options.output.format)
        probe.unwind(with: observer)
        recorder?.begin(header)
    }

    private static func fetcher() throws -> DebugFetcher {
        do {
            return try DebugFetcher()
        } catch {
            let (why, status): (String, Int32) =
                switch error {
                case .noServers:
                    (
                        "DEBUGINFOD_URLS is not set: set it to the address of your distribution's server (sudo keeps it with --preserve-env=DEBUGINFOD_URLS)",
                        64
                    )
                case .noProgram:
                    (
                        "there is no debuginfod-find: install debuginfod (Debian, Ubuntu) or elfutils-debuginfod-client (Fedora, RHEL)",
                        66
                    )
                case .noUser:
                    (
                        "debuginfod-find runs as an ordinary user only, and to become one takes CAP_SETUID and CAP_SETGID: give vmascope these, or run it as that user",
                        77
                    )
                case .noPlace:
                    ("no directory can be made in /var/cache for what is fetched: \(String(cString: strerror(errno)))", 74)
                }
            throw Failure(message: "--debuginfod: \(why)", status: status)
        }
    }

    /// Hooks where they load, else tracepoints; the choice is printed.
    private static func open(_ choice: SourceChoice, _ kernel: Kernel, _ options: Probe.Options) throws -> Probe {
        switch choice {
        case .hooks: return try Probe.prepare(.hooks, kernel, options)
        case .tracepoints: return try Probe.prepare(.tracepoints, kernel, options)
        case .auto:
            let reason: ProbeError
            do {
                let probe = try Probe.prepare(.hooks, kernel, options)
                Console.warn("source: hooks")
                return probe
            } catch {
                reason = error
            }
            do {
                let probe = try Probe.prepare(.tracepoints, kernel, options)
                Console.warn("source: tracepoints (\(reason.message))")
                return probe
            } catch ProbeError.unsupported(let message) {
                throw ProbeError.unsupported("\(reason.message); \(message)")
            }
        }
    }

    // MARK: what to observe

    /// Until the process exits, the time is over or a signal comes.
    package func attach(_ pid: Int32) throws {
        let end = vms_pidfd_open(pid)
        guard end >= 0 else { throw ProbeError.notFound("there is no process \(pid)") }
        defer { close(end) }
        let (mm, snapshot) = try adopt(pid)
        let time = vms_monotonic_ns()
        let command = Target.command(pid)
        feed(.adopted(mm, tgid: UInt32(pid), command: command))
        if let age = Target.age(pid) { feed(.aged(mm, age)) }
        feed(.snapshot(mm, snapshot.vmas, asOf: time))
        probe.openCode(snapshot.vmas, pid)
        Console.warn("observing \(command)[\(pid)]")
        progress = Progress()
        try loop(until: end) { false }
    }

    /// Tracks a process and reads its layout. Events that come from now on are applied on top of that.
    private func adopt(_ pid: Int32) throws -> (MMID, (mm: MMID, vmas: [VMA], isQuiet: Bool)) {
        for _ in 1 ... Self.execTries {
            let mm = try probe.track(pid)
            guard let snapshot = try probe.snapshot(pid) else { throw ProbeError.notFound("process \(pid) has exited") }
            // It may have executed another program in between.
            if snapshot.mm == mm { return (mm, snapshot) }
        }
        throw ProbeError.failed("process \(pid) calls exec again and again: it can't be attached to")
    }

    /// Returns the command's exit status, 128 + n for a signal.
    package func run(_ arguments: [UnsafeMutablePointer<CChar>]) throws -> Int32 {
        // It has not begun, and nobody would stop it.
        if let signal = stopSignal() { return 128 + signal }
        grace = Self.signalGrace
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
        // What fills the ring must not keep us from emptying it. The command has been started by now.
        vms_run_first()
        if let duration = options.duration { deadline = vms_monotonic_ns() + UInt64(duration * 1e9) }
        var nextAudit = startTime + Self.auditInterval
        var polled = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
        if let end { polled.append(pollfd(fd: end, events: Int16(POLLIN), revents: 0)) }
        var interval = Self.drainInterval

        while true {
            poll(&polled, nfds_t(polled.count), interval)
            let over = isOver() || polled.count > 1 && polled[1].revents != 0
            let isEmpty = try drain()
            probe.listen(listening.isWanted(vms_monotonic_ns()))
            interval = isEmpty ? Self.drainInterval : 0
            let now = vms_monotonic_ns()
            progress?.show(observer, seconds: Double(now - startTime) / 1e9)
            if over || isTimeUp() { break }
            if now >= nextAudit {
                try probe.setMapLimit(Kernel.mapLimit)  // somebody may raise it
                try audit(tries: Self.auditTries.periodic)
                let end = vms_monotonic_ns()
                nextAudit = end + max(Self.auditInterval, Self.auditShare * (end - now))
            }
        }
        let final = wasStopped ? Self.finalTimeAfterSignal : Self.finalAuditTime
        deadline = vms_monotonic_ns() + final
        probe.stackDeadline = min(probe.stackDeadline, vms_monotonic_ns() + (wasStopped ? final : Self.finalStackTime))
        grace = Self.signalGrace
        try audit(tries: Self.auditTries.final)
        endTime = vms_monotonic_ns()
        try probe.finish(feed)
        feed(.settled)
        if probe.unknownStacks > 0 {
            Console.warn("\(probe.unknownStacks) call stacks were not copied, to keep room for events: they show as …")
        }
        if probe.lateStacks > 0 {
            let why = probe.unwindProblem.map { "were not unwound, as \($0)" } ?? "took too long to unwind"
            Console.warn("\(probe.lateStacks) call stacks \(why): they show as …")
        }
        if Tuning.tellsCopies { Console.warn("copies: \(probe.copiesText ?? "none")") }
        if options.wantsStacks { for image in observer.images { observer.wantStacks(of: image) } }
        resolve(observer.takeRequests().stacks)
        finishStacks()
        progress?.clear()
    }

    /// Names may come late, or never: who has asked us to end is not kept waiting for them.
    private func finishStacks() {
        guard options.wantsStacks else { return }
        let start = vms_monotonic_ns()
        var end = start + StackTable.finalTime
        if wasStopped { end = start + StackTable.finalTimeAfterSignal }
        // Who has asked servers for debug files waits for these after a first signal, too.
        var fetchEnd = start + StackTable.fetchTime
        stacks.finish(
            {
                let now = vms_monotonic_ns()
                if stopSignal() != nil {
                    end = min(end, now + StackTable.finalTimeAfterSignal)
                    fetchEnd = now
                } else if stacks.isFetching, now < fetchEnd {
                    end = max(end, now + StackTable.finalTime)
                }
                return end
            }, feed)
        stacks.warnings.forEach { Console.warn("warning: \($0)") }
    }

    /// Everything that the report is made of goes through here, in this order.
    private func feed(_ event: Event) {
        stacks.note(event)
        listening.note(event)
        recorder?.append(event)
        observer.apply(event)
    }

    private func resolve(_ wanted: [(image: Image, stack: StackID)]) {
        if options.wantsStacks { stacks.resolve(wanted, observer, { probe.identity($0) }, feed) }
    }

    private func isTimeUp() -> Bool {
        let now = vms_monotonic_ns()
        if stopSignal() != nil {
            wasStopped = true
            deadline = min(deadline, now + grace)
            probe.stackDeadline = min(probe.stackDeadline, now + Self.finalTimeAfterSignal)
        }
        return now >= deadline
    }

    private func stopSignal() -> Int32? {
        var stop: Int32?
        while case let signal = vms_next_signal(signals), signal != 0 {
            if signal == SIGINT || signal == SIGTERM { stop = signal }
        }
        return stop
    }

    /// Returns false if there is more.
    @discardableResult
    private func drain() throws -> Bool {
        probe.countSkippedRuns(feed)
        let before = observer.takeRequests()
        if before.settling { feed(.settled) }
        let isEmpty = probe.drain(feed)
        let requests = observer.takeRequests()
        resolve(before.stacks + requests.stacks)
        // What has gone is let go of when its frames are known, or when there is too much of it.
        if requests.release, !LayoutDump.isWanted, requests.isReleaseDue || !stacks.isWaiting { feed(.released) }
        // A record that is still in the ring may name what is forgotten, which then has no path: so only where there is
        // none, unless a process keeps the ring from ever being empty.
        if isEmpty ? probe.isCrowded || observer.kept.round != keptRound : probe.isOvercrowded {
            // What was forgotten while events came in may have come back since.
            observer.forgetUnused()
            let kept = observer.kept
            keptRound = kept.round
            probe.keep(kept)
            stacks.keepFiles(kept.has(file:))
        }
        recorder?.flush(vms_monotonic_ns())
        // Not before the ring is empty: what was lost lies behind what is in it.
        for mm in requests.stale where isEmpty {
            guard let image = observer.image(mm), let snapshot = try read(image) else { continue }
            feed(.snapshot(mm, snapshot.vmas, asOf: vms_monotonic_ns()))
        }
        return isEmpty
    }

    /// The VMAs of an image as they stand, or nil if it has gone.
    private func read(_ image: Image) throws -> (vmas: [VMA], isQuiet: Bool)? {
        do {
            guard image.tgid > 0, let found = try probe.snapshot(Int32(image.tgid)), found.mm == image.mm else { return nil }
            return (found.vmas, found.isQuiet)
        } catch ProbeError.notFound, ProbeError.failed {
            // It has gone, or does not let itself be read now.
            return nil
        }
    }

    /// Whether the ring could be emptied: processes may fill it faster than that.
    private func settle() throws -> Bool {
        for _ in 1 ... Self.drainRounds {
            if try drain() {
                try probe.countLostRecords(feed)
                return true
            }
            if isTimeUp() { break }
        }
        return false
    }

    private func audit(tries: Int) throws {
        for image in observer.images where !image.hasExited && !isTimeUp() { try audit(image, tries: tries) }
    }

    /// Compares with the kernel at moments at which nothing happened before and after. Equal once
    /// is equal; a difference is believed when all of several such moments have shown one.
    private func audit(_ image: Image, tries: Int) throws {
        var different = 0
        var last: (changes: Int, kernel: [VMA]) = (0, [])
        for attempt in 1 ... tries {
            if attempt > 1 { usleep(Self.auditPause) }
            if attempt > 1, isTimeUp() { break }
            guard try settle() else { continue }
            let changes = image.changes
            guard let kernel = try read(image) else { return }
            // No rows: the process holds its lock.
            guard try settle(), image.changes == changes, kernel.isQuiet, !kernel.vmas.isEmpty,
                !observer.stale.contains(image.mm)
            else { continue }
            if observer.matches(mm: image.mm, kernel.vmas) { return feed(.compared(image.mm, kernel.vmas)) }
            different += 1
            last = (changes, kernel.vmas)
        }
        if different >= Self.believedDifferences, image.changes == last.changes {
            feed(.compared(image.mm, last.kernel))
        }
    }

    // MARK: the report

    package func report() throws {
        try LayoutDump.write(observer)
        let end = TraceEnd(time: endTime ?? vms_monotonic_ns(), damage: probe.damage)
        recorder?.finish(end)
        let findings = Findings(header: header, observer: observer, end: end)
        try findings.write(options.output, to: output)
        try recorder?.demandWhole()
        try findings.demandNot(options.output.failOn)
    }
}

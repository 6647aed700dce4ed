import CSystem
import Glibc
import VMACore
import VMAProbe
import VMAReport

/// One `vmascope system` from start to report: the loop that counts, sweeps, and shows.
package final class SystemObservation {
    private let options: SystemSettings
    private let output: Output?
    private let signals: Int32
    private let kernel: Kernel
    private let probe: Probe
    private let system: SystemProbe
    /// The watch over sections; nil where they can't be counted.
    private let flow: FlowWatch?
    private let host: SystemHost
    private let faces: SystemFaces
    private var stock = Stock()
    private var watch: LimitWatch
    private var sweeps = SweepBudget<ProcessStock>()
    private var containers = ContainerNames()
    private let captures: Captures?

    /// The time (nanoseconds of CLOCK_MONOTONIC) and vmascope's processor time when the loop and the last interval
    /// began.
    private var startTime: UInt64 = 0
    private var startUsage = 0.0
    private var intervalTime: UInt64 = 0
    private var intervalUsage = 0.0
    private var number = 0
    /// Seconds from one interval to the next.
    private var pace = 0.0

    package init(_ options: SystemSettings) throws {
        self.options = options
        output = options.format == .ndjson ? nil : try Output(options.output, mode: options.outputMode)
        captures = try options.capture.map(Captures.init)
        // From here on a signal ends in a report.
        signals = vms_signal_fd(true)
        guard signals >= 0 else { throw ProbeError.failed("signalfd: \(String(cString: strerror(-signals)))") }
        watch = LimitWatch(share: options.warnAt)
        kernel = Kernel()
        let model = try Calibration.model(kernel)
        let judge = Judge(model)
        (probe, flow) = try Self.open(options, kernel, judge)
        system = SystemProbe(probe, judge)
        host = SystemHost(
            version: Version.number, kernel: kernel.release, source: flow == nil ? nil : probe.source.rawValue,
            mergeRules: model.name, stock: system.counter,
            started: Clock.now)
        faces = try SystemFaces(options, host)
        kernel.releaseTypes()
    }

    private static func open(_ kernel: Kernel) throws -> Probe {
        do {
            return try Probe(snapshotOn: kernel, countsProcesses: true)
        } catch ProbeError.failed(let reason) {
            let probe = try Probe(snapshotOn: kernel)
            Console.warn("VMAs are counted by reading /proc/PID/maps: \(reason)")
            return probe
        }
    }

    /// Attempts are counted where they can be hooked. Where sections can't be counted the stock can, still.
    private static func open(_ options: SystemSettings, _ kernel: Kernel, _ judge: Judge) throws -> (Probe, FlowWatch?) {
        func watch(_ source: Source) throws -> (Probe, FlowWatch?) {
            let ringBytes = Tuning.ringBytes ?? FlowWatch.ringBytes(options.sample)
            return try AttachRefusals.settle { refused throws(ProbeError) in
                let probe = try Probe(everyoneOn: kernel, source, ringBytes: ringBytes, without: refused)
                return (
                    probe,
                    try FlowWatch(probe, judge, options.sample, budget: options.budget, isFiltered: !options.filter.isOpen)
                )
            }
        }
        switch options.source {
        case .hooks: return try watch(.hooks)
        case .tracepoints: return try watch(.tracepoints)
        case .auto:
            if let hooked = try? watch(.hooks) { return hooked }
            do {
                return try watch(.tracepoints)
            } catch ProbeError.unsupported(let reason) {
                Console.warn("merges are not counted: \(reason)")
                return (try open(kernel), nil)
            }
        }
    }

    /// The parts of the budget that sweeps may take at most, and that counting and recording may take.
    private static let sweepShare = 1.0 / 3
    /// Of sweeps where somebody's sections use up the budget: that others' sections and refused calls are seen comes first.
    private static let strainedSweepShare = 1.0 / 10
    private static let countShare = 2.0 / 3
    /// How long to wait between slices of sweeps, and while a connection may time out.
    private static let sliceInterval: UInt64 = 50_000_000
    private static let idleInterval: UInt64 = 1_000_000_000

    package func run() throws {
        startTime = vms_monotonic_ns()
        startUsage = SystemProbe.cpuSecondsOfAll
        (intervalTime, intervalUsage) = (startTime, startUsage)
        let deadline = options.duration.map { startTime &+ UInt64($0 * 1e9) } ?? .max
        var last = try take()
        var next = startTime + UInt64(pace * 1e9)
        do {
            while true {
                let hasEnded = try wait(until: min(next, deadline))
                let now = vms_monotonic_ns()
                let isLast = hasEnded || now >= deadline
                guard isLast || now >= next else { continue }
                if isLast { captures?.stop() }
                if isLast { try flow?.finish(isHurried: hasEnded) }
                last = try take(isLast: isLast)
                if isLast { break }
                // After a suspension there is nothing to catch up with.
                let step = UInt64(pace * 1e9)
                next = max(next + step, now + step / 2)
            }
        } catch {
            faces.close()
            throw error
        }
        faces.close()
        try report(last)
    }

    /// Sweeps, serves, and reads signals and keys. Returns true if the observation is to end.
    private func wait(until time: UInt64) throws -> Bool {
        let now = vms_monotonic_ns()
        var slice = sweeps.hasWork ? Self.sliceInterval : faces.isBusy ? Self.idleInterval : .max
        if let flow { slice = min(slice, flow.hasMore ? 0 : flow.step) }
        let due = time > now ? now + min(slice, time - now) : now
        // A negative descriptor is passed over.
        let own = ([signals] + (flow?.alarms ?? [-1, -1, -1, -1])).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var polled: [pollfd] = []
        var ends = false
        // Clients are served, and nothing else is done for them: a turn of the loop is charged to the budget.
        repeat {
            polled = own + faces.polled
            let now = vms_monotonic_ns()
            let pause = min(due > now ? due - now : 0, faces.rest ?? .max)
            poll(&polled, nfds_t(polled.count), Int32(min((pause + 999_999) / 1_000_000, 3_600_000)))
            if try faces.serve() { ends = true }
            flow?.exempt = faces.servingSeconds
        } while !ends && polled.prefix(own.count).allSatisfy { $0.revents == 0 } && vms_monotonic_ns() < due
        if polled[1].revents != 0 { flow?.wake() }
        if polled[2 ... 4].contains(where: { $0.revents != 0 }) { flow?.refusals.advance() }
        while case let signal = vms_next_signal(signals), signal != 0 {
            if signal == SIGINT || signal == SIGTERM { ends = true }
            if signal == SIGWINCH { try faces.resize() }
        }
        captures?.advance(vms_monotonic_ns()).forEach(faces.say)
        sweeps.slice(cost: { SystemProbe.cpuSeconds }) { process in
            if let sums = try? system.sweep(process) { stock.note(sums, of: process.key) }
        }
        if let flow {
            try flow.advance(vms_monotonic_ns())
            warnOfRefusals(vms_monotonic_ns())
        } else {
            probe.discard()
        }
        return ends
    }

    /// When it happens, not at the end of an interval.
    private func warnOfRefusals(_ now: UInt64? = nil) {
        for rows in flow?.refusals.takeNew(now) ?? [] { faces.warn(refused: rows, isStrained: flow?.isStrained ?? false) }
        for warning in probe.maps?.takeWarnings(isLast: now == nil) ?? [] { faces.warn(warning) }
    }

    // MARK: an interval

    private func take(isLast: Bool = false) throws -> SystemInterval {
        let before = SystemProbe.cpuSeconds
        var found = try system.processes(within: options.budget * Self.countShare * options.interval) {
            flow?.drain(endsInterval: true)
        }
        containers.name(&found)
        let filter = options.filter
        let limit = Kernel.mapLimit  // somebody may raise it
        if flow != nil { try probe.setMapLimit(limit) }
        let now = vms_monotonic_ns()
        stock.update(found.filter(filter.matches), at: now, suspended: Clock.suspended)
        let processes = stock.processes
        flow?.refusals.see(processes)
        let crossed = watch.update(processes, limit: limit)
        let flows = try flow?.endInterval(processes, of: found, now)
        // The budget does not count the processes that find names: they have bounds of their own.
        let cpuSeconds = SystemProbe.cpuSecondsOfAll
        let programs = flow?.programSeconds
        let cost = cpuSeconds + (programs ?? 0)
        let seconds = Double(now - intervalTime) / 1e9
        let own = Own(
            cpuSeconds: cpuSeconds, bpfSeconds: programs,
            share: seconds > 0 ? (cost - intervalUsage) / seconds : 0, budget: options.budget,
            residentBytes: SystemProbe.residentBytes)
        if isLast { captures?.finish().forEach(faces.say) }
        var interval = SystemInterval(
            number: number, time: now, seconds: seconds, limit: limit, processes: processes, flow: flows?.interval,
            flowSinceStart: flows?.sinceStart, own: own,
            warnings: watch.crossings, warned: watch.near, refused: flow?.refusals.rows)
        (intervalTime, intervalUsage) = (now, cost)
        number += 1
        if let captures {
            if !isLast, let line = captures.begin(interval, since: startTime) { faces.say(line) }
            interval.captures = (captures.all, captures.counts)
        }
        for process in crossed { faces.warn(process, limit) }
        warnOfRefusals(isLast ? nil : now)
        try faces.show(interval)
        let order = stock.sweepOrder(at: now, limit: limit, flow: flows?.interval)
        // Where counting would exceed the budget, it is done less often.
        let counting = SystemProbe.cpuSeconds - before
        pace = max(options.interval, counting / (options.budget * Self.countShare))
        let share = flow?.isStrained ?? false ? Self.strainedSweepShare : Self.sweepShare
        sweeps.refill(options.budget * pace * share, order)
        return interval
    }

    private func report(_ last: SystemInterval) throws {
        guard let output else { return }
        var last = last
        let seconds = Double(last.time - startTime) / 1e9
        // The mean over the whole time, without the time that loading the programs took.
        last.own.share = seconds > 0 ? (last.own.cpuSeconds + (last.own.bpfSeconds ?? 0) - startUsage) / seconds : 0
        let report = SystemReport(host, last, stock, seconds: seconds, top: options.top)
        let toTerminal = options.output == nil && Console.wantsColour
        try output.write(
            options.format == .json ? SystemJSON.report(report) : SystemText(colour: toTerminal).report(report))
    }
}

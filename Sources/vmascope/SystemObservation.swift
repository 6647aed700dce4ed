import CSystem
import Glibc
import VMACore
import VMAProbe
import VMAReport

/// One `vmascope system` from start to report: the loop that counts, sweeps, and shows.
final class SystemObservation {
    private let options: SystemOptions
    private let output: Output?
    private let signals: Int32
    private let kernel: Kernel
    private let probe: Probe
    private let system: SystemProbe
    private let host: SystemHost
    private let faces: SystemFaces
    private var stock = Stock()
    private var watch: LimitWatch
    private var sweeps = SweepBudget()

    /// CLOCK_MONOTONIC nanoseconds, and our processor time, when the loop began and the last interval did.
    private var startTime: UInt64 = 0
    private var startUsage = 0.0
    private var intervalTime: UInt64 = 0
    private var intervalUsage = 0.0
    private var number = 0
    /// Seconds from one interval to the next.
    private var pace = 0.0

    init(_ options: SystemOptions) throws {
        self.options = options
        output = options.chosenFormat == .ndjson ? nil : try Output(options.output)
        // From here on a signal ends in a report.
        signals = vms_signal_fd(true)
        guard signals >= 0 else { throw ProbeError.failed("signalfd: \(String(cString: strerror(-signals)))") }
        watch = LimitWatch(share: options.warnAt)
        kernel = Kernel()
        let model = try Calibration.model(kernel)
        probe = try Self.open(kernel)
        system = SystemProbe(probe, Judge(model))
        host = SystemHost(
            version: Vmascope.version, kernel: kernel.release, source: nil, mergeRules: model.name, stock: system.counter,
            started: Clock.now)
        faces = try SystemFaces(options, host)
    }

    private static func open(_ kernel: Kernel) throws -> Probe {
        do {
            return try Probe(snapshotOn: kernel, countsProcesses: true)
        } catch ProbeError.failed(let reason) {
            let probe = try Probe(snapshotOn: kernel)
            Console.warn("VMAs are counted in /proc: \(reason)")
            return probe
        }
    }

    /// Of the budget, what sweeps may take at most, and what counting and telling may.
    private static let sweepShare = 1.0 / 3
    private static let countShare = 2.0 / 3
    /// Between slices of sweeps, and when somebody's connection may have to end.
    private static let sliceInterval: UInt64 = 50_000_000
    private static let idleInterval: UInt64 = 1_000_000_000

    func run() throws {
        startTime = vms_monotonic_ns()
        startUsage = SystemProbe.usage.cpuSeconds
        (intervalTime, intervalUsage) = (startTime, startUsage)
        let deadline = options.duration.map { startTime &+ UInt64($0 * 1e9) } ?? .max
        var last = try take()
        var next = startTime + UInt64(pace * 1e9)
        do {
            while true {
                let hasEnded = try wait(until: min(next, deadline))
                let now = vms_monotonic_ns()
                guard hasEnded || now >= min(next, deadline) else { continue }
                last = try take()
                if hasEnded || now >= deadline { break }
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

    /// Sweeps, serves and listens to signals and keys. Returns true if it is to end.
    private func wait(until time: UInt64) throws -> Bool {
        let now = vms_monotonic_ns()
        let slice = sweeps.hasWork ? Self.sliceInterval : faces.isBusy ? Self.idleInterval : .max
        let pause = time > now ? min(slice, time - now) : 0
        var polled = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)] + faces.polled
        poll(&polled, nfds_t(polled.count), Int32(min((pause + 999_999) / 1_000_000, 3_600_000)))
        var ends = false
        while case let signal = vms_next_signal(signals), signal != 0 {
            if signal == SIGINT || signal == SIGTERM { ends = true }
            if signal == SIGWINCH { try faces.resize() }
        }
        if try faces.serve() { ends = true }
        sweeps.slice(&stock, system)
        probe.discard()
        return ends
    }

    // MARK: an interval

    private func take() throws -> SystemInterval {
        let before = SystemProbe.usage.cpuSeconds
        let found = try system.processes(within: options.budget * Self.countShare * options.interval)
        let filter = options.filter
        let limit = Kernel.mapLimit  // somebody may raise it
        let now = vms_monotonic_ns()
        stock.update(found.filter(filter.matches), at: now)
        let processes = stock.processes
        let crossed = watch.update(processes, limit: limit)
        let usage = SystemProbe.usage
        let seconds = Double(now - intervalTime) / 1e9
        let own = Own(
            cpuSeconds: usage.cpuSeconds, bpfSeconds: nil,
            share: seconds > 0 ? (usage.cpuSeconds - intervalUsage) / seconds : 0, budget: options.budget,
            residentBytes: usage.residentBytes)
        let interval = SystemInterval(
            number: number, time: now, seconds: seconds, limit: limit, processes: processes, own: own,
            warnings: watch.crossings, warned: watch.near)
        (intervalTime, intervalUsage) = (now, usage.cpuSeconds)
        number += 1
        for process in crossed { faces.warn(process, limit) }
        try faces.show(interval)
        let order = stock.sweepOrder(at: now, limit: limit)
        // Where there is so much to count that the budget would not do, it is done less often.
        let cost = SystemProbe.usage.cpuSeconds - before
        pace = max(options.interval, cost / (options.budget * Self.countShare))
        sweeps.refill(options.budget * pace * Self.sweepShare, order)
        return interval
    }

    private func report(_ last: SystemInterval) throws {
        guard let output else { return }
        var last = last
        let seconds = Double(last.time - startTime) / 1e9
        // Of the whole, what it took to load the programs left out.
        last.own.share = seconds > 0 ? (last.own.cpuSeconds - startUsage) / seconds : 0
        let report = SystemReport(host, last, stock, seconds: seconds, top: options.top)
        let toTerminal = options.output == nil && Console.wantsColour
        try output.write(
            options.chosenFormat == .json ? SystemJSON.report(report) : SystemText(colour: toTerminal).report(report))
    }
}

/// Looks at layouts within a share of one processor, a little at a time: nobody's lock is held for
/// longer than one reading takes, and the loop goes on in between.
struct SweepBudget {
    /// Seconds of processor time that may be spent; below 0 after a large layout, until that is made
    /// up for.
    private var credit = 0.0
    private var queue: ArraySlice<ProcessStock> = []

    private static let sliceTime = 0.003

    var hasWork: Bool { !queue.isEmpty && credit > 0 }

    /// What is not spent is gone: there is no saving up for a burst.
    mutating func refill(_ seconds: Double, _ order: [ProcessStock]) {
        credit = max(0, seconds) + min(credit, 0)
        queue = order[...]
    }

    mutating func slice(_ stock: inout Stock, _ system: SystemProbe) {
        guard hasWork else { return }
        let start = SystemProbe.usage.cpuSeconds
        var used = 0.0
        while used < min(credit, Self.sliceTime), let process = queue.popFirst() {
            if let sums = try? system.sweep(process) { stock.note(sums, of: process.key) }
            used = SystemProbe.usage.cpuSeconds - start
        }
        credit -= used
    }
}

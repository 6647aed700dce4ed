import VMACore

@testable import VMAReport

/// A system of a few processes, with merge attempts or without.
enum SystemSample {
    static let host = SystemHost(
        version: "0.0", kernel: "6.1", source: "hooks", mergeRules: "hole:prev", stock: "iter/task",
        started: "2026-01-01T00:00:00Z")

    static func process(_ pid: UInt32, _ vmas: Int, _ command: String = "redis", boundaries: Int? = nil) -> ProcessStock {
        var process = ProcessStock(
            key: ProcessKey(pid: pid, started: UInt64(pid)), mm: pid, command: command, namespacePID: pid == 7 ? 1 : nil,
            uid: 5, threads: 2, cgroup: pid % 2 == 0 ? "/system.slice/\(command)" : nil, vmas: vmas, countedAt: 9_000_000_000)
        process.boundaries = boundaries.map { total in
            var sums = BoundarySums(vmas: total + 1, takenAt: 4_000_000_000)
            (sums.total, sums.blockedBy, sums.recoverable) = (total, [.pgoff: total - 1], total - 2)
            return sums
        }
        return process
    }

    static let processes = [
        process(7, 5000, boundaries: 4000), process(8, 300), process(9, 200, boundaries: 100), process(10, 100),
    ]

    static var sums: Flow.Sums {
        var sums = Flow.Sums()
        sums.counts = [Flow.Count(.mmap, .same): 900, Flow.Count(.mmap, .more): 90, Flow.Count(.brk, .fewer): 10]
        sums.attempts = Estimate(700, low: 650, high: 760)
        sums.merged = Estimate(500, low: 450, high: 560)
        sums.missed = Estimate(120, low: 100, high: 140)
        sums.recoverable = Estimate(40, low: 30, high: 50)
        sums.missedBy = [
            Flow.Miss(.mmap, .pgoff): Estimate(80, low: 60, high: 100), Flow.Miss(.mmap, .flags): Estimate(40, low: 0, high: 90),
        ]
        return sums
    }

    static var flow: Flow {
        var flow = Flow()
        flow.total = sums
        flow.processes = [ProcessKey(pid: 7, started: 7): sums]
        (flow.sampleOneIn, flow.received, flow.lost, flow.checked, flow.agreed) = (1 ... 10, 500, 3, 100, 99)
        return flow
    }

    static func interval(_ flow: Flow? = nil, _ processes: [ProcessStock] = processes) -> SystemInterval {
        SystemInterval(
            number: 3, time: 10_000_000_000, seconds: 2, limit: 65_530, processes: processes, flow: flow, flowSinceStart: flow,
            own: Own(cpuSeconds: 1.5, bpfSeconds: flow == nil ? nil : 0.25, share: 0.0042, budget: 0.01, residentBytes: 12 << 20),
            warnings: 2, warned: [ProcessKey(pid: 7, started: 7)])
    }

    static func report(_ flow: Flow? = nil, _ processes: [ProcessStock] = processes, top: Int = 2) -> SystemReport {
        var stock = Stock()
        stock.update(processes + [process(99, 40, "gone")], at: 1)
        stock.update(processes, at: 2)
        return SystemReport(host, interval(flow, processes), stock, seconds: 6, top: top)
    }
}

import VMACore

/// The facts that hold for a whole run of `vmascope system`.
public struct SystemHost: Sendable {
    /// The version of the vmascope that observes.
    public var version: String
    /// The kernel's release.
    public var kernel: String
    /// `hooks` or `tracepoints`; nil where merge attempts are not counted.
    public var source: String?
    /// The kernel's merge rules in words (`KernelModel.name`).
    public var mergeRules: String
    /// Where the counts of VMAs come from: `iter/task` or `/proc`.
    public var stock: String
    /// The start in ISO 8601.
    public var started: String

    /// The facts of a run. `source` is nil where merge attempts are not counted, `stock` is `iter/task` or `/proc`, and
    /// `started` is in ISO 8601.
    public init(version: String, kernel: String, source: String?, mergeRules: String, stock: String, started: String) {
        self.version = version
        self.kernel = kernel
        self.source = source
        self.mergeRules = mergeRules
        self.stock = stock
        self.started = started
    }
}

/// The sums over all intervals.
public struct SystemReport: Sendable {
    /// Where it was observed.
    public var host: SystemHost
    /// The length in seconds.
    public var seconds: Double
    /// The last interval, which has the sums since the start, too.
    public var last: SystemInterval
    /// The listed processes: living ones, most VMAs first, and then the largest that have exited.
    public var processes: [ProcessStock]
    /// The sums over living processes that are not listed.
    public var others: SystemOthers
    /// How many processes were seen, living ones included.
    public var seenCount: Int
    /// How many of them have exited.
    public var exitedCount: Int

    /// - Parameters:
    ///   - host: the machine.
    ///   - last: the last interval.
    ///   - stock: what is known of all processes, those that have exited included.
    ///   - seconds: how long the window is.
    ///   - top: how many processes are listed, of each kind.
    public init(_ host: SystemHost, _ last: SystemInterval, _ stock: Stock, seconds: Double, top: Int) {
        self.host = host
        self.seconds = seconds
        self.last = last
        processes = Array(last.processes.prefix(top)) + stock.exited.prefix(top)
        others = SystemOthers(last.processes.dropFirst(top))
        seenCount = stock.seenCount
        exitedCount = stock.exitedCount
    }
}

/// The sums over processes that are not listed one by one.
public struct SystemOthers: Sendable {
    /// How many processes they are.
    public var count = 0
    /// The sum of their VMAs.
    public var vmas = 0
    /// The boundaries of those that were swept; nil if none was.
    public var boundaries: BoundarySums?

    /// The sums over `processes`; no boundaries where none of them was swept.
    public init(_ processes: some Sequence<ProcessStock>) {
        for process in processes {
            count += 1
            vmas += process.vmas
            guard let sums = process.boundaries else { continue }
            boundaries?.add(sums)
            boundaries = boundaries ?? sums
        }
    }
}

extension SystemInterval {
    /// The processes near the limit that are listed although others are larger: of one user, and all together. So
    /// nobody's large processes hide another's that is about to be refused.
    private static let (nearOfUser, nearOfAll) = (5, 100)

    /// The `top` largest processes and those that are near the limit, largest first, and all others.
    func listed(_ top: Int) -> (listed: [ProcessStock], others: [ProcessStock]) {
        var listed = Array(processes.prefix(top))
        var others: [ProcessStock] = []
        var near: [UInt32: Int] = [:]
        for process in processes.dropFirst(top) {
            if warned.contains(process.key), listed.count < top + Self.nearOfAll, near[process.uid, default: 0] < Self.nearOfUser
            {
                near[process.uid, default: 0] += 1
                listed.append(process)
            } else {
                others.append(process)
            }
        }
        return (listed, others)
    }

    /// The sums over all processes that the filter lets through.
    var whole: SystemOthers { SystemOthers(processes) }
    var sweptCount: Int { processes.count { $0.boundaries != nil } }

    /// The number of refused calls of each process that was refused any; nil where refusals are not seen.
    var refusedByProcess: [UInt32: Int]? {
        refused.map { rows in rows.reduce(into: [:]) { $0[$1.pid, default: 0] += $1.count } }
    }
}

extension Flow {
    /// All attempts; nil where some were not counted.
    func wholeCount(_ sums: Sums?) -> Attempts? {
        watched == 1 && sampled == 1 && unseen == 0 && sums?.skipped == 0 ? sums?.allHooked : nil
    }
}

extension Own {
    /// `0.42% of a CPU (budget 1%), 12 MB`
    var text: String {
        let memory = residentBytes.map { ", \(($0 >> 20).grouped) MB" } ?? ""
        return "\(Self.percent(share)) of a CPU (budget \(Self.percent(budget)))\(memory)"
    }

    static func percent(_ share: Double) -> String {
        guard share.isFinite, abs(share) < 1e6 else { return "?" }
        let hundredths = Int((share * 10_000).rounded())
        let fraction = hundredths % 100
        if fraction == 0 { return "\(hundredths / 100)%" }
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)%"
    }
}

import VMACore

/// The column that the table of `vmascope system` is sorted by.
public enum SystemSort: String, CaseIterable, Sendable {
    case vmas, growth, time, boundaries, recoverable, misses, pid, comm

    /// The key that selects it, the first letter of its name.
    public var key: Character { rawValue.first! }

    /// The order that a key selects, or nil.
    public static func of(_ key: Character) -> SystemSort? { allCases.first { $0.key == key } }

    /// Largest first, or for names and times smallest first; unknown values come last.
    public func sorted(_ interval: SystemInterval) -> [ProcessStock] {
        func by(_ value: (ProcessStock) -> Double?) -> [ProcessStock] {
            let ranked = interval.processes.enumerated().map { (value($0.element) ?? -.infinity, $0.offset, $0.element) }
            return ranked.sorted { ($1.0, $0.1) < ($0.0, $1.1) }.map(\.2)
        }
        return switch self {
        case .vmas: by { Double($0.vmas) }
        case .growth: by { $0.trend?.perMinute }
        case .time: by { $0.secondsToLimit(interval.limit).map { -$0 } }
        case .boundaries: by { $0.boundaries.map { Double($0.total) } }
        case .recoverable: by { $0.boundaries.map { Double($0.recoverable) } }
        case .misses: by { interval.flow?.processes[$0.key]?.missed?.value }
        case .pid: by { -Double($0.pid) }
        case .comm: interval.processes.sorted { ($0.command, $0.pid) < ($1.command, $1.pid) }
        }
    }
}

/// Processes in columns, as many as there is room for: for a terminal, for piped lines, and for the report.
struct SystemTable {
    private struct Column {
        var head: String
        var isRight: Bool
        /// Columns with the highest number are left out first when there is no room.
        var expendable: Int
        var widest = Int.max
        var cell: (ProcessStock) -> String
    }

    let interval: SystemInterval
    let style: TextStyle
    var sort = SystemSort.vmas
    var width = Fit.width
    /// The report also lists processes that have exited.
    var showsPeaks = false

    /// The table's lines: the head, and one line for each process.
    func lines(_ processes: [ProcessStock]) -> [String] {
        var columns = self.columns
        // Columns that are empty for all processes are left out.
        var cells = columns.map { column in processes.map { Fit.middle(column.cell($0), column.widest) } }
        func keep(_ isKept: (Int) -> Bool) {
            let kept = columns.indices.filter(isKept)
            (columns, cells) = (kept.map { columns[$0] }, kept.map { cells[$0] })
        }
        keep { index in columns[index].expendable == 0 || processes.isEmpty || cells[index].contains { $0 != "–" } }
        func widths() -> [Int] {
            zip(columns, cells).map { column, cells in max(column.head.columns, cells.map(\.columns).max() ?? 0) }
        }
        func isTooWide() -> Bool { widths().dropLast().reduce(0) { $0 + $1 + 2 } + Self.least > width }
        while isTooWide(), let worst = columns.indices.dropLast().max(by: { columns[$0].expendable < columns[$1].expendable }),
            columns[worst].expendable > 0
        { keep { $0 != worst } }
        var table = TextTable(columns.map(\.head), right: Set(columns.indices.filter { columns[$0].isRight }), width: width)
        for row in processes.indices { table.add(cells.map { $0[row] }) }
        return table.lines
    }

    /// The least width of the last column.
    private static let least = 30

    private var columns: [Column] {
        var columns = [
            Column(head: "pid", isRight: true, expendable: 0) { $0.pidText },
            Column(head: "comm", isRight: false, expendable: 0, widest: 16) { Fit.printable($0.command) },
            Column(head: "cgroup", isRight: false, expendable: 4, widest: max(16, width / 5)) {
                ($0.container?.path ?? $0.cgroup).map(Fit.printable) ?? "–"
            },
            Column(head: "VMAs", isRight: true, expendable: 0) { $0.hasExited ? "exited" : $0.vmas.grouped },
        ]
        if showsPeaks { columns.append(Column(head: "peak", isRight: true, expendable: 1) { $0.peak.grouped }) }
        columns += [
            Column(head: "limit", isRight: true, expendable: 1) { process in
                interval.limit.map { "\(100 * process.peakOrNow(showsPeaks) / max(1, $0))%" } ?? "–"
            },
            Column(head: "a minute", isRight: true, expendable: 2) { process in
                process.trend.map { "\(Answer.perMinute($0.perMinute).prefix { $0 != " " })" } ?? "–"
            },
            Column(head: "ENOMEM in", isRight: true, expendable: 2) {
                $0.secondsToLimit(interval.limit).map { $0 == 0 ? "now" : Answer.duration($0) } ?? "–"
            },
            Column(head: "misses/s", isRight: true, expendable: 3) { process in
                guard let missed = interval.flow?.processes[process.key]?.missed, interval.seconds > 0 else { return "–" }
                return "\(missed / interval.seconds)"
            },
            Column(head: "recoverable", isRight: true, expendable: 5) { $0.boundaries?.recoverable.grouped ?? "–" },
            Column(head: "between the VMAs", isRight: false, expendable: 0) { between($0) },
        ]
        return columns
    }

    /// `1,203: 800 prot, 300 file, …`, and how long ago that was if it is not of this interval.
    private func between(_ process: ProcessStock) -> String {
        guard let sums = process.boundaries else { return "–" }
        let age = interval.time > sums.takenAt ? Double(interval.time - sums.takenAt) / 1e9 : 0
        let when = age > max(2 * interval.seconds, 1) ? " (\(Answer.duration(age)) ago)" : ""
        let gaps = sums.gaps > 0 ? [sums.gaps.of("gap")] : []
        guard sums.total > 0 else { return "\(gaps.first ?? "nothing touches")\(when)" }
        // The largest counts come first: the end is cut off where there is no room.
        let boundaries = "\(sums.total.grouped)\(when): \(Answer.list(sums.blockedBy, 3))"
        return (sums.gaps > sums.total ? gaps + [boundaries] : [boundaries] + gaps).joined(separator: "; ")
    }
}

extension ProcessStock {
    /// `1234`, or in a pid namespace of its own `1234/7`.
    var pidText: String { namespacePID == pid ? "\(pid)" : "\(pid)/\(namespacePID)" }

    /// `redis-server[1234]`
    var name: String { "\(Fit.middle(Fit.printable(command), 16))[\(pid)]" }

    fileprivate func peakOrNow(_ wantsPeak: Bool) -> Int { wantsPeak ? peak : vmas }
}

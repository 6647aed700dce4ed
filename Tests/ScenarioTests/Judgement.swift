import Foundation

/// What a scenario did, compared with what is written above it.
struct Judgement {
    var scenario: Scenario
    /// One report may hold many programs: the scenario's processes are known by their comm.
    var report: ReportFile
    var comm: String
    var baseline: Int
    /// Layouts at the end: the model's, and the kernel's as `/proc/PID/maps` had it.
    var model: String
    var maps: [(pid: Int, text: String)]

    static let area: Range<UInt64> = 0x2000_0000_0000 ..< 0x2000_4000_0000

    /// What differs, in words; empty if all is as expected.
    var complaints: [String] { scenario.problems + misses + merges + layouts + standing }

    private var processes: [ReportFile.Process] { report.processes.filter { $0.comm == comm } }

    private var misses: [String] {
        let pids = Set(processes.map(\.pid))
        var found: [Scenario.Miss: Int] = [:]
        for miss in report.missed where pids.contains(miss.pid) && isInside(miss) {
            let key = Scenario.Miss(
                operation: miss.op, side: miss.side, blockers: miss.blockers.joined(separator: "+"), detail: miss.detail,
                whatIf: scenario.tellsWhatIf ? miss.what_if : nil)
            found[key, default: 0] += miss.count
        }
        let expected = scenario.misses(report.host.merge_rules)
        return Set(found.keys).union(expected.keys).sorted().compactMap { miss in
            let (found, expected) = (found[miss] ?? 0, expected[miss] ?? 0)
            return found == expected ? nil : "missed \(miss): \(found), expected \(expected)"
        }
    }

    private func isInside(_ miss: ReportFile.Miss) -> Bool {
        switch scenario.area {
        case .fixed: Self.area.contains(miss.example.proposed.address)
        case .brk: miss.op == "brk"
        case .any: true
        }
    }

    private var merges: [String] {
        let merged = processes.reduce(0) { $0 + $1.merged } - baseline
        let expected = scenario.merged(report.host.merge_rules)
        return merged >= expected ? [] : ["merged: \(merged), expected \(expected) at least"]
    }

    /// What it left when it was gone, and not what a child of its did.
    private var standing: [String] {
        guard let expected = scenario.standing["gone"] else { return [] }
        let found = processes.map { Stock.of(report, $0.pid) }.max { $0.values.reduce(0, +) < $1.values.reduce(0, +) }
        return found == expected ? [] : ["stands: \(found ?? [:]), expected \(expected)"]
    }

    private var layouts: [String] {
        let pids = Set(processes.map(\.pid))
        let maps = maps.filter { pids.contains($0.pid) }
        if maps.isEmpty { return ["it did not leave its /proc/PID/maps"] }
        return maps.flatMap { pid, text in
            let kernel = Self.lines(text)
            guard let ours = Self.layout(model, pid) else { return ["no layout of process \(pid)"] }
            if ours == kernel { return [String]() }
            let differences = ours.symmetricDifference(kernel).sorted()
            return differences.map { "layout of \(pid): \(ours.contains($0) ? "model" : "/proc/PID/maps") has \($0)" }
        }
    }

    /// The last image of a process in a dump of layouts.
    private static func layout(_ dump: String, _ pid: Int) -> Set<String>? {
        var found: Set<String>?
        var isOurs = false
        for line in dump.split(separator: "\n") {
            if line.hasPrefix("== ") {
                isOurs = line.hasPrefix("== \(pid) ")
                if isOurs { found = [] }
            } else if isOurs {
                found?.insert(String(line))
            }
        }
        return found
    }

    /// Range, protection and offset of each line. The gate page has a line and is no VMA.
    private static func lines(_ maps: String) -> Set<String> {
        Set(
            maps.split(separator: "\n").filter { !$0.contains("[vsyscall]") }.map { line in
                line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true).prefix(3).joined(separator: " ")
            })
    }
}

/// Boundaries of the area that only the kernel's limits keep, as `BLOCKERS WHATIF`, and how many.
enum Stock {
    static func of(_ report: ReportFile, _ pid: Int) -> [String: Int] {
        var counts: [String: Int] = [:]
        for row in report.standing where row.pid == pid && Judgement.area.contains(row.example.left.address) {
            guard let whatIf = row.what_if else { continue }
            counts["\(row.blockers.joined(separator: "+")) \(whatIf)", default: 0] += row.count
        }
        return counts
    }

    static func of(_ layout: LayoutFile) -> [String: Int] {
        var counts: [String: Int] = [:]
        for boundary in layout.boundaries where Judgement.area.contains(layout.vmas[boundary.index].address) {
            guard let whatIf = boundary.what_if else { continue }
            counts["\(boundary.blockers.joined(separator: "+")) \(whatIf)", default: 0] += 1
        }
        return counts
    }
}

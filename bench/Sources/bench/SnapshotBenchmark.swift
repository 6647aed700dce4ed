import Glibc
import VMACore
import VMAProbe

/// Measures how long it takes to read a process's VMAs from outside, as a snapshot and from /proc/PID/maps.
struct SnapshotBenchmark {
    let program: String
    let vmas: Int
    let rounds: Int

    private static let names = ["snapshot", "maps in C", "maps in Swift"]

    func run() throws {
        let probe = try Probe(snapshotOn: Kernel())
        let maps = Maps(most: vmas * 2 + 1000)
        func ways(_ pid: Int32) -> [() -> Int] {
            [
                {
                    guard let found = try? probe.snapshot(pid) else { fail("no snapshot of \(pid)") }
                    probe.discard()  // records with the paths of files, which come the first time
                    return found.vmas.count
                },
                { maps.inC(pid) }, { maps.inSwift(pid).count },
            ]
        }
        print("Reading \(vmas) VMAs, nanoseconds each\n")
        row(["VMAs are"] + Self.names + ["snapshot / C", "snapshot / Swift"])
        row(["---"] + Array(repeating: "---:", count: 5))
        for kind in ["plain", "touched", "files"] {
            let target = Target(program, vmas: vmas, kind: kind)
            let ways = ways(target.pid)
            let counts = ways.map { $0() }
            // Only /proc/PID/maps has [vsyscall].
            guard counts[0] >= vmas, counts.allSatisfy({ abs($0 - counts[0]) <= 1 }) else { fail("they differ: \(counts)") }
            let times = Measure.alternating(rounds: rounds, ways.map { way in { _ = way() } })
                .map { $0 / Double(counts[0]) }
            row([kind] + times.map { "\(Int($0.rounded()))" } + times.dropFirst().map { ratio(times[0], $0) })
        }
        print("\nA busy process of \(vmas) VMAs, read ten times a second: nanoseconds an mmap and munmap\n")
        poll(ways)
    }

    /// Reading another process, just as large, shows what is due to the other processor being busy.
    private func poll(_ ways: (Int32) -> [() -> Int]) {
        let target = Target(program, vmas: vmas, kind: "touched")
        let another = Target(program, vmas: vmas, kind: "touched")
        let looks = [{ 0 }] + ways(target.pid) + ways(another.pid).prefix(2)
        var times = looks.map { _ in [(cpu: Double, wall: Double)]() }
        for _ in 0 ..< rounds {
            for (index, look) in looks.enumerated() {
                times[index].append(target.work(milliseconds: vmas < 10_000 ? 200 : 1000) { _ = look() })
            }
        }
        row(["read as", "processor time", "clock", "speed kept, processor time", "speed kept, clock"])
        row(["---", "---:", "---:", "---:", "---:"])
        let medians = times.map { (median($0.map(\.cpu)), median($0.map(\.wall))) }
        let names = ["(not read)"] + Self.names + Self.names.prefix(2).map { $0 + ", of another" }
        for (name, (cpu, wall)) in zip(names, medians) {
            row([
                name, "\(Int(cpu.rounded()))", "\(Int(wall.rounded()))", ratio(medians[0].0, cpu), ratio(medians[0].1, wall),
            ])
        }
    }

    private func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }

    private func ratio(_ a: Double, _ b: Double) -> String {
        let hundredths = Int((a / b * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
}

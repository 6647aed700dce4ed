import Glibc

/// Numbers that are the same on every machine (SplitMix64).
struct Random {
    var state: UInt64

    mutating func below(_ limit: UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (z ^ (z >> 31)) % limit
    }
}

enum Measure {
    /// Runs the candidates in turn, `rounds` times, and returns the median nanoseconds of each.
    static func alternating(rounds: Int, _ candidates: [() -> Void]) -> [Double] {
        var times = candidates.map { _ in [Double]() }
        for _ in 0 ..< rounds {
            for (index, candidate) in candidates.enumerated() {
                let start = now()
                candidate()
                times[index].append(now() - start)
            }
        }
        return times.map { $0.sorted()[$0.count / 2] }
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }
}

/// A row of a Markdown table.
func row(_ cells: [String]) { print("| " + cells.joined(separator: " | ") + " |") }

/// Says what is wrong, and ends.
func fail(_ what: String) -> Never {
    let line = "bench: \(what)\n"
    write(2, line, line.utf8.count)
    exit(1)
}

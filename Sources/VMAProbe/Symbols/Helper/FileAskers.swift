/// The processes in whose names a file was asked for. Where a process can't lead to its file, another one that has mapped
/// it may: each has one try, and a file a bounded number in a while.
struct FileAskers {
    private var pids: Set<Int32> = []
    private var last: UInt64 = 0
    /// Tries of one file, in the names of all processes, before there is a pause, in nanoseconds. After it the processes may
    /// be others, of the same ids.
    static let limit = 256
    static let pause: UInt64 = 10_000_000_000

    /// Whether the file is asked for once more in this process's name.
    func allows(_ pid: Int32, _ now: UInt64) -> Bool {
        pids.count < Self.limit ? !pids.contains(pid) : now >= last + Self.pause
    }

    mutating func note(_ pid: Int32, _ now: UInt64) {
        if pids.count >= Self.limit {
            guard now >= last + Self.pause else { return }
            pids = []
        }
        pids.insert(pid)
        last = now
    }
}

/// Processes whose files or stacks have delayed or ended one of our processes. Their ids come again, so that all is
/// forgotten after a while.
struct Offences {
    private var known: [Int32: (count: Int, at: UInt64)] = [:]
    private static let limit = 1000
    static let memory: UInt64 = 600_000_000_000

    /// Whether the process is left alone.
    func areTooMany(_ pid: Int32, _ now: UInt64) -> Bool {
        guard let offences = known[pid] else { return false }
        return offences.count >= SymbolLimits.offences && now < offences.at + Self.memory
    }

    mutating func note(_ pid: Int32, _ now: UInt64) {
        if known.count >= Self.limit { known = known.filter { now < $0.value.at + Self.memory } }
        if known.count >= Self.limit { known = [:] }
        let old = known[pid].flatMap { now < $0.at + Self.memory ? $0.count : nil } ?? 0
        known[pid] = (old + 1, now)
    }
}

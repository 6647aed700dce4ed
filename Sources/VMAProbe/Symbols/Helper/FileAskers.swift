/// The processes in whose names a file was asked for. Where a process can't lead to its file, another one that has mapped
/// it may: each has one try, and a file a bounded number.
struct FileAskers {
    private var pids: Set<Int32> = []
    /// Tries of one file, in the names of all processes.
    static let limit = 256

    /// Whether the file is asked for once more in this process's name.
    func allows(_ pid: Int32) -> Bool { pids.count < Self.limit && !pids.contains(pid) }

    mutating func note(_ pid: Int32) {
        if pids.count < Self.limit { pids.insert(pid) }
    }
}

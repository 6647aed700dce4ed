import CLibbpf
import CSystem
import CVMAWire
import Glibc
import VMACore

/// How many VMAs every process has, by the kernel's iterator over tasks: one pass, which looks at no VMA.
struct StockReader {
    static let program = "stock"

    /// Since 5.8, where BPF is compiled in.
    static func exists(_ kernel: Kernel) -> Bool { kernel.hasStruct("bpf_iter__task") }

    let loader: BPFLoader

    /// Each process once, with the kernel's pointer to its address space.
    func read() throws(ProbeError) -> [vme_task] {
        guard let (program, _) = loader.program(Self.program) else { throw .failed("the stock program is not loaded") }
        guard let link = bpf_program__attach_iter(program, nil) else { throw .bpf("attaching the task iterator", errno) }
        defer { bpf_link__destroy(link) }
        let fd = bpf_iter_create(bpf_link__fd(link))
        guard fd >= 0 else { throw .bpf("creating the task iterator", errno) }
        defer { close(fd) }
        var tasks: [vme_task] = []
        var seen: Set<UInt32> = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let size = MemoryLayout<vme_task>.stride
        while true {
            // The kernel ends each read with a whole record.
            let got = Glibc.read(fd, &buffer, buffer.count)
            if got < 0, errno == EINTR || errno == EAGAIN { continue }
            guard got >= 0 else { throw .bpf("reading the task iterator", errno) }
            guard got > 0 else { return tasks }
            buffer.withUnsafeBytes { bytes in
                for offset in stride(from: 0, to: got - size + 1, by: size) {
                    let task = bytes.loadUnaligned(fromByteOffset: offset, as: vme_task.self)
                    if seen.insert(task.tgid).inserted { tasks.append(task) }
                }
            }
        }
    }
}

/// The VMA counts from /proc, where there is no such iterator. Each map is read whole, so this is done for a given
/// time at most, and counts that were not renewed say how old they are. A process that delays the reading is not
/// counted again.
struct ProcStock {
    private let reader = ProcReader()
    private var known: [ProcessKey: ProcessStock] = [:]
    /// `starttime` in /proc/PID/stat.
    private static let tick = UInt64(1_000_000_000 / max(1, sysconf(Int32(_SC_CLK_TCK))))

    mutating func read(within seconds: Double) -> [ProcessStock] {
        var found: [ProcessKey: ProcessStock] = [:]
        for pid in ProcFile.entries("/proc").compactMap({ UInt32($0) }) {
            guard let process = Self.process(pid) else { continue }
            found[process.key] = process
            guard let old = known[process.key], old.countedAt > 0 else { continue }
            (found[process.key]!.vmas, found[process.key]!.countedAt) = (old.vmas, old.countedAt)
        }
        known = found
        let end = vms_monotonic_ns() + UInt64(seconds * 1e9)
        for key in known.values.sorted(by: { ($0.countedAt, $0.pid) < ($1.countedAt, $1.pid) }).map(\.key) {
            let now = vms_monotonic_ns()
            if now >= end { break }
            // A kernel thread has none, and one of somebody else's may be hidden.
            guard case .count(let count?)? = reader.answer(.count, key.pid), count > 0 else {
                continue
            }
            (known[key]!.vmas, known[key]!.countedAt) = (count, now)
        }
        return known.values.filter { $0.countedAt > 0 }
    }

    /// `task->start_boottime`, to a tick.
    static func started(_ pid: UInt32) -> UInt64? { process(pid)?.key.started }

    private static func process(_ pid: UInt32) -> ProcessStock? {
        // The comm may hold anything, so fields are counted from the last parenthesis.
        guard let stat = ProcFile.text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")"),
            let open = stat.firstIndex(of: "(")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", let started = UInt64(fields[19]) else { return nil }
        let ids = ProcFile.status(Int32(pid), "NSpid")?.split(whereSeparator: \.isWhitespace)
        let uids = ProcFile.status(Int32(pid), "Uid")?.split(whereSeparator: \.isWhitespace)
        return ProcessStock(
            key: ProcessKey(pid: pid, started: started * tick), command: String(stat[stat.index(after: open) ..< end]),
            namespacePID: ids?.last.flatMap { UInt32($0) }, uid: uids.flatMap { UInt32($0.count > 1 ? $0[1] : "") } ?? 0,
            namespaceMaker: Target.namespaceMaker(Int32(bitPattern: pid)), threads: Int(fields[17]) ?? 1, vmas: 0, countedAt: 0)
    }
}

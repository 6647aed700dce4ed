import CSystem
import CVMAWire
import Glibc
import VMACore
import VMAWire

/// Reads all processes from outside: how many VMAs each has, and which.
public final class SystemProbe {
    private let probe: Probe
    private let judge: Judge
    private var cgroups = CgroupPaths()
    private var fallback: ProcStock?

    /// - Parameter probe: best a probe that `countsProcesses`; without one /proc is read.
    public init(_ probe: Probe, _ judge: Judge) {
        self.probe = probe
        self.judge = judge
        fallback = probe.countsProcesses ? nil : ProcStock()
    }

    /// What counts VMAs: `iter/task` or `/proc`.
    public var counter: String { fallback == nil ? "iter/task" : "/proc" }

    /// Why the iterator can't be used, for `doctor`; nil if it works.
    public static func counterProblem(_ kernel: Kernel) -> String? {
        guard StockReader.exists(kernel) else { return "this kernel has no BPF iterator over tasks" }
        do throws(ProbeError) {
            _ = try StockReader(loader: try BPFLoader.load([StockReader.program], on: kernel, ringBytes: 4096).loader).read()
            return nil
        } catch {
            return error.message
        }
    }

    /// Every process that has an address space.
    ///
    /// - Parameters:
    ///   - seconds: how long counting may take, where each map has to be read.
    ///   - settle: takes the records that have arrived until processes were counted.
    public func processes(within seconds: Double, _ settle: () -> Void = {}) throws(ProbeError) -> [ProcessStock] {
        if fallback != nil {
            let processes = fallback!.read(within: seconds).map { process in
                var process = process
                process.place(in: cgroups.path(0, of: process.key))
                return process
            }
            cgroups.keep([], Set(processes.map(\.key)))
            return processes
        }
        let tasks = try probe.tasks(settle)
        let now = vms_monotonic_ns()
        let processes = tasks.map { task, mm in
            let key = ProcessKey(pid: task.tgid, started: task.started)
            return ProcessStock(
                key: key, mm: mm,
                command: withUnsafeBytes(of: task.comm) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) },
                namespacePID: task.namespace_pid, uid: task.uid,
                namespaceMaker: task.namespace_maker == .max ? .nobody : .user(task.namespace_maker), threads: Int(task.threads),
                cgroup: cgroups.path(task.cgroup, of: key), vmas: Int(task.map_count), countedAt: now)
        }
        cgroups.keep(Set(tasks.map(\.task.cgroup)), Set(processes.map(\.key)))
        return processes.oneForEachSpace()
    }

    /// The boundaries and gaps of a process; nil if it has exited, or does not release its mmap_lock.
    public func sweep(_ process: ProcessStock) throws(ProbeError) -> BoundarySums? {
        do {
            guard let vmas = try probe.vmas(Int32(process.pid)) else { return nil }
            return BoundarySums(vmas, judge, takenAt: vms_monotonic_ns())
        } catch .notFound, .failed {
            return nil
        }
    }

    /// vmascope's own user and system time so far, in seconds. Cheap, since it is called many times a second.
    public static var cpuSeconds: Double {
        var used = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &used)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(used.ru_utime) + seconds(used.ru_stime)
    }

    /// The same, with that of all processes of ours.
    public static var cpuSecondsOfAll: Double { cpuSeconds + Double(vms_helpers_time()) / 1e9 }

    /// Resident memory in bytes; nil where /proc does not show it.
    public static var residentBytes: UInt64? {
        let pages = ProcFile.text("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }
        return pages.map { $0 * UInt64(sysconf(Int32(_SC_PAGESIZE))) }
    }
}

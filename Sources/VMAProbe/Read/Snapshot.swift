import CLibbpf
import CVMAWire
import Glibc
import VMACore
import VMAWire

/// Reads the VMAs of a running process's address space, by the way that the kernel has for it.
struct SnapshotReader {
    struct Result {
        /// The kernel's pointer to the mm; 0 if the task has no address space.
        var mm: UInt64 = 0
        var vmas: [VMA] = []
        /// Whether nothing changed while they were read.
        var isQuiet = true

        /// They are read in parts, between which VMAs may have grown: a VMA that begins in one that was read already
        /// is left out.
        fileprivate mutating func append(_ rows: UnsafeBufferPointer<vme_row>, _ interners: inout Interners) {
            var end = vmas.last?.end ?? 0
            for row in rows where row.start >= end {
                vmas.append(interners.vma(row))
                end = row.end
            }
        }
    }

    /// - Parameter progress: the address space's count of changes at each reading.
    static func isQuiet(_ progress: Set<UInt64>) -> Bool { progress.count <= 1 && !progress.contains(.max) }

    let loader: BPFLoader
    /// The kernel's iterator waits for a process that holds its mmap_lock for writing, and no signal but SIGKILL ends
    /// that: who does not let itself be read is not iterated.
    private let gate: ProcReader

    init(loader: BPFLoader) {
        self.loader = loader
        gate = ProcReader()
    }

    /// Not by walking, which comes through the ring (`walk`). Throws `.notFound` if there is no task with this id.
    ///
    /// - Parameter patience: milliseconds to wait for a process that holds its lock for writing.
    func read(_ pid: Int32, patience: Int = 1000, _ interners: inout Interners) throws(ProbeError) -> Result {
        // The kernel's iterators take id 0 for all tasks.
        guard pid > 0 else { throw Self.absent(pid) }
        if let (_, fd) = loader.program(Way.Snapshot.kfunc.program) { return try run(fd, pid, patience, &interners) }
        guard let (program, _) = loader.program(Way.Snapshot.iterator.program) else {
            throw .failed("no snapshot program is loaded")
        }
        switch gate.readability(UInt32(pid), patience: patience) {
        case .readable: break
        case .locked: throw .failed("process \(pid) does not release its mmap_lock: its VMAs can't be read")
        case .unknown:
            throw .failed(
                "the VMAs of process \(pid) can't be read: this machine is so busy that, in \(SymbolLimits.procStart / 1_000_000_000) s, "
                    + "nothing has begun to look whether it releases its mmap_lock")
        }
        for _ in 0 ..< Self.execs {
            if let result = try iterate(program, pid, &interners) { return result }
        }
        throw .failed("process \(pid) calls exec again and again: its VMAs can't be read")
    }

    /// A process may change its address space in at most so many readings.
    static let execs = 100

    private func run(
        _ fd: Int32, _ pid: Int32, _ patience: Int, _ interners: inout Interners
    ) throws(ProbeError) -> Result {
        var result = Result()
        let map = try loader.map("snapshot_rows")
        let bytes = Int(VME_SNAPSHOT_ROWS) * MemoryLayout<vme_row>.stride
        guard let array = mmap(nil, bytes, PROT_READ, MAP_SHARED, map, 0), array != MAP_FAILED else {
            throw .bpf("mapping the snapshot array", errno)
        }
        defer { munmap(array, bytes) }
        var request = vme_snapshot()
        request.pid = pid
        // A process that holds its lock for writing can't be read.
        var patience = patience
        var progress: Set<UInt64> = []
        repeat {
            var options = bpf_test_run_opts()
            options.sz = optionsSize(\bpf_test_run_opts.batch_size)
            let code = withUnsafeMutablePointer(to: &request) { request in
                options.ctx_in = UnsafeRawPointer(request)  // and out: written back in place
                options.ctx_size_in = UInt32(MemoryLayout<vme_snapshot>.size)
                return bpf_prog_test_run_opts(fd, &options)
            }
            guard code == 0 else { throw .bpf("running the snapshot program", -code) }
            if request.error == -EBUSY, patience > 0 {
                patience -= 1
                usleep(1000)
                (request.more, request.error) = (1, 0)
                continue
            }
            guard request.error == 0 else {
                if request.error == -ESRCH { throw Self.absent(pid) }
                throw .bpf("reading the VMAs of process \(pid)", -request.error)
            }
            if request.mm != result.mm {
                // After an exec it is another one than that of the parts before.
                guard result.vmas.isEmpty else { return try run(fd, pid, patience, &interners) }
                result.mm = request.mm
                result.vmas.reserveCapacity(Int(request.map_count))
            }
            progress.insert(request.sections)
            let rows = array.assumingMemoryBound(to: vme_row.self)
            result.append(UnsafeBufferPointer(start: rows, count: Int(request.count)), &interners)
        } while request.more != 0
        result.isQuiet = Self.isQuiet(progress)
        return result
    }

    /// Makes the kernel's side send the rows of a task through the ring, from an address on, where the kernel has no
    /// iterator over VMAs. Returns the program's result: the mm, the address to go on from, whether to go on, and how
    /// many records it sent.
    func walk(_ pid: Int32, from: UInt64) throws(ProbeError) -> vme_snapshot {
        guard let (program, _) = loader.program(Way.Snapshot.walk.program) else { throw .failed("no snapshot program is loaded") }
        let request = try ask(pid, from: from, error: -ESRCH)
        guard let link = bpf_program__attach_iter(program, nil) else { throw .bpf("attaching the task iterator", errno) }
        defer { bpf_link__destroy(link) }
        let fd = bpf_iter_create(bpf_link__fd(link))
        guard fd >= 0 else { throw .bpf("creating the task iterator", errno) }
        defer { close(fd) }
        var byte: UInt8 = 0
        while Glibc.read(fd, &byte, 1) < 0, errno == EINTR || errno == EAGAIN {}
        let answer = request.pointee
        guard answer.error != -ESRCH else { throw Self.absent(pid) }
        return answer
    }

    /// Tells the program whose VMAs are wanted, in memory that both share.
    private func ask(_ pid: Int32, from: UInt64, error: Int32) throws(ProbeError) -> UnsafeMutablePointer<vme_snapshot> {
        let memory = try loader.memory(of: "snapshot_request", bytes: MemoryLayout<vme_snapshot>.size)
        let request = memory.assumingMemoryBound(to: vme_snapshot.self)
        var wanted = vme_snapshot()
        (wanted.pid, wanted.from, wanted.error) = (pid, from, error)
        request.pointee = wanted
        return request
    }

    private static func absent(_ pid: Int32) -> ProbeError {
        if kill(pid, 0) == 0 || errno == EPERM { return .forbidden("this kernel hides process \(pid) from BPF") }
        return .notFound("there is no process \(pid)")
    }

    /// Returns nil if the task left its address space meanwhile.
    private func iterate(
        _ program: OpaquePointer, _ pid: Int32, _ interners: inout Interners
    ) throws(ProbeError) -> Result? {
        let request = try ask(pid, from: 0, error: 0)
        var target = bpf_iter_link_info()
        target.task.tid = UInt32(pid)
        let link = withUnsafeMutablePointer(to: &target) { target in
            var options = bpf_iter_attach_opts()
            options.sz = optionsSize(\bpf_iter_attach_opts.link_info_len)
            options.link_info = target
            options.link_info_len = UInt32(MemoryLayout<bpf_iter_link_info>.size)
            return bpf_program__attach_iter(program, &options)
        }
        guard let link else {
            if errno == ESRCH || errno == EINVAL, kill(pid, 0) != 0, errno == ESRCH {
                throw Self.absent(pid)
            }
            throw .bpf("attaching the task_vma iterator", errno)
        }
        defer { bpf_link__destroy(link) }
        let fd = bpf_iter_create(bpf_link__fd(link))
        guard fd >= 0 else { throw .bpf("creating the task_vma iterator", errno) }
        defer { close(fd) }

        var result = Result()
        var progress: Set<UInt64> = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let size = MemoryLayout<vme_snapshot_row>.stride
        while true {
            // The kernel ends each read with a whole record.
            let got = Glibc.read(fd, &buffer, buffer.count)
            // EAGAIN: it is not the task that was asked for, or no longer in the address space that it was in.
            if got < 0, errno == EAGAIN { return nil }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw .bpf("reading the task_vma iterator", errno) }
            let entries = buffer.withUnsafeBytes { bytes in
                stride(from: 0, to: got - size + 1, by: size).map {
                    bytes.loadUnaligned(fromByteOffset: $0, as: vme_snapshot_row.self)
                }
            }
            // With a task given, the kernel returns the last buffer again and again, if there was more than one
            // (kernel/bpf/task_iter.c, BPF_TASK_ITER_TID).
            guard let first = entries.first, first.row.start > result.vmas.last?.start ?? 0 else { break }
            result.mm = first.mm
            for entry in entries { progress.insert(entry.sections) }
            entries.map(\.row).withUnsafeBufferPointer { result.append($0, &interners) }
        }
        result.isQuiet = Self.isQuiet(progress)
        return request.pointee.error == 0 ? result : nil
    }
}

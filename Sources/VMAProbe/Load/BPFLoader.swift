import CLibbpf
import CSystem
import CVMAWire
import Glibc

/// The BPF object and everything loaded from it. All of it is released with the loader; the kernel does the same when
/// vmascope dies, since nothing is pinned.
final class BPFLoader {
    private let object: OpaquePointer
    private var links: [(program: String, link: OpaquePointer)] = []
    private var apart: [String: OpaquePointer] = [:]
    private var numbers: UnsafeRawPointer?
    private var mapped: [String: (start: UnsafeMutableRawPointer, bytes: Int)] = [:]
    private var detachedMisses: UInt64 = 0
    /// Programs that were ever attached: their skipped runs count after that, too.
    private var attached: [String] = []
    /// Those that were ever attached apart: their time counts, and their skipped runs do not.
    private var attachedApart: [String] = []

    /// Opens an embedded object with only these programs enabled, and loads it.
    ///
    /// - Parameter explains: have the verifier say what it does not like. Not at first: older
    ///   kernels refuse what is right, too, when all they have to say does not fit.
    private init(
        programs: [String], from build: Way.Build, on kernel: Kernel, configuration: vme_config, ringBytes: UInt32?,
        explains: Bool
    ) throws(ProbeError) {
        libbpf_set_print(nil)
        _ = vms_raise_locked_memory_limit()
        var options = bpf_object_open_opts()
        options.sz = optionsSize(\bpf_object_open_opts.kernel_log_level)
        // libbpf looks in the modules' BTF for a type that the kernel lacks, which needs CAP_SYS_ADMIN, unless it is
        // told where the kernel's types are.
        let path = Capabilities.current.isAdmin ? nil : strdup("/sys/kernel/btf/vmlinux")
        defer { free(path) }
        options.btf_custom_path = path.map { UnsafePointer($0) }
        let object = build.object.elf.withUnsafeBytes { bpf_object__open_mem($0.baseAddress, $0.count, &options) }
        guard let object else { throw .bpf("opening the BPF object", errno) }
        self.object = object
        var program = bpf_object__next_program(object, nil)
        while let current = program {
            let name = String(cString: bpf_program__name(current))
            bpf_program__set_autoload(current, programs.contains(name))
            program = bpf_object__next_program(object, current)
        }
        if let map = bpf_object__find_map_by_name(object, ".rodata.config") {
            var configuration = configuration
            if kernel.preemptsPrograms { configuration.reader_cpu = UInt32(Self.processors) }
            bpf_map__set_initial_value(map, &configuration, MemoryLayout<vme_config>.size)
        }
        if let numbers = bpf_object__find_map_by_name(object, "numbers") {
            bpf_map__set_max_entries(numbers, UInt32(Self.numberings))
        }
        if let ringBytes, let ring = bpf_object__find_map_by_name(object, "events") {
            bpf_map__set_max_entries(ring, ringBytes)
        }
        if configuration.everyone == 0, let flows = bpf_object__find_map_by_name(object, "flows") {
            bpf_map__set_max_entries(flows, 1)  // nothing is put there
            // Up to 6.0 the kernel warns of kprobes whose maps allocate.
            bpf_map__set_map_flags(flows, 0)
        }
        if configuration.copy_bytes == 0, let paths = bpf_object__find_map_by_name(object, "paths") {
            bpf_map__set_max_entries(paths, 1)  // the same
        }
        // The first program that the kernel refuses says why in its log.
        var logs: [(String, UnsafeMutablePointer<CChar>)] = []
        defer { for (_, log) in logs { log.deallocate() } }
        for name in programs {
            guard let program = bpf_object__find_program_by_name(object, name) else {
                throw .failed("no BPF program is called \(name)")
            }
            let calls = Way.kfuncs(of: name, in: build, holdsProcessor: configuration.hold_cpu != 0)
            if let call = calls.first(where: { kernel.refuses($0, calledBy: Self.type(of: program)) }) {
                throw .refused("loading \(name) (calling kernel function \(call) is not allowed)", EACCES)
            }
            guard explains else { continue }
            let log = UnsafeMutablePointer<CChar>.allocate(capacity: Self.logSize)
            log[0] = 0
            bpf_program__set_log_buf(program, log, Self.logSize)
            logs.append((name, log))
        }
        let result = bpf_object__load(object)
        if result != 0 {
            let names = programs.joined(separator: ", ")
            let lines = logs.lazy.map { Self.verdict(String(cString: $0.1)) }.first { !$0.isEmpty }
            throw .refused("loading \(names)\(lines.map { " (\($0))" } ?? "")", -result)
        }
    }

    /// The type of a program, as VMASCOPE_WITHOUT names it.
    private static func type(of program: OpaquePointer) -> String {
        switch bpf_program__type(program) {
        case BPF_PROG_TYPE_KPROBE: "kprobe"
        case BPF_PROG_TYPE_TRACEPOINT: "tracepoint"
        case BPF_PROG_TYPE_SYSCALL: "syscall"
        default: "tracing"
        }
    }

    /// Loads a plan's programs and others, as below.
    ///
    /// - Throws: `notAttached` if it is a function of the plan for which the kernel refuses to load a program.
    static func load(
        _ plan: AttachPlan, and others: [String], readsLayouts: Bool, counts: Bool, on kernel: Kernel,
        configuration: vme_config, ringBytes: UInt32?, explains: Bool
    ) throws(ProbeError) -> (loader: BPFLoader, ways: Ways) {
        do {
            return try load(
                plan.programs + others, readsLayouts: readsLayouts, counts: counts, on: kernel, configuration: configuration,
                ringBytes: ringBytes, explains: explains)
        } catch {
            // The kernel looks for the function of such a program already when it is loaded.
            for point in plan.points where point.kind == "fexit" && !Capabilities.current.lacksVital {
                do {
                    _ = try load(point.programs, on: kernel)
                } catch let cause {
                    throw .notAttached(
                        AttachRefusals(
                            point.place, "the kernel takes no fexit on function \(point.name) (\(cause.message))"))
                }
            }
            throw error
        }
    }

    /// Loads programs, and what reads layouts and counts processes if that is wanted, in the first way that
    /// this kernel takes.
    ///
    /// - Parameter explains: each refusal has the verifier's own words; it is tried twice for that.
    static func load(
        _ programs: [String] = [], readsLayouts: Bool = false, counts: Bool = false, on kernel: Kernel,
        configuration: vme_config = vme_config(), ringBytes: UInt32? = nil, explains: Bool = false
    ) throws(ProbeError) -> (loader: BPFLoader, ways: Ways) {
        let ways = Way.candidates(
            readsLayouts: readsLayouts, counts: counts, hasFunction: kernel.hasFunction, hasStruct: kernel.hasStruct)
        var refused: [Ways.Refusal] = []
        for (number, way) in ways.enumerated() {
            let isLast = number == ways.count - 1
            do {
                let loader = try load(
                    programs + way.readers, from: way.build, on: kernel, configuration: configuration, ringBytes: ringBytes,
                    explains: explains || isLast)
                return (loader, Ways(taken: way, refused: refused))
            } catch {
                // The error of the last way, which asks least. Without the privilege all ways are refused alike.
                if isLast || Capabilities.current.lacksVital { throw error }
                refused.append(Ways.Refusal(way: way, why: error.message))
            }
        }
        preconditionFailure("there is always a way")
    }

    /// With programs that can't be preempted where the kernel offers that and its verifier lets
    /// them call functions of their own meanwhile (since 6.15), which is before it matters.
    private static func load(
        _ programs: [String], from build: Way.Build, on kernel: Kernel, configuration: vme_config, ringBytes: UInt32?,
        explains: Bool
    ) throws(ProbeError) -> BPFLoader {
        if build != .withoutKfuncs, kernel.hasFunction("bpf_preempt_disable") {
            var held = configuration
            held.hold_cpu = 1
            let loader = try? BPFLoader(
                programs: programs, from: build, on: kernel, configuration: held, ringBytes: ringBytes, explains: false)
            if let loader { return loader }
        }
        do {
            return try BPFLoader(
                programs: programs, from: build, on: kernel, configuration: configuration, ringBytes: ringBytes, explains: false)
        } catch {
            guard explains else { throw error }
            return try BPFLoader(
                programs: programs, from: build, on: kernel, configuration: configuration, ringBytes: ringBytes, explains: true)
        }
    }

    deinit {
        for link in apart.values { bpf_link__destroy(link) }
        for (_, link) in links { bpf_link__destroy(link) }
        if let numbers { munmap(UnsafeMutableRawPointer(mutating: numbers), Self.numberings * Self.numberSize) }
        for (start, bytes) in mapped.values { munmap(start, bytes) }
        bpf_object__close(object)
    }

    private static let logSize = 1 << 20

    /// The verifier's message: what it points at (7.2 on), or the last line before its statistics.
    private static func verdict(_ log: String) -> String {
        let lines = log.split(separator: "\n")
        let pointed = lines.map { $0.drop { " |^-".contains($0) } }.last { $0.hasPrefix("error: ") }
        if let pointed { return String(pointed) }
        let statistics = ["processed ", "verification time", "stack depth", "arg#", "mark_"]
        return lines.last { line in !statistics.contains { line.hasPrefix($0) } }.map(String.init) ?? ""
    }

    /// - Parameters:
    ///   - symbol: where to put a kprobe whose function the kernel's compiler has renamed.
    ///   - counts: whether a skipped run of it is a loss.
    func attach(_ name: String, to symbol: String? = nil, counts: Bool = true) throws(AttachError) {
        guard let program = bpf_object__find_program_by_name(object, name) else {
            throw AttachError(error: .failed("no BPF program is called \(name)"), code: 0)
        }
        let attached = symbol.map { bpf_program__attach_kprobe(program, false, $0) } ?? bpf_program__attach(program)
        guard let link = attached else {
            let code = errno
            throw AttachError(error: .bpf("attaching \(name)", code), code: code)
        }
        links.append((name, link))
        if counts, !self.attached.contains(name) { self.attached.append(name) }
    }

    /// What a program is attached to, as its section says (`kprobe/vma_merge`); empty if there is no such program.
    func target(of name: String) -> String {
        guard let program = bpf_object__find_program_by_name(object, name), let section = bpf_program__section_name(program)
        else { return "" }
        return String(cString: section).split(separator: "/").last.map(String.init) ?? ""
    }

    /// Attaches a program for a while, beside the plan. A skipped run of it is no loss.
    func attachApart(_ name: String) throws(ProbeError) {
        guard apart[name] == nil else { return }
        guard let program = bpf_object__find_program_by_name(object, name) else {
            throw .failed("no BPF program is called \(name)")
        }
        guard let link = bpf_program__attach(program) else { throw .bpf("attaching \(name)", errno) }
        apart[name] = link
        if !attachedApart.contains(name) { attachedApart.append(name) }
    }

    func detachApart(_ name: String) {
        if let link = apart.removeValue(forKey: name) { bpf_link__destroy(link) }
    }

    /// In reverse order: programs that were attached last open what the others end.
    func detach() {
        for link in apart.values { bpf_link__destroy(link) }
        apart = [:]
        detach(allBut: [])
    }

    /// Those of the plan alone, in the same order.
    func detach(allBut kept: Set<String>) {
        let gone = links.filter { !kept.contains($0.program) }
        detachedMisses = gone.reduce(detachedMisses) { $0 + Self.missedHits($1.link) }
        for (_, link) in gone.reversed() { bpf_link__destroy(link) }
        links.removeAll { !kept.contains($0.program) }
    }

    func isAttached(_ name: String) -> Bool { links.contains { $0.program == name } }

    func map(_ name: String) throws(ProbeError) -> Int32 {
        let fd = bpf_object__find_map_fd_by_name(object, name)
        guard fd >= 0 else { throw .failed("no BPF map is called \(name)") }
        return fd
    }

    /// The number of entries of a map; of a ring its bytes.
    func entries(_ name: String) -> Int {
        bpf_object__find_map_by_name(object, name).map { Int(bpf_map__max_entries($0)) } ?? 0
    }

    func program(_ name: String) -> (program: OpaquePointer, fd: Int32)? {
        guard let program = bpf_object__find_program_by_name(object, name) else { return nil }
        let fd = bpf_program__fd(program)
        return fd >= 0 ? (program, fd) : nil
    }

    /// Runs that the kernel skipped because the program, or the kprobe, was busy on that CPU: nothing else shows
    /// these events.
    var missedRuns: UInt64 {
        var missed = links.reduce(detachedMisses) { $0 + Self.missedHits($1.link) }
        for name in attached {
            guard let (_, fd) = program(name) else { continue }
            var info = bpf_prog_info()
            var size = UInt32(MemoryLayout<bpf_prog_info>.size)
            if bpf_obj_get_info_by_fd(fd, &info, &size) == 0 { missed += info.recursion_misses }
        }
        return missed
    }

    /// Nanoseconds in programs that are or were attached, where the kernel counts them.
    var runTime: UInt64 {
        (attached + attachedApart).reduce(0) { sum, name in
            guard let (_, fd) = program(name) else { return sum }
            var info = bpf_prog_info()
            var size = UInt32(MemoryLayout<bpf_prog_info>.size)
            return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? sum + info.run_time_ns : sum
        }
    }

    /// `nmissed` of a kprobe, where the kernel reports it (since 6.7); 0 for any other link.
    private static func missedHits(_ link: OpaquePointer) -> UInt64 {
        // struct bpf_link_info, whose newer members libbpf's header may not have: `perf_event.type`
        // at 16, BPF_PERF_EVENT_KPROBE is 3, `perf_event.kprobe.missed` at 48.
        var info = [UInt64](repeating: 0, count: 32)
        var size = UInt32(info.count * 8)
        guard bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) == 0, size >= 56,
            UInt32(truncatingIfNeeded: info[0]) == BPF_LINK_TYPE_PERF_EVENT.rawValue,
            UInt32(truncatingIfNeeded: info[2]) == 3
        else { return 0 }
        return info[6]
    }

    /// The number that each CPU will give its next record, and what reads layouts its own.
    func sequence() throws(ProbeError) -> [UInt32] {
        if numbers == nil { numbers = try mapNumbers() }
        return (0 ..< Self.numberings).map { cpu in
            numbers!.loadUnaligned(fromByteOffset: cpu * Self.numberSize, as: UInt32.self)
        }
    }

    /// The memory of an array map that can be mapped, readable and writable.
    func memory(of name: String, bytes: Int) throws(ProbeError) -> UnsafeMutableRawPointer {
        if let known = mapped[name] { return known.start }
        guard let found = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, try map(name), 0), found != MAP_FAILED
        else { throw .bpf("mapping \(name)", errno) }
        mapped[name] = (found, bytes)
        return found
    }

    private func mapNumbers() throws(ProbeError) -> UnsafeRawPointer {
        let bytes = Self.numberings * Self.numberSize
        guard let found = mmap(nil, bytes, PROT_READ, MAP_SHARED, try map("numbers"), 0), found != MAP_FAILED else {
            throw .bpf("mapping the record counters", errno)
        }
        return UnsafeRawPointer(found)
    }

    private static let processors = max(1, Int(libbpf_num_possible_cpus()))
    /// Readers have one of their own (bpf/base/shared.h, `numbering`).
    private static let numberings = processors + 1
    /// struct number in bpf/base/shared.h.
    private static let numberSize = 64
}

/// Why a program was not attached, and the errno.
struct AttachError: Error {
    var error: ProbeError
    var code: Int32
}

/// The size of one of libbpf's structs of options, up to its last field: what lies behind that has to be zero, and
/// a struct's padding may hold anything.
func optionsSize<Options, Last>(_ last: KeyPath<Options, Last>) -> Int {
    MemoryLayout<Options>.offset(of: last)! + MemoryLayout<Last>.size
}

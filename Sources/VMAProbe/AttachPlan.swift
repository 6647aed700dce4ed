/// Where merge attempts are learned from.
public enum Source: String, CaseIterable, Sendable {
    case hooks, tracepoints
}

/// One candidate for a role. The first of a role that the kernel has is taken.
public struct AttachPoint: Sendable {
    public enum Role: String, CaseIterable, Sendable {
        case lockAcquired = "section begins"
        case lockReleased = "section ends"
        case treeWrite = "tree write"
        case fork, exec
        case attempt = "merge attempt"
        case commit = "merge carried out"
        case mmapAttempt = "mmap's own merge"
        case brkAttempt = "brk's own merge"
    }

    public var role: Role
    /// The kernel function or tracepoint.
    public var name: String
    /// `kprobe`, `tp_btf`.
    public var kind: String
    /// The BPF program.
    public var program: String
    var exists: @Sendable (Kernel) -> Bool
}

/// What to attach on this kernel, found by its shape.
public struct AttachPlan: Sendable {
    public let source: Source
    public let points: [AttachPoint]
    /// What this kernel does not have that the source needs, in words; empty if it can work.
    public let missing: [String]

    /// THE table of candidates; within a role the first that exists is taken.
    static let table: [AttachPoint] = [
        AttachPoint(
            role: .lockAcquired, name: "mmap_lock_acquire_returned", kind: "tp_btf", program: "lock_acquired",
            exists: { $0.tracepointArguments("mmap_lock_acquire_returned") == 3 }),
        // With the path of the memory cgroup as its second argument, up to 6.12.
        AttachPoint(
            role: .lockAcquired, name: "mmap_lock_acquire_returned", kind: "tp_btf",
            program: "lock_acquired_memcg",
            exists: { $0.tracepointArguments("mmap_lock_acquire_returned") == 4 }),
        AttachPoint(
            role: .lockReleased, name: "mmap_lock_released", kind: "tp_btf", program: "lock_released",
            exists: { $0.tracepointArguments("mmap_lock_released") == 2 }),
        AttachPoint(
            role: .lockReleased, name: "mmap_lock_released", kind: "tp_btf", program: "lock_released_memcg",
            exists: { $0.tracepointArguments("mmap_lock_released") == 3 }),
        AttachPoint(
            role: .treeWrite, name: "ma_write", kind: "tp_btf", program: "tree_write",
            exists: { $0.tracepointArguments("ma_write") == 4 && $0.hasField("mm_struct", "mm_mt") }),
        AttachPoint(
            role: .fork, name: "sched_process_fork", kind: "tp_btf", program: "task_forked",
            exists: { $0.tracepointArguments("sched_process_fork") == 2 }),
        AttachPoint(
            role: .exec, name: "sched_process_exec", kind: "tp_btf", program: "task_execed",
            exists: { $0.tracepointArguments("sched_process_exec") == 3 }),
        AttachPoint(
            role: .attempt, name: "vma_merge", kind: "kprobe", program: "on_vma_merge",
            exists: { $0.hasFunction("vma_merge") }),
        AttachPoint(
            role: .commit, name: "__vma_adjust", kind: "kprobe", program: "on_vma_adjust",
            exists: { $0.hasFunction("__vma_adjust") }),
        AttachPoint(
            role: .mmapAttempt, name: "mmap_region", kind: "kprobe", program: "on_mmap_region",
            exists: { $0.hasFunction("mmap_region") }),
        AttachPoint(
            role: .brkAttempt, name: "do_brk_flags", kind: "kprobe", program: "on_brk",
            exists: { $0.hasFunction("do_brk_flags") }),
    ]

    public init(_ source: Source, _ kernel: Kernel) {
        self.source = source
        var points: [AttachPoint] = []
        var missing: [String] = []
        if source == .hooks, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        for role in Self.roles(source, kernel) {
            if let point = Self.table.first(where: { $0.role == role && $0.exists(kernel) }) {
                points.append(point)
            } else {
                let candidates = Set(Self.table.filter { $0.role == role }.map(\.name)).sorted()
                missing.append("\(role.rawValue) (\(candidates.joined(separator: ", ")))")
            }
        }
        self.points = points
        self.missing = missing
    }

    private static func roles(_ source: Source, _ kernel: Kernel) -> [AttachPoint.Role] {
        let layout: [AttachPoint.Role] = [.lockAcquired, .lockReleased, .treeWrite, .fork, .exec]
        guard source == .hooks else { return layout }
        // With the maple tree, mmap and brk began to merge by themselves.
        let byThemselves: [AttachPoint.Role] =
            kernel.hasField("mm_struct", "mm_mt") ? [.mmapAttempt, .brkAttempt] : []
        return layout + [.attempt, .commit] + byThemselves
    }

    var programs: [String] { points.map(\.program) }

    private static let kprobes = "kprobes (CONFIG_KPROBE_EVENTS)"

    /// Why the source can't work here, or nil if nothing is missing.
    public var missingText: String? {
        missing.isEmpty ? nil : "this kernel has no " + missing.joined(separator: ", no ")
    }
}

/// What works here and what does not, tried out: for `doctor` and for choosing a source.
public struct Diagnosis: Sendable {
    public struct Point: Sendable {
        public var point: AttachPoint
        public var problem: String?
    }

    public var source: Source
    public var points: [Point]
    public var problem: String?
    public var isUsable: Bool { problem == nil }

    /// Loads and attaches each program of the plan by itself.
    public init(_ source: Source, _ kernel: Kernel) {
        let plan = AttachPlan(source, kernel)
        self.source = source
        points = plan.points.map { point in
            Point(point: point, problem: Self.problem { () throws(ProbeError) in
                if point.kind == "kprobe", !kernel.allowsKprobes { throw .unsupported("this kernel has no kprobes") }
                let loader = try BPFLoader(programs: [point.program])
                try loader.attach(point.program)
            })
        }
        problem = kernel.hasBTF ? plan.missingText : "this kernel has no BTF (/sys/kernel/btf/vmlinux)"
        if problem == nil { problem = points.lazy.compactMap(\.problem).first }
    }

    private static func problem(_ body: () throws(ProbeError) -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            return error.message
        }
    }
}

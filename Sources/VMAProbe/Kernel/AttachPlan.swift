import VMACore

/// Where merge attempts are learned from.
public enum Source: String, CaseIterable, Sendable {
    case hooks, tracepoints
}

/// One candidate for a role. The first of a role that the kernel has is taken.
public struct AttachPoint: Sendable {
    public enum Role: String, CaseIterable, Sendable {
        case lockAcquired = "section begins"
        case lockReleased = "section ends"
        case lockDowngraded = "section downgraded"
        case treeWrite = "tree write"
        case unmapped = "unmapping"
        case stackGrown = "stack growth"
        case spaceEnds = "address space ends"
        case mapped = "new mapping"
        case linked = "VMA inserted"
        case fork, exec, exit
        case attempt = "merge attempt"
        case changeAttempt = "attempt in a change"
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
    /// One that does nothing, at the tracepoint without whose listeners the function isn't called.
    var switchedOnBy: String?
    /// The source it is for; nil if for both.
    var source: Source?
    var exists: @Sendable (Kernel) -> Bool

    init(
        role: Role, name: String, kind: String, program: String, switchedOnBy: String? = nil,
        source: Source? = nil, exists: @escaping @Sendable (Kernel) -> Bool
    ) {
        self.role = role
        self.name = name
        self.kind = kind
        self.program = program
        self.switchedOnBy = switchedOnBy
        self.source = source
        self.exists = exists
    }

    /// Of the programs, those that have to be loaded for it.
    var programs: [String] { [program] + (switchedOnBy.map { [$0] } ?? []) }
}

/// What to attach on this kernel, found by its shape.
public struct AttachPlan: Sendable {
    public let source: Source
    public let points: [AttachPoint]
    /// What this kernel does not have that the source needs, in words; empty if it can work.
    public private(set) var missing: [String]

    /// THE table of candidates; within a role the first that exists is taken.
    ///
    /// The hook source has entry kprobes wherever an event must not be lost: programs at
    /// tracepoints are skipped when the kernel preempts another run of theirs (since 7.2).
    static let table: [AttachPoint] = [
        AttachPoint(
            role: .lockAcquired, name: "__mmap_lock_do_trace_acquire_returned", kind: "kprobe",
            program: "on_lock_acquired", switchedOnBy: "lock_acquired_on", source: .hooks,
            exists: { $0.hasFunction("__mmap_lock_do_trace_acquire_returned") }),
        AttachPoint(
            role: .lockAcquired, name: "mmap_lock_acquire_returned", kind: "perf", program: "lock_acquired_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("mmap_lock/mmap_lock_acquire_returned") }),
        AttachPoint(
            role: .lockAcquired, name: "mmap_lock_acquire_returned", kind: "tp_btf", program: "lock_acquired",
            exists: { $0.tracepointArguments("mmap_lock_acquire_returned") == 3 }),
        // With the path of the memory cgroup as its second argument, up to 6.12.
        AttachPoint(
            role: .lockAcquired, name: "mmap_lock_acquire_returned", kind: "tp_btf",
            program: "lock_acquired_memcg",
            exists: { $0.tracepointArguments("mmap_lock_acquire_returned") == 4 }),
        AttachPoint(
            role: .lockReleased, name: "__mmap_lock_do_trace_released", kind: "kprobe",
            program: "on_lock_released", switchedOnBy: "lock_released_on", source: .hooks,
            exists: { $0.hasFunction("__mmap_lock_do_trace_released") }),
        // Any semaphore's: where there are no tracepoints, and the VMAs are in a red-black tree.
        AttachPoint(
            role: .lockReleased, name: "up_write", kind: "kprobe", program: "on_up_write", source: .hooks,
            exists: { !$0.hasMapleTree && $0.hasFunction("up_write") }),
        AttachPoint(
            role: .lockDowngraded, name: "downgrade_write", kind: "kprobe", program: "on_downgrade_write",
            exists: { $0.hasFunction("downgrade_write") }),
        AttachPoint(
            role: .linked, name: "vma_link", kind: "kprobe", program: "on_rb_linked",
            exists: { !$0.hasMapleTree && $0.hasFunction("vma_link") }),
        AttachPoint(
            role: .unmapped, name: "unmap_region", kind: "kprobe", program: "on_rb_unmapped",
            exists: { !$0.hasMapleTree && $0.hasFunction("unmap_region") }),
        // Before the tree changes there is nothing to read yet, and no lock is taken for writing.
        AttachPoint(
            role: .stackGrown, name: "expand_downwards", kind: "fexit", program: "on_stack_grown",
            exists: { $0.hasFunction("expand_downwards") }),
        AttachPoint(
            role: .spaceEnds, name: "exit_mmap", kind: "kprobe", program: "on_mm_exit",
            exists: { $0.hasFunction("exit_mmap") }),
        AttachPoint(
            role: .lockReleased, name: "mmap_lock_released", kind: "perf", program: "lock_released_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("mmap_lock/mmap_lock_released") }),
        AttachPoint(
            role: .lockReleased, name: "mmap_lock_released", kind: "tp_btf", program: "lock_released",
            exists: { $0.tracepointArguments("mmap_lock_released") == 2 }),
        AttachPoint(
            role: .lockReleased, name: "mmap_lock_released", kind: "tp_btf", program: "lock_released_memcg",
            exists: { $0.tracepointArguments("mmap_lock_released") == 3 }),
        AttachPoint(
            role: .treeWrite, name: "ma_write", kind: "perf", program: "tree_write_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("maple_tree/ma_write") && $0.hasMapleTree }),
        AttachPoint(
            role: .treeWrite, name: "ma_write", kind: "tp_btf", program: "tree_write",
            exists: { $0.tracepointArguments("ma_write") == 4 && $0.hasMapleTree }),
        AttachPoint(
            role: .mapped, name: "perf_event_mmap", kind: "kprobe", program: "on_mapped",
            exists: { $0.hasFunction("perf_event_mmap") }),
        AttachPoint(
            role: .linked, name: "vma_link", kind: "kprobe", program: "on_linked",
            exists: { $0.hasFunction("vma_link") }),
        AttachPoint(
            role: .fork, name: "wake_up_new_task", kind: "kprobe", program: "on_fork", source: .hooks,
            exists: { $0.hasFunction("wake_up_new_task") }),
        AttachPoint(
            role: .fork, name: "sched_process_fork", kind: "perf", program: "task_forked_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("sched/sched_process_fork") }),
        AttachPoint(
            role: .fork, name: "sched_process_fork", kind: "tp_btf", program: "task_forked",
            exists: { $0.tracepointArguments("sched_process_fork") == 2 }),
        AttachPoint(
            role: .exec, name: "finalize_exec", kind: "kprobe", program: "on_exec", source: .hooks,
            exists: { $0.hasFunction("finalize_exec") }),
        AttachPoint(
            role: .exec, name: "sched_process_exec", kind: "perf", program: "task_execed_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("sched/sched_process_exec") }),
        AttachPoint(
            role: .exec, name: "sched_process_exec", kind: "tp_btf", program: "task_execed",
            exists: { $0.tracepointArguments("sched_process_exec") == 3 }),
        AttachPoint(
            role: .exit, name: "sched_process_exit", kind: "perf", program: "task_exited_perf",
            exists: { $0.preemptsTracepoints && $0.hasPerfTracepoint("sched/sched_process_exit") }),
        AttachPoint(
            role: .exit, name: "sched_process_exit", kind: "tp_btf", program: "task_exited",
            exists: { $0.tracepointArguments("sched_process_exit") != nil }),
        AttachPoint(
            role: .attempt, name: "vma_merge", kind: "kprobe", program: "on_vma_merge",
            exists: { $0.hasFunction("vma_merge") }),
        AttachPoint(
            role: .commit, name: "__vma_adjust", kind: "kprobe", program: "on_vma_adjust",
            exists: { $0.hasFunction("__vma_adjust") }),
        // What became of both in 6.12.
        AttachPoint(
            role: .attempt, name: "vma_merge_new_range", kind: "kprobe", program: "on_merge_new_range",
            exists: { $0.hasFunction("vma_merge_new_range") }),
        AttachPoint(
            role: .changeAttempt, name: "vma_modify", kind: "kprobe", program: "on_modify",
            exists: { $0.hasFunction("vma_modify") }),
        AttachPoint(
            role: .commit, name: "commit_merge", kind: "kprobe", program: "on_commit_merge",
            exists: { $0.hasFunction("commit_merge") }),
        AttachPoint(
            role: .mmapAttempt, name: "mmap_region", kind: "kprobe", program: "on_mmap_region",
            exists: { $0.hasFunction("mmap_region") }),
        AttachPoint(
            role: .brkAttempt, name: "do_brk_flags", kind: "kprobe", program: "on_brk",
            exists: { $0.hasFunction("do_brk_flags") }),
    ]

    public init(_ source: Source, _ kernel: Kernel) {
        self.init(source, kernel, Self.roles(source, kernel))
    }

    /// Where all address spaces are watched: by tracepoints, at which a section tells all that it needs by
    /// itself. What begins one comes last, so that none is half seen.
    ///
    /// - Parameter countsAttempts: the functions that consider a merge are hooked, too.
    public init(everyoneOn kernel: Kernel, countsAttempts: Bool = false) {
        self.init(.tracepoints, kernel, (countsAttempts ? Self.attempts(kernel) : []) + [.treeWrite, .lockReleased, .lockAcquired])
        if countsAttempts, !kernel.allowsKprobes { missing.append(Self.kprobes) }
    }

    /// Which attempts it hooks.
    var hooks: Flow.Hooks {
        let roles = Set(points.map(\.role))
        return !roles.contains(.attempt) ? .none : roles.contains(.mmapAttempt) ? .allButMergesOfNew : .all
    }

    private init(_ source: Source, _ kernel: Kernel, _ roles: [AttachPoint.Role]) {
        self.source = source
        var points: [AttachPoint] = []
        var missing: [String] = []
        if source == .hooks, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        for role in roles {
            let candidates = Self.table.filter { $0.role == role && ($0.source ?? source) == source }
            if let point = candidates.first(where: { $0.exists(kernel) }) {
                points.append(point)
            } else {
                let names = Set(candidates.map(\.name)).sorted()
                missing.append("\(role.rawValue) (\(names.joined(separator: ", ")))")
            }
        }
        self.points = points
        self.missing = missing
    }

    private static func roles(_ source: Source, _ kernel: Kernel) -> [AttachPoint.Role] {
        let lifecycle: [AttachPoint.Role] = [.fork, .exec, .exit]
        guard source == .hooks else { return [.lockAcquired, .lockReleased, .treeWrite] + lifecycle }
        guard kernel.hasMapleTree else {
            return [.lockReleased, .lockDowngraded, .linked, .unmapped, .stackGrown, .spaceEnds] + lifecycle
                + attempts(kernel)
        }
        return [.lockAcquired, .lockReleased, .mapped, .linked] + lifecycle + attempts(kernel)
    }

    /// What considers a merge, and what carries it out.
    private static func attempts(_ kernel: Kernel) -> [AttachPoint.Role] {
        guard kernel.hasFunction("vma_merge") else { return [.attempt, .changeAttempt, .commit] }
        // With the maple tree, mmap and brk began to merge by themselves.
        return [.attempt, .commit] + (kernel.hasMapleTree ? [.mmapAttempt, .brkAttempt] : [])
    }

    var programs: [String] { points.flatMap(\.programs) }

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
                let loader = try BPFLoader.load(point.programs, on: kernel).loader
                for program in point.programs { try loader.attach(program) }
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

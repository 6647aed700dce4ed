extension AttachPlan {
    /// THE table of candidates; of the candidates for a role the first that exists is taken.
    ///
    /// The hook source has entry kprobes wherever an event must not be lost: programs at
    /// tracepoints are skipped when the kernel preempts another run of theirs (since 7.2).
    static let table: [AttachPoint] = sections + redBlackTree + lifecycle + attempts

    private static func tracepoint(
        _ role: AttachPoint.Role, _ name: String, _ arguments: Int?, _ program: String, needsTree: Bool = false
    ) -> AttachPoint {
        AttachPoint(
            role: role, name: name, kind: "tp_btf", program: program,
            condition: { kernel in
                guard let found = kernel.tracepointArguments(name) else { return false }
                return (arguments ?? found) == found && (!needsTree || kernel.hasMapleTree)
            })
    }

    /// By way of perf, where programs at the tracepoint itself can be preempted.
    private static func event(
        _ role: AttachPoint.Role, _ group: String, _ name: String, _ program: String, needsTree: Bool = false
    ) -> AttachPoint {
        AttachPoint(
            role: role, name: name, kind: "perf", program: program,
            condition: { kernel in
                kernel.preemptsTracepoints && kernel.hasPerfTracepoint("\(group)/\(name)") && (!needsTree || kernel.hasMapleTree)
            })
    }

    private static func hook(
        _ role: AttachPoint.Role, _ name: String, _ program: String, _ prototypes: Prototype..., isOpen: Bool = false,
        switchedOnBy: String? = nil, source: Source? = nil, when: @escaping @Sendable (any KernelFacts) -> Bool = { _ in true }
    ) -> AttachPoint {
        AttachPoint(
            role: role, name: name, kind: "kprobe", program: program, switchedOnBy: switchedOnBy, source: source,
            prototypes: prototypes, isOpen: isOpen, condition: when)
    }

    private static let sections: [AttachPoint] = [
        // Without the maple tree nothing opens a section there.
        hook(
            .lockAcquired, "__mmap_lock_do_trace_acquire_returned", "on_lock_acquired", KnownPrototype.lockAcquired,
            switchedOnBy: "lock_acquired_on", source: .hooks, when: \.hasMapleTree),
        event(.lockAcquired, "mmap_lock", "mmap_lock_acquire_returned", "lock_acquired_perf"),
        tracepoint(.lockAcquired, "mmap_lock_acquire_returned", 3, "lock_acquired"),
        // With the path of the memory cgroup as its second argument, up to 6.12.
        tracepoint(.lockAcquired, "mmap_lock_acquire_returned", 4, "lock_acquired_memcg"),
        hook(
            .lockReleased, "__mmap_lock_do_trace_released", "on_lock_released", KnownPrototype.lockReleased,
            switchedOnBy: "lock_released_on", source: .hooks, when: \.hasMapleTree),
        // These are called for any semaphore: for kernels where the VMAs are in a red-black tree, and a section
        // begins with its first change.
        hook(
            .lockReleased, "up_write", "on_up_write", KnownPrototype.semaphore, source: .hooks,
            when: { !$0.hasMapleTree }),
        event(.lockReleased, "mmap_lock", "mmap_lock_released", "lock_released_perf"),
        tracepoint(.lockReleased, "mmap_lock_released", 2, "lock_released"),
        tracepoint(.lockReleased, "mmap_lock_released", 3, "lock_released_memcg"),
        event(.treeWrite, "maple_tree", "ma_write", "tree_write_perf", needsTree: true),
        tracepoint(.treeWrite, "ma_write", 4, "tree_write", needsTree: true),
        hook(.mapped, "perf_event_mmap", "on_mapped", KnownPrototype.vma),
    ]

    private static let redBlackTree: [AttachPoint] = [
        hook(.lockDowngraded, "downgrade_write", "on_downgrade_write", KnownPrototype.semaphore),
        hook(.linked, "vma_link", "on_rb_linked", KnownPrototype.link, isOpen: true, when: { !$0.hasMapleTree }),
        hook(.unmapped, "unmap_region", "on_rb_unmapped", KnownPrototype.unmapRegion, when: { !$0.hasMapleTree }),
        // A stack grows under the lock for reading, and before the tree changes there is nothing to read yet.
        hook(
            .stackGrown, "khugepaged_enter_vma_merge", "on_rb_grown", KnownPrototype.vma, isOpen: true,
            when: { !$0.hasMapleTree && $0.hasField("rw_semaphore", "count") }),
        hook(
            .stackGrown, "khugepaged_enter_vma", "on_rb_grown_vma", KnownPrototype.vma, isOpen: true,
            when: { !$0.hasMapleTree && $0.hasField("rw_semaphore", "count") }),
        AttachPoint(
            role: .stackGrown, name: "expand_downwards", kind: "fexit", program: "on_stack_grown",
            prototypes: [KnownPrototype.vma], isOpen: true),
        hook(.spaceEnds, "exit_mmap", "on_mm_exit", KnownPrototype.mm),
        hook(.linked, "vma_link", "on_linked", KnownPrototype.link, when: \.hasMapleTree),
    ]

    private static let lifecycle: [AttachPoint] = [
        hook(.fork, "wake_up_new_task", "on_fork", KnownPrototype.task, source: .hooks),
        event(.fork, "sched", "sched_process_fork", "task_forked_perf"),
        tracepoint(.fork, "sched_process_fork", 2, "task_forked"),
        hook(.exec, "finalize_exec", "on_exec", source: .hooks),
        event(.exec, "sched", "sched_process_exec", "task_execed_perf"),
        tracepoint(.exec, "sched_process_exec", 3, "task_execed"),
        event(.exit, "sched", "sched_process_exit", "task_exited_perf"),
        tracepoint(.exit, "sched_process_exit", nil, "task_exited"),
    ]

    private static let attempts: [AttachPoint] = [
        hook(.attempt, "vma_merge", "on_vma_merge", KnownPrototype.vmaMerge, KnownPrototype.vmaMergeNamed),
        hook(.attempt, "vma_merge", "on_vma_merge_iterator", KnownPrototype.vmaMergeIterator),
        hook(.attempt, "vma_merge", "on_vma_merge_source", KnownPrototype.vmaMergeSource),
        hook(.commit, "__vma_adjust", "on_vma_adjust", KnownPrototype.adjust),
        hook(
            .commit, "khugepaged_enter_vma", "on_enter_khugepaged", KnownPrototype.vma, isOpen: true,
            when: { AttachPlan.takesIterator($0) }),
        // The functions that replaced both in 6.12.
        hook(.attempt, "vma_merge_new_range", "on_merge_new_range", KnownPrototype.mergeStruct),
        hook(.changeAttempt, "vma_modify", "on_modify", KnownPrototype.mergeStruct),
        hook(.commit, "commit_merge", "on_commit_merge", KnownPrototype.mergeStruct, isOpen: true),
        hook(.mmapAttempt, "mmap_region", "on_mmap_region", KnownPrototype.mmapRegion),
        hook(.brkAttempt, "do_brk_flags", "on_brk", KnownPrototype.brkState, KnownPrototype.brkIterator),
    ]
}

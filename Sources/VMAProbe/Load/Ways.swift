/// One way to load what an observation needs. Kernels refuse some ways, and an existing function may still not be
/// callable. So the ways are tried in order, and the first that loads is taken.
public struct Way: Sendable, Equatable {
    /// A build of the BPF programs (bpf/base/shared.h). Each asks less of the kernel than the one before.
    public enum Build: String, CaseIterable, Sendable {
        case full
        case withoutCast = "without bpf_rdonly_cast"
        case withoutKfuncs = "without kfuncs"

        var object: EmbeddedObject {
            switch self {
            case .full: .full
            case .withoutCast: .withoutCast
            case .withoutKfuncs: .withoutKfuncs
            }
        }
    }

    /// How the VMAs of a running process are read.
    public enum Snapshot: String, CaseIterable, Sendable {
        /// A SYSCALL program that runs the task_vma iterator as a kfunc (since 6.7). It hardly disturbs a
        /// busy target.
        case kfunc
        /// read(2) on an iterator over the VMAs of one task. It holds the target's lock meanwhile.
        case iterator
        /// The iterator over tasks, which walks the tree of VMAs without a lock and sends them through the ring.
        case walk

        var program: String {
            switch self {
            case .kfunc: "snapshot_task"
            case .iterator: "snapshot_iter"
            case .walk: "snapshot_walk"
            }
        }
    }

    /// How the VMAs of all processes are counted.
    public enum Stock: String, CaseIterable, Sendable {
        case iterator = "iter/task"
        case proc = "/proc"
    }

    public var build: Build
    /// How a layout is read; nil if none is to be read.
    public var snapshot: Snapshot?
    /// How processes are counted; nil if they are not.
    public var stock: Stock?

    /// The programs that are run from outside, and not attached.
    var readers: [String] {
        (snapshot.map { [$0.program] } ?? []) + (stock == .iterator ? [StockReader.program] : [])
    }

    /// The way in words: "without kfuncs, layouts by walk".
    public var text: String {
        ([build.rawValue] + (snapshot.map { ["layouts by \($0.rawValue)"] } ?? [])
            + (stock.map { ["counts by \($0.rawValue)"] } ?? []))
            .joined(separator: ", ")
    }

    /// The ways to try on a kernel, the best first. All of them are safe to load and to run there.
    ///
    /// - Parameters:
    ///   - hasFunction: whether the kernel's BTF has a function of that name.
    ///   - hasStruct: whether it has a struct of that name.
    static func candidates(
        readsLayouts: Bool, counts: Bool, hasFunction: (String) -> Bool, hasStruct: (String) -> Bool
    ) -> [Way] {
        let takesSnapshots = Self.snapshotKfuncs.allSatisfy(hasFunction)
        var builds: [Build] = [.withoutKfuncs]
        if takesSnapshots || hasFunction("bpf_preempt_disable") { builds.insert(.withoutCast, at: 0) }
        if hasFunction("bpf_rdonly_cast") { builds.insert(.full, at: 0) }
        // Without `bpf_iter_attach_task` the iterator over VMAs can't be limited to a task: it reads every process,
        // and dereferences NULL where one is exiting (5.15, task_vma_seq_get_next).
        let iterates = hasStruct("bpf_iter__task_vma") && hasFunction("bpf_iter_attach_task")
        let stocks: [Stock?] = !counts ? [nil] : hasStruct("bpf_iter__task") ? [.iterator, .proc] : [.proc]
        return builds.flatMap { build -> [Way] in
            var snapshots: [Snapshot?] = [nil]
            if readsLayouts {
                snapshots = build != .withoutKfuncs && takesSnapshots ? [.kfunc] : []
                snapshots += (iterates ? [.iterator] : []) + [.walk]
            }
            return snapshots.flatMap { snapshot in
                stocks.map { Way(build: build, snapshot: snapshot, stock: $0) }
            }
        }
    }

    static let snapshotKfuncs = [
        "bpf_iter_task_vma_new", "bpf_iter_task_vma_next", "bpf_iter_task_vma_destroy", "bpf_task_from_pid", "bpf_task_release",
    ]

    /// The kfuncs that a program calls in a build of the object.
    static func kfuncs(of program: String, in build: Build, holdsProcessor: Bool) -> [String] {
        (build == .full ? ["bpf_rdonly_cast"] : [])
            + (build != .withoutKfuncs && holdsProcessor ? ["bpf_preempt_disable", "bpf_preempt_enable"] : [])
            + (build != .withoutKfuncs && program == Snapshot.kfunc.program ? snapshotKfuncs : [])
    }
}

/// The way that was taken, and why not a better one.
public struct Ways: Sendable {
    public struct Refusal: Sendable {
        public var way: Way
        /// The kernel's words.
        public var why: String
    }

    public var taken: Way
    public var refused: [Refusal] = []
}

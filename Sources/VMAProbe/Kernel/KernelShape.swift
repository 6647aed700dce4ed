/// A kernel's facts as a plain value, so that decisions can be tested on a machine that does not run that kernel. Its
/// text (`vmascope doctor --shape`) has a fact on each line and no address.
public struct KernelShape: KernelFacts, Sendable, Equatable {
    /// `uname -r`, for people: nothing is decided by it.
    public var release = ""
    public var hasBTF = true
    public var allowsKprobes = true
    public var functions: [String: Prototype] = [:]
    /// The symbols of functions that have other symbols than their name.
    public var clones: [String: [String]] = [:]
    public var tracepoints: [String: Int] = [:]
    /// Tracepoints that perf has, `group/name`.
    public var events: Set<String> = []
    /// `struct.member`.
    public var fields: Set<String> = []
    /// Structs and typedefs.
    public var types: Set<String> = []
    /// The results of experiments (`Experiments.Name`), and of loading (`object full`); what could not be tried is
    /// missing.
    public var trials: [String: Bool] = [:]

    public init() {}

    public func prototype(_ function: String) -> Prototype? { functions[function] }
    public func symbols(_ function: String) -> [String]? { clones[function] }
    public func tracepointArguments(_ name: String) -> Int? { tracepoints[name] }
    public func hasPerfTracepoint(_ event: String) -> Bool { events.contains(event) }
    public func hasField(_ structure: String, _ member: String) -> Bool { fields.contains("\(structure).\(member)") }
    public func hasType(_ name: String) -> Bool { types.contains(name) }
}

extension KernelShape {
    /// All facts about a kernel that are ever asked for.
    ///
    /// - Parameter trials: the results of experiments and of loading.
    public init(_ facts: some KernelFacts, release: String, trials: [String: Bool]) {
        self.release = release
        self.trials = trials
        hasBTF = facts.hasBTF
        allowsKprobes = facts.allowsKprobes
        for name in Asked.functions {
            functions[name] = facts.prototype(name)
            if let found = facts.symbols(name), found != [name], functions[name] != nil { clones[name] = found }
        }
        for name in Asked.tracepoints { tracepoints[name] = facts.tracepointArguments(name) }
        events = Asked.events.filter { facts.hasPerfTracepoint($0) }
        fields = Asked.fields.filter { field in
            let words = field.split(separator: ".", maxSplits: 1).map(String.init)
            return facts.hasField(words[0], words[1])
        }
        types = Asked.types.filter { facts.hasType($0) }
    }

    /// The names that a shape has facts on: those that decide something, and some that help to see why a decision was
    /// wrong.
    private enum Asked {
        static let functions = Set(
            AttachPlan.table.filter { $0.kind == "kprobe" || $0.kind == "fexit" }.map(\.name) + [
                "bpf_iter_attach_task", "bpf_iter_task_vma_destroy", "bpf_iter_task_vma_new", "bpf_iter_task_vma_next",
                "bpf_preempt_disable", "bpf_preempt_enable", "bpf_rdonly_cast", "bpf_task_from_pid", "bpf_task_release",
                "can_vma_merge_after", "can_vma_merge_before", "copy_vma", "is_mergeable_anon_vma", "vma_expand",
                "preempt_schedule", "vma_merge_extend", "vma_merge_new_vma", "vma_shrink",
            ])
        static let tracepoints = AttachPlan.table.filter { $0.kind == "tp_btf" }.map(\.name)
        static let events = Set([
            "maple_tree/ma_write", "mmap_lock/mmap_lock_acquire_returned", "mmap_lock/mmap_lock_released",
            "sched/sched_process_exec", "sched/sched_process_exit", "sched/sched_process_fork",
        ])
        static let fields = Set([
            "bpf_iter_link_info.task", "mm_struct.mm_lock_seq", "mm_struct.mm_mt", "mm_struct.mm_rb", "mm_struct.mmap_lock",
            "vm_area_struct.__vm_anon_pgoff_lo", "vm_area_struct.anon_name", "vm_area_struct.vm_lock_seq",
            "rw_semaphore.count", "vm_area_struct.vm_policy", "vm_userfaultfd_ctx.ctx", "vma_merge_struct.anon_pgoff",
            "vma_merge_struct.copied_from", "vma_merge_struct.vm_flags",
        ])
        static let types = Set(["bpf_iter__task", "bpf_iter__task_vma", "class_srcu_fast_notrace_t", "vma_iterator"])
    }
}

extension KernelShape {
    /// A fact on each line, sorted within its kind.
    public var text: String {
        var lines = ["# vmascope shape 1", "kernel \(release)"]
        if !hasBTF { lines.append("no btf") }
        if !allowsKprobes { lines.append("no kprobes") }
        for (name, prototype) in functions.sorted(by: { $0.key < $1.key }) { lines.append("function \(name)(\(prototype))") }
        for (name, found) in clones.sorted(by: { $0.key < $1.key }) {
            lines.append("symbols \(name): \(found.sorted().joined(separator: " "))")
        }
        for (name, count) in tracepoints.sorted(by: { $0.key < $1.key }) { lines.append("tracepoint \(name) \(count)") }
        lines += events.sorted().map { "event \($0)" }
        lines += fields.sorted().map { "field \($0)" }
        lines += types.sorted().map { "type \($0)" }
        for (name, result) in trials.sorted(by: { $0.key < $1.key }) { lines.append("trial \(name): \(result ? "yes" : "no")") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// - Throws: `ShapeError` with the first line that is not understood.
    public init(text: String) throws(ShapeError) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard take(String(line)) else { throw ShapeError(line: String(line)) }
        }
    }

    private mutating func take(_ line: String) -> Bool {
        let words = line.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2 else { return false }
        let rest = words[1]
        let parts = rest.split(separator: " ").map(String.init)
        switch words[0] {
        case "kernel": release = rest
        case "no" where rest == "btf": hasBTF = false
        case "no" where rest == "kprobes": allowsKprobes = false
        case "function":
            guard let open = rest.firstIndex(of: "("), rest.last == ")" else { return false }
            functions[String(rest[..<open])] = Prototype(String(rest[rest.index(after: open)...].dropLast()))
        case "symbols":
            guard let name = parts.first, name.last == ":" else { return false }
            clones[String(name.dropLast())] = Array(parts.dropFirst())
        case "tracepoint":
            guard parts.count == 2, let count = Int(parts[1]) else { return false }
            tracepoints[parts[0]] = count
        case "event": events.insert(rest)
        case "field": fields.insert(rest)
        case "type": types.insert(rest)
        case "trial":
            guard let last = parts.last, ["yes", "no"].contains(last), let colon = rest.lastIndex(of: ":") else { return false }
            trials[String(rest[..<colon])] = last == "yes"
        default: return false
        }
        return true
    }
}

/// The line of a shape's text that can't be parsed.
public struct ShapeError: Error, Sendable, CustomStringConvertible {
    public var line: String
    public var description: String { "this line of a kernel's shape is not understood: \(line)" }
}

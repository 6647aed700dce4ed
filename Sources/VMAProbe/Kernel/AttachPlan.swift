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
    /// `kprobe`, `fexit`, `tp_btf`, `perf`.
    public var kind: String
    /// The BPF program.
    public var program: String
    /// One that does nothing, at the tracepoint without whose listeners the function isn't called.
    var switchedOnBy: String?
    /// The source it is for; nil if for both.
    var source: Source?
    /// What the function takes where the program knows how to find it; empty if it asks for nothing that
    /// could lie elsewhere.
    var prototypes: [Prototype] = []
    /// The function may take more than that.
    var isOpen = false
    /// What else has to be so.
    var condition: @Sendable (any KernelFacts) -> Bool = { _ in true }
    /// Where the kernel's compiler has renamed the function, the symbol that is hooked.
    public var symbol: String?

    /// Of the programs, those that have to be loaded for it.
    var programs: [String] { [program] + (switchedOnBy.map { [$0] } ?? []) }

    func exists(_ kernel: any KernelFacts) -> Bool { condition(kernel) && problem(kernel) == nil }

    /// Why a function that is there is not hooked, in words; nil if it can be.
    private func problem(_ kernel: any KernelFacts) -> String? {
        guard kind == "kprobe" || kind == "fexit" else { return nil }
        guard let found = kernel.prototype(name) else { return "\(name) is not there" }
        let isKnown = prototypes.isEmpty || prototypes.contains { isOpen ? found.begins(with: $0) : found == $0 }
        if !isKnown { return "\(name) takes (\(found)), which is not known here" }
        if kind == "kprobe", kernel.symbol(name) == nil {
            return "\(name) has more than one copy, or none, in the kernel's symbol table"
        }
        return nil
    }

    /// What to say of a candidate that is not taken, if there is more to it than that it is absent.
    func refusal(_ kernel: any KernelFacts) -> String? {
        condition(kernel) && kernel.hasFunction(name) ? problem(kernel) : nil
    }
}

/// What to attach on a kernel, found by its shape: a pure function of `KernelFacts`.
public struct AttachPlan: Sendable {
    public let source: Source
    public let points: [AttachPoint]
    /// What this kernel does not have that the source needs, in words; empty if it can work.
    public private(set) var missing: [String]
    /// The outcome of an attempt is read from what its section leaves: no function tells it.
    let readsOutcomes: Bool

    public init(_ source: Source, _ kernel: any KernelFacts) {
        self.init(source, kernel, Self.roles(source, kernel))
    }

    /// Where all address spaces are watched: by tracepoints, at which a section tells all that it needs by
    /// itself. What begins one comes last, so that none is half seen.
    ///
    /// - Parameter countsAttempts: the functions that consider a merge are hooked, too.
    public init(everyoneOn kernel: any KernelFacts, countsAttempts: Bool = false) {
        let attempts = countsAttempts ? Self.attempts(kernel) : []
        self.init(.tracepoints, kernel, attempts + [.treeWrite, .lockReleased, .lockAcquired])
        if countsAttempts, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        if countsAttempts, !attempts.contains(.commit) { missing.append("function that carries a merge out") }
    }

    /// Which attempts it hooks.
    var hooks: Flow.Hooks {
        guard points.contains(where: { $0.role == .attempt }) else { return .none }
        // __vma_adjust is not called where mmap_region merges by itself; khugepaged_enter_vma is.
        let mergesUnseen =
            points.contains { $0.role == .mmapAttempt }
            && !points.contains { $0.program == "on_enter_khugepaged" }
        return mergesUnseen ? .allButMergesOfNew : .all
    }

    private init(_ source: Source, _ kernel: any KernelFacts, _ roles: [AttachPoint.Role]) {
        self.source = source
        var points: [AttachPoint] = []
        var missing: [String] = []
        if source == .hooks, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        for role in roles {
            let candidates = Self.table.filter { $0.role == role && ($0.source ?? source) == source }
            if var point = candidates.first(where: { $0.exists(kernel) }) {
                if point.kind == "kprobe", let symbol = kernel.symbol(point.name), symbol != point.name { point.symbol = symbol }
                points.append(point)
            } else {
                let names = Set(candidates.map(\.name)).sorted()
                let refusals = Set(candidates.compactMap { $0.refusal(kernel) }).sorted()
                missing.append("\(role.rawValue) (\((refusals.isEmpty ? names : refusals).joined(separator: ", ")))")
            }
        }
        self.points = points
        self.missing = missing
        readsOutcomes = roles.contains(.attempt) && !roles.contains(.commit)
    }

    private static func roles(_ source: Source, _ kernel: any KernelFacts) -> [AttachPoint.Role] {
        let lifecycle: [AttachPoint.Role] = [.fork, .exec, .exit]
        guard source == .hooks else { return [.lockAcquired, .lockReleased, .treeWrite] + lifecycle }
        guard kernel.hasMapleTree else {
            return [.lockReleased, .lockDowngraded, .linked, .unmapped, .stackGrown, .spaceEnds] + lifecycle
                + attempts(kernel)
        }
        return [.lockAcquired, .lockReleased, .mapped, .linked] + lifecycle + attempts(kernel)
    }

    /// What considers a merge, and what carries it out.
    private static func attempts(_ kernel: any KernelFacts) -> [AttachPoint.Role] {
        guard kernel.hasFunction("vma_merge") else { return [.attempt, .changeAttempt, .commit] }
        // With the maple tree, mmap and brk began to merge by themselves.
        let own: [AttachPoint.Role] = kernel.hasMapleTree ? [.mmapAttempt, .brkAttempt] : []
        // Without huge pages nothing tells that a merge was carried out.
        let isTold = table.contains { $0.role == .commit && $0.exists(kernel) } || !takesIterator(kernel)
        return [.attempt] + (isTold ? [.commit] : []) + own
    }

    /// Whether `vma_merge` is one of 6.3 to 6.11, which merges without `__vma_adjust`.
    static func takesIterator(_ kernel: any KernelFacts) -> Bool {
        kernel.prototype("vma_merge")?.parameters.first == "vma_iterator*"
    }

    var programs: [String] { points.flatMap(\.programs) }

    private static let kprobes = "kprobes (CONFIG_KPROBE_EVENTS)"

    /// Why the source can't work here, or nil if nothing is missing.
    public var missingText: String? {
        missing.isEmpty ? nil : "this kernel has no " + missing.joined(separator: ", no ")
    }
}

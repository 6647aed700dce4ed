import VMACore

/// The source of merge attempts.
public enum Source: String, CaseIterable, Sendable {
    case hooks, tracepoints
}

/// A candidate for a role. Of the candidates for a role, the first is taken that the kernel has, and to which it is not
/// known to refuse a probe (`AttachRefusals`).
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
    /// An empty program at the tracepoint that has to be attached for the function to be called at all.
    var switchedOnBy: String?
    /// The source that it is for; nil if for both.
    var source: Source?
    /// The prototypes whose arguments the program knows how to find; empty if it reads no argument that could lie
    /// elsewhere.
    var prototypes: [Prototype] = []
    /// Whether the function may have further parameters.
    var isOpen = false
    /// A further condition on the kernel.
    var condition: @Sendable (any KernelFacts) -> Bool = { _ in true }
    /// The symbol that is hooked, where the kernel's compiler has renamed the function.
    public var symbol: String?

    /// The programs that have to be loaded for it.
    var programs: [String] { [program] + (switchedOnBy.map { [$0] } ?? []) }

    func exists(_ kernel: any KernelFacts) -> Bool { condition(kernel) && problem(kernel) == nil }

    /// Why an existing function is not hooked, in words; nil if it can be.
    private func problem(_ kernel: any KernelFacts) -> String? {
        guard kind == "kprobe" || kind == "fexit" else { return nil }
        guard let found = kernel.prototype(name) else { return "this kernel has no function \(name)" }
        let isKnown = prototypes.isEmpty || prototypes.contains { isOpen ? found.begins(with: $0) : found == $0 }
        if !isKnown { return "\(name) takes (\(found)): no BPF program of vmascope knows these arguments" }
        if kind == "kprobe", kernel.symbol(name) == nil {
            return "\(name) has several copies, or none, in the kernel's symbol table"
        }
        return nil
    }

    /// Why a candidate is not taken, in words, if it is not simply absent.
    func refusal(_ kernel: any KernelFacts) -> String? {
        condition(kernel) && kernel.hasFunction(name) ? problem(kernel) : nil
    }
}

/// The programs to attach on a kernel, chosen by its shape: a pure function of `KernelFacts`.
public struct AttachPlan: Sendable {
    public let source: Source
    public let points: [AttachPoint]
    /// What the source needs and this kernel lacks, in words; empty if the source can work.
    public private(set) var missing: [String]
    /// Whether the outcome of an attempt is concluded from the rows after its section, since no function shows it.
    let readsOutcomes: Bool

    /// - Parameter refused: what the kernel has refused to attach so far.
    public init(_ source: Source, _ kernel: any KernelFacts, without refused: AttachRefusals = AttachRefusals()) {
        self.init(source, kernel, Self.roles(source, kernel, refused), refused)
    }

    /// The plan of `system`, which watches all address spaces: tracepoints, at which a section has all that is needed
    /// to judge it. The program that opens a section comes last, so that no section is half seen.
    ///
    /// - Parameter countsAttempts: whether the functions that consider a merge are hooked, too.
    public init(
        everyoneOn kernel: any KernelFacts, countsAttempts: Bool = false, without refused: AttachRefusals = AttachRefusals()
    ) {
        let attempts = countsAttempts ? Self.attempts(kernel, refused) : []
        self.init(.tracepoints, kernel, attempts + [.treeWrite, .lockReleased, .lockAcquired], refused)
        if countsAttempts, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        if countsAttempts, !attempts.contains(.commit) {
            let why = Self.table.filter { $0.role == .commit }.compactMap { refused[$0] }.first
            missing.append("function that carries a merge out\(why.map { " (\($0))" } ?? "")")
        }
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

    private init(_ source: Source, _ kernel: any KernelFacts, _ roles: [AttachPoint.Role], _ refused: AttachRefusals) {
        self.source = source
        var points: [AttachPoint] = []
        var missing: [String] = []
        if source == .hooks, !kernel.allowsKprobes { missing.append(Self.kprobes) }
        for role in roles {
            let candidates = Self.table.filter { $0.role == role && ($0.source ?? source) == source }
            if var point = candidates.first(where: { $0.exists(kernel) && refused[$0] == nil }) {
                if point.kind == "kprobe", let symbol = kernel.symbol(point.name), symbol != point.name { point.symbol = symbol }
                points.append(point)
            } else {
                let names = Set(candidates.map(\.name)).sorted()
                let refusals = Set(candidates.compactMap { refused[$0] ?? $0.refusal(kernel) }).sorted()
                missing.append("\(role.rawValue) (\((refusals.isEmpty ? names : refusals).joined(separator: ", ")))")
            }
        }
        self.points = points
        self.missing = missing
        readsOutcomes = roles.contains(.attempt) && !roles.contains(.commit)
    }

    private static func roles(
        _ source: Source, _ kernel: any KernelFacts, _ refused: AttachRefusals
    ) -> [AttachPoint.Role] {
        let lifecycle: [AttachPoint.Role] = [.fork, .exec, .exit]
        guard source == .hooks else { return [.lockAcquired, .lockReleased, .treeWrite] + lifecycle }
        guard kernel.hasMapleTree else {
            return [.lockReleased, .lockDowngraded, .linked, .unmapped, .stackGrown, .spaceEnds] + lifecycle
                + attempts(kernel, refused)
        }
        return [.lockAcquired, .lockReleased, .mapped, .linked] + lifecycle + attempts(kernel, refused)
    }

    /// The functions that consider a merge, and the one that carries it out.
    private static func attempts(_ kernel: any KernelFacts, _ refused: AttachRefusals) -> [AttachPoint.Role] {
        guard kernel.hasFunction("vma_merge") else { return [.attempt, .changeAttempt, .commit] }
        // With the maple tree, mmap and brk began to merge by themselves.
        let own: [AttachPoint.Role] = kernel.hasMapleTree ? [.mmapAttempt, .brkAttempt] : []
        // Without CONFIG_TRANSPARENT_HUGEPAGE no function shows that a merge was carried out, nor does one that can't be
        // probed.
        let isTold =
            table.contains { $0.role == .commit && $0.exists(kernel) && refused[$0] == nil } || !takesIterator(kernel)
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

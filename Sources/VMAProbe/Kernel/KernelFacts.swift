/// What the running kernel has by name (`Kernel`), or what a text says of one (`KernelShape`): all that
/// decides what is attached and how VMAs are read. Versions decide nothing.
public protocol KernelFacts {
    var hasBTF: Bool { get }
    var allowsKprobes: Bool { get }
    /// What a function takes; nil if it is not there, or has been inlined everywhere.
    func prototype(_ function: String) -> Prototype?
    /// What the symbol table has for a function, clones included; nil where nobody has looked.
    func symbols(_ function: String) -> [String]?
    /// The number of arguments, without the tracepoint's own; nil if there is no such tracepoint.
    func tracepointArguments(_ name: String) -> Int?
    /// Whether a tracepoint, `group/name`, is to be had by way of perf: that needs tracefs.
    func hasPerfTracepoint(_ event: String) -> Bool
    /// Whether a struct has a member, however deep in anonymous structs and unions.
    func hasField(_ structure: String, _ member: String) -> Bool
    /// Whether there is a struct or a typedef of that name.
    func hasType(_ name: String) -> Bool
}

extension KernelFacts {
    public func hasFunction(_ name: String) -> Bool { prototype(name) != nil }

    public var hasMapleTree: Bool { hasField("mm_struct", "mm_mt") }

    /// Whether a program at a tracepoint can be preempted, and another run of it be skipped meanwhile:
    /// where the tracepoints' callers are guarded by SRCU (seen since 7.2), in place of having preemption
    /// disabled.
    public var preemptsTracepoints: Bool { hasType("class_srcu_fast_notrace_t") }

    /// Whether the kernel may run another task in the midst of a program that does not hold the processor:
    /// whether it does so is `preempt=` on its command line, and can change at any time.
    public var preemptsPrograms: Bool { hasFunction("preempt_schedule") }

    /// The symbol to put a kprobe on. The compiler renames a function when it makes a copy that it knows
    /// more about; with more than one copy a probe would see some calls only.
    ///
    /// - Returns: nil if there is none, or more than one.
    func symbol(_ function: String) -> String? {
        guard let found = symbols(function) else { return function }
        let entries = found.filter { Self.isEntry($0, of: function) }
        return entries.count == 1 ? entries[0] : nil
    }

    /// Whether a symbol is where calls of the function arrive: `.cold` and `.part` are pieces of its body.
    static func isEntry(_ symbol: String, of function: String) -> Bool {
        if symbol == function { return true }
        guard symbol.hasPrefix(function + ".") else { return false }
        let words = symbol.dropFirst(function.count + 1).split(separator: ".")
        return !words.contains("cold") && !words.contains("part")
            && words.contains { ["isra", "constprop", "llvm", "lto_priv"].contains($0) }
    }
}

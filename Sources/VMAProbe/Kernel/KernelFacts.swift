/// The facts about a kernel that decide what is attached and how VMAs are read: of the running kernel (`Kernel`), or
/// from a text (`KernelShape`). Versions decide nothing.
public protocol KernelFacts {
    var hasBTF: Bool { get }
    var allowsKprobes: Bool { get }
    /// The prototype of a function; nil if it does not exist, or has been inlined everywhere.
    func prototype(_ function: String) -> Prototype?
    /// The symbols of a function, clones included; nil where the symbol table was not read.
    func symbols(_ function: String) -> [String]?
    /// The number of arguments of a tracepoint, without its own; nil if there is no such tracepoint.
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

    /// Whether a program at a tracepoint can be preempted, and another run of it be skipped meanwhile. That is so
    /// where the tracepoints' callers are guarded by SRCU (seen since 7.2) instead of by disabled preemption.
    public var preemptsTracepoints: Bool { hasType("class_srcu_fast_notrace_t") }

    /// Whether the kernel may run another task in the midst of a program that does not hold the processor:
    /// whether it does so is `preempt=` on its command line, and can change at any time.
    public var preemptsPrograms: Bool { hasFunction("preempt_schedule") }

    /// The symbol to put a kprobe on. The compiler renames a function when it makes a specialized copy; with more
    /// than one copy a probe would see only some of the calls.
    ///
    /// - Returns: nil if there is none, or more than one.
    func symbol(_ function: String) -> String? {
        guard let found = symbols(function) else { return function }
        let entries = found.filter { Self.isEntry($0, of: function) }
        return entries.count == 1 ? entries[0] : nil
    }

    /// Whether calls of the function arrive at a symbol: `.cold` and `.part` are pieces of its body.
    static func isEntry(_ symbol: String, of function: String) -> Bool {
        if symbol == function { return true }
        guard symbol.hasPrefix(function + ".") else { return false }
        let words = symbol.dropFirst(function.count + 1).split(separator: ".")
        return !words.contains("cold") && !words.contains("part")
            && words.contains { ["isra", "constprop", "llvm", "lto_priv"].contains($0) }
    }
}

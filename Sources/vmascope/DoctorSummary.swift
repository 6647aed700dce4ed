import VMAProbe

/// The last line of `doctor`: what will work here, and the one command that would make more of it work.
struct DoctorSummary {
    /// Sources that are usable and proven, by name; and the other commands that work.
    var sources: [String]
    var commands: [String]
    /// Why hooks can't be used; nil where they can.
    var hooksProblem: String?
    /// By name; nil where there is no such setting.
    var settings: [String: String]
    var hasBTF: Bool
    var missing: Set<String>

    var sentence: String { "\(works); \(advice)." }

    private var works: String {
        let observing = sources.isEmpty ? [] : ["run and attach (by \(sources.joined(separator: " or ")))"]
        // What needs no kernel at all.
        let all = observing + commands + ["report", "diff", "explain"]
        return sources.isEmpty && commands.isEmpty
            ? "Of a live system nothing can be observed here, and only report, diff and explain work"
            : "What works here: \(all.joined(separator: ", "))"
    }

    private var advice: String {
        if settings["kernel.lockdown"] == "confidentiality" {
            return "the kernel is locked down: boot it with lockdown=integrity"
        }
        if missing.contains("CAP_BPF") || missing.contains("CAP_PERFMON") { return "for all of it: sudo vmascope doctor" }
        if !hasBTF { return "no command helps: it takes a kernel with CONFIG_DEBUG_INFO_BTF=y" }
        if let hooksProblem {
            let paranoia = settings["kernel.perf_event_paranoid"].flatMap { Int($0) } ?? 0
            if missing.contains("CAP_SYS_ADMIN"), paranoia > 2 { return "for hooks, too: sysctl kernel.perf_event_paranoid=2" }
            return sources.isEmpty
                ? "no command helps: \(hooksProblem)"
                : "no command adds hooks (\(hooksProblem)), and reports by tracepoints are the same"
        }
        if missing.contains("CAP_SYS_PTRACE") { return "for symbols of other users' programs: sudo vmascope doctor" }
        return "nothing is missing"
    }
}

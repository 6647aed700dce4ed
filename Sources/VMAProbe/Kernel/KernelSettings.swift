/// The kernel's settings that allow or forbid observing.
public enum KernelSettings {
    public static var all: [(name: String, value: String?)] {
        [
            ("kernel.lockdown", lockdown), ("kernel.perf_event_paranoid", sysctl("kernel/perf_event_paranoid")),
            ("kernel.kptr_restrict", sysctl("kernel/kptr_restrict")),
            ("kernel.unprivileged_bpf_disabled", sysctl("kernel/unprivileged_bpf_disabled")),
        ]
    }

    /// The level in force, of `none [integrity] confidentiality`; nil without that security module.
    private static var lockdown: String? {
        guard let text = ProcFile.text("/sys/kernel/security/lockdown"), let open = text.firstIndex(of: "["),
            let close = text.firstIndex(of: "]"), open < close
        else { return nil }
        return String(text[text.index(after: open) ..< close])
    }

    private static func sysctl(_ path: String) -> String? { ProcFile.text("/proc/sys/\(path)") }
}

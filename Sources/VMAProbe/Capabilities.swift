import Glibc

/// The capabilities of this process that an observation needs.
public struct Capabilities: Sendable {
    /// What each is for; bits from include/uapi/linux/capability.h.
    public static let needed: [(name: String, bit: UInt64, purpose: String)] = [
        ("CAP_BPF", 39, "to load programs and maps"),
        ("CAP_PERFMON", 38, "to attach them and to read kernel memory"),
        ("CAP_SYS_PTRACE", 19, "to read another user's /proc/PID"),
    ]
    /// What it does without, if it has to.
    public static let useful: [(name: String, bit: UInt64, purpose: String)] = [
        ("CAP_SYS_ADMIN", sysAdmin, "to see which pages are shared, where the anon_vma does not tell")
    ]
    private static let sysAdmin: UInt64 = 21

    public var effective: UInt64

    public static var current: Capabilities {
        var effective: UInt64 = 0
        for line in ProcFile.lines("/proc/self/status") where line.hasPrefix("CapEff:") {
            effective = UInt64(line.dropFirst(7).drop { $0 == " " || $0 == "\t" }, radix: 16) ?? 0
        }
        return Capabilities(effective: effective)
    }

    public func has(_ name: String) -> Bool {
        guard let bit = (Self.needed + Self.useful).first(where: { $0.name == name })?.bit else { return false }
        // Up to 5.8 CAP_SYS_ADMIN was all of BPF, and it still is.
        return effective & (1 << bit) != 0 || (bit >= 38 && effective & (1 << Self.sysAdmin) != 0)
    }

    public var missing: [String] { Self.needed.map(\.name).filter { !has($0) } }
}

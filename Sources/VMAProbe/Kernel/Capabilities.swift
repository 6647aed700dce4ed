import CSystem
import Glibc

/// The capabilities of this process that an observation needs.
public struct Capabilities: Sendable {
    public struct Need: Sendable {
        public var name: String
        /// The bit, as in include/uapi/linux/capability.h.
        var bit: UInt64
        public var purpose: String
        /// Whether nothing works without it; the others are needed on some kernels, or for more.
        public var isVital: Bool
    }

    /// The capabilities and what each is for; docs/system.md says how that was found.
    public static let needed = [
        Need(name: "CAP_BPF", bit: 39, purpose: "to load programs and maps", isVital: true),
        Need(name: "CAP_PERFMON", bit: 38, purpose: "to attach them and to read kernel memory", isVital: true),
        Need(name: "CAP_SYS_PTRACE", bit: 19, purpose: "to read symbols in another user's /proc/PID/root", isVital: false),
        sysResource, sysAdmin,
    ]
    private static let sysResource = Need(
        name: "CAP_SYS_RESOURCE", bit: 24, purpose: "to load maps on 5.10, where they count as locked memory", isVital: false)
    private static let sysAdmin = Need(
        name: "CAP_SYS_ADMIN", bit: 21, purpose: "for kprobes where kernel.perf_event_paranoid is above 2", isVital: false)

    public var effective: UInt64

    public static var current: Capabilities {
        var effective: UInt64 = 0
        for line in ProcFile.lines("/proc/self/status") where line.hasPrefix("CapEff:") {
            effective = UInt64(line.dropFirst(7).drop { $0 == " " || $0 == "\t" }, radix: 16) ?? 0
        }
        return Capabilities(effective: effective)
    }

    public func has(_ need: Need) -> Bool {
        // Up to 5.8 CAP_SYS_ADMIN was all of BPF, and it still is.
        effective & (1 << need.bit) != 0 || (need.bit >= 38 && effective & (1 << Self.sysAdmin.bit) != 0)
    }

    /// The capability without which files of other users are not opened; "" if nothing is missing for that.
    var missingToOpen: String {
        effective & 1 << 2 == 0 ? "CAP_DAC_READ_SEARCH" : effective & 1 << 19 == 0 ? "CAP_SYS_PTRACE" : ""
    }

    var isAdmin: Bool { has(Self.sysAdmin) }
    /// Whether a capability is missing without which nothing works.
    var lacksVital: Bool { Self.needed.contains { $0.isVital && !has($0) } }

    /// The capability that a refused BPF call lacks, in words; nil if the kernel refuses for another reason.
    ///
    /// - Parameter code: the errno.
    func lack(_ code: Int32) -> String? {
        let missing = Self.needed.filter { $0.isVital && !has($0) }.map(\.name)
        if !missing.isEmpty { return "missing \(missing.joined(separator: ", ")): run as root" }
        if code == EPERM, !has(Self.sysResource), vms_raise_locked_memory_limit() != 0 {
            return "missing CAP_SYS_RESOURCE: this kernel counts maps as locked memory (or raise that limit)"
        }
        let paranoia = ProcFile.text("/proc/sys/kernel/perf_event_paranoid").flatMap { Int($0) } ?? 0
        if code == EACCES, !has(Self.sysAdmin), paranoia > 2 {
            return "missing CAP_SYS_ADMIN, which kernel.perf_event_paranoid=\(paranoia) asks for (2 does not)"
        }
        return nil
    }
}

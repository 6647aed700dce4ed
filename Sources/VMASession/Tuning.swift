import CSystem
import Glibc
import VMACore

/// Settings for tests, by environment variables. They act only where the first argument is `--debug-environment`, and
/// never where the executable has given its user privileges (AT_SECURE).
package enum Tuning {
    package static let option = "--debug-environment"

    private static let names = [
        "VMASCOPE_AUDIT_INTERVAL", "VMASCOPE_RING", "VMASCOPE_WITHOUT", "VMASCOPE_DUMP_LAYOUTS", "VMASCOPE_COPIES",
        "VMASCOPE_LEVEL",
    ]

    /// To be called before anything reads the environment.
    package static func forget() { names.forEach { unsetenv($0) } }

    package static var isForbidden: Bool { vms_has_gained_privileges() }

    /// VMASCOPE_AUDIT_INTERVAL: milliseconds between comparisons with the kernel; here nanoseconds.
    static let auditInterval = number("VMASCOPE_AUDIT_INTERVAL").map { min(max($0, 1), 1_000_000_000) * 1_000_000 }

    /// VMASCOPE_RING: bytes of the ring buffer, a power of two of at least a page.
    static let ringBytes = number("VMASCOPE_RING").map { UInt32(clamping: $0) }

    /// VMASCOPE_COPIES: say on stderr what came of copies of stacks; with the value `check` those of known paths are
    /// copied, too, and compared with what is known.
    static let tellsCopies = getenv("VMASCOPE_COPIES") != nil
    static let checksPaths = getenv("VMASCOPE_COPIES").map { String(cString: $0) } == "check"

    /// VMASCOPE_LEVEL: `lean` holds `system` at the level at which only the ends of sections are seen, `full` at the
    /// one at which everything is, whatever they cost.
    static let level: FlowBudget.Level? = getenv("VMASCOPE_LEVEL").flatMap {
        switch String(cString: $0) {
        case "lean": .lean
        case "full": .full
        default: nil
        }
    }

    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }
}

import Glibc

/// What tests set by environment variables, and nobody needs to.
enum Tuning {
    /// VMASCOPE_AUDIT_INTERVAL: milliseconds between comparisons with the kernel; here nanoseconds.
    static let auditInterval = number("VMASCOPE_AUDIT_INTERVAL").map { $0 * 1_000_000 }

    /// VMASCOPE_RING: bytes of the ring buffer, a power of two of at least a page.
    static let ringBytes = number("VMASCOPE_RING").map { UInt32(clamping: $0) }

    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }
}

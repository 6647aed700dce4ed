import Glibc

/// Why an observation is not possible. Each case has one exit status (docs/usage.md).
public enum ProbeError: Error, Sendable {
    /// There is no such process, file or command: 66.
    case notFound(String)
    /// The kernel lacks what is needed: 69.
    case unsupported(String)
    /// The privilege is missing: 77.
    case forbidden(String)
    /// A fault of vmascope: 70.
    case failed(String)
    /// The kernel attaches nothing at places that it has: 69, where nothing else will do (`AttachRefusals.settle`).
    case notAttached(AttachRefusals)

    public var message: String {
        switch self {
        case .notFound(let text), .unsupported(let text), .forbidden(let text), .failed(let text): text
        case .notAttached(let refusals): refusals.message
        }
    }

    public var status: Int32 {
        switch self {
        case .notFound: 66
        case .unsupported, .notAttached: 69
        case .forbidden: 77
        case .failed: 70
        }
    }

    /// Makes an error of the errno of a BPF call. EPERM and EACCES mean a missing capability, unless the process has
    /// all that are needed; then the kernel is locked down.
    static func bpf(_ doing: String, _ code: Int32) -> ProbeError {
        let reason = "\(doing): \(String(cString: strerror(code)))"
        guard code == EPERM || code == EACCES else { return .failed(reason) }
        if let lack = Capabilities.current.lack(code) { return .forbidden("\(reason); \(lack)") }
        return .unsupported("\(reason) (this kernel forbids it)")
    }

    /// The same for a program that the kernel did not load: where the needed capabilities are present, EACCES comes
    /// from the verifier, and not from a setting of perf.
    ///
    /// Under lockdown=confidentiality the kernel offers programs no helper that reads its memory, says so in one of several
    /// ways, and the error is EINVAL.
    static func refused(_ doing: String, _ code: Int32) -> ProbeError {
        let refusals = ["cannot use helper", "unknown func", "policy check failed for helper"]
        if code == EINVAL, refusals.contains(where: { doing.holds("\($0) bpf_probe_read") }) {
            return .unsupported(
                "\(doing): this kernel is locked down (lockdown=confidentiality): programs may not read its memory")
        }
        guard code == EACCES, !Capabilities.current.lacksVital else { return bpf(doing, code) }
        return .unsupported("\(doing): \(String(cString: strerror(code))) (this kernel forbids it)")
    }
}

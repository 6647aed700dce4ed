import CLibbpf
import Glibc

extension BPFLoader {
    /// Attaches the programs of all points.
    ///
    /// - Throws: `notAttached` with all points at which the kernel does not attach anything. What was attached stays
    ///   until the loader is gone.
    func attach(_ points: [AttachPoint], on kernel: Kernel) throws(ProbeError) {
        var refused = AttachRefusals()
        for point in points {
            do {
                try attach(point, on: kernel)
            } catch .notAttached(let refusal) {
                refused.note(refusal)
            }
        }
        guard refused.isEmpty else { throw .notAttached(refused) }
    }

    /// Attaches all programs of a point.
    ///
    /// - Throws: `notAttached` if the kernel does not attach anything there, though it may elsewhere. What was attached
    ///   before stays until the loader is gone.
    func attach(_ point: AttachPoint, on kernel: Kernel) throws(ProbeError) {
        for program in point.programs {
            let isHook = point.kind == "kprobe" && program == point.program
            if kernel.refusesProbe([point.name, target(of: program)]) { throw point.refused(EINVAL) }
            do {
                try attach(program, to: isHook ? point.symbol : nil, counts: program == point.program)
            } catch {
                guard case .failed = error.error, !Self.isExhausted(error.code) else { throw error.error }
                throw point.refused(error.code)
            }
        }
    }

    /// The kernel lacks room, and not what was to be attached to.
    private static func isExhausted(_ code: Int32) -> Bool { [0, ENOMEM, EMFILE, ENFILE, ENOSPC, EINTR].contains(code) }
}

extension AttachPoint {
    /// The kernel's refusal to attach anything here.
    ///
    /// - Parameter code: its errno.
    func refused(_ code: Int32) -> ProbeError {
        let probe = kind == "kprobe" || kind == "fexit" ? "\(kind) on function" : "program on tracepoint"
        return .notAttached(
            AttachRefusals(place, "the kernel takes no \(probe) \(symbol ?? name) (\(String(cString: strerror(code))))"))
    }
}

extension AttachPlan {
    /// All functions that any plan puts a kprobe on.
    static let hookedFunctions = Set(table.filter { $0.kind == "kprobe" }.map(\.name))
}

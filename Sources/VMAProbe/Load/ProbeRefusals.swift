import CVMAWire
import VMACore

/// The kernel's answers to calls that change nothing (bpf/section/refusals.h).
extension Probe {
    static let answers = "syscall_exits"

    /// Begins or stops to read the end of syscalls. Meanwhile every process pays at every syscall, so it is done only
    /// while calls are refused. Where it is not possible, refusals are inferred.
    public func listen(_ listens: Bool) {
        if listens { try? loader.attachApart(Self.answers) } else { loader.detachApart(Self.answers) }
    }

    /// The limit of VMAs, as it is now.
    public func setMapLimit(_ limit: Int?) throws(ProbeError) {
        let memory = try loader.memory(of: "limits", bytes: MemoryLayout<vme_limits>.size)
        memory.assumingMemoryBound(to: vme_limits.self).pointee.map_count = UInt32(clamping: limit ?? 0)
    }
}

import CVMAWire
import VMACore

/// What the kernel answers to calls that change nothing (bpf/section/refusals.h).
extension Probe {
    static let answers = "syscall_exits"

    /// Listens to the end of syscalls, or does not any more: while it does, every process pays for it at every
    /// syscall, so it is for as long as somebody is refused. Where it can't, refusals are inferred.
    public func listen(_ listens: Bool) {
        if listens { try? loader.attachApart(Self.answers) } else { loader.detachApart(Self.answers) }
    }

    /// What a process may have at most, as it is now.
    public func setMapLimit(_ limit: Int?) throws(ProbeError) {
        let memory = try loader.memory(of: "limits", bytes: MemoryLayout<vme_limits>.size)
        memory.assumingMemoryBound(to: vme_limits.self).pointee.map_count = UInt32(clamping: limit ?? 0)
    }
}

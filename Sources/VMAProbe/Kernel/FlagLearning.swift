import CSystem
import Glibc
import VMACore

/// Learns which bit of `vm_flags` has which name on this kernel: a child of vmascope has VMAs with all kinds of
/// flags, and the bits are compared with the names that the kernel prints.
extension Probe {
    /// To be called before anything is observed, since records that arrive meanwhile are dropped. A flag that can't
    /// be learned has its standard name.
    public func flagNames() -> FlagNames {
        let child = vms_flags_child()
        guard child > 0 else { return .standard }
        defer {
            kill(child, SIGKILL)
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
            // The paths of files that it maps.
            while !drain({ _ in }) {}
        }
        guard let vmas = try? vmas(child) else { return .standard }
        let printed = Self.letters(ProcFile.lines("/proc/\(child)/smaps"))
        return FlagNames(
            learning: vmas.compactMap { vma in
                printed[vma.start].map { FlagNames.Sample(flags: vma.flags, letters: $0) }
            })
    }

    /// By the start of the VMA.
    static func letters(_ lines: [some StringProtocol]) -> [UInt64: [String]] {
        var found: [UInt64: [String]] = [:]
        var start: UInt64?
        for line in lines {
            let words = line.split(separator: " ")
            guard let first = words.first else { continue }
            if first == "VmFlags:" {
                if let start { found[start] = words[1...].map { String($0) } }
            } else if let dash = first.firstIndex(of: "-"), let address = UInt64(first[..<dash], radix: 16) {
                start = address
            }
        }
        return found
    }
}

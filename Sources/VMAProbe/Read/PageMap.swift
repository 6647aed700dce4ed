import Glibc
import VMACore

/// How the pages of a process are mapped: `/proc/PID/pagemap` (CAP_SYS_PTRACE for another user's).
///
/// Bit 56 says that a page is mapped once. Where it is not set, the page may be the zero page, which
/// everybody maps and which is nobody's: `/proc/kpageflags` tells, by page frame number. Only
/// CAP_SYS_ADMIN sees the number, and only root the flags; without these it can't be said.
public final class PageMap {
    private let map: Int32
    private let flags = Glibc.open("/proc/kpageflags", O_RDONLY | O_CLOEXEC)
    private var buffer = [UInt64](repeating: 0, count: 8192)
    /// Pages that may still be looked at: reserved address space can be huge.
    private var budget: UInt64 = 16 << 20

    /// Of include/uapi/linux and Documentation/admin-guide/mm/pagemap.rst.
    private enum Bit {
        static let present: UInt64 = 1 << 63
        static let swapped: UInt64 = 1 << 62
        static let ofFile: UInt64 = 1 << 61
        static let guarded: UInt64 = 1 << 58
        static let exclusive: UInt64 = 1 << 56
        static let frame: UInt64 = 1 << 55 - 1
        /// In kpageflags.
        static let zeroPage: UInt64 = 1 << 24
    }

    /// Holds on to the address space that the process has now. Where the leader of its threads has
    /// ended, the others have it still.
    public init(_ pid: Int32) {
        let others = { ProcFile.entries("/proc/\(pid)/task").compactMap { Int32($0) }.filter { $0 != pid } }
        map = Self.open(pid, pid) ?? others().lazy.compactMap { Self.open(pid, $0) }.first ?? -1
    }

    private static func open(_ pid: Int32, _ tid: Int32) -> Int32? {
        let fd = Glibc.open("/proc/\(pid)/task/\(tid)/pagemap", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        var entry: UInt64 = 0
        // Nothing comes of a thread without an address space.
        if pread(fd, &entry, 8, 0) == 8 { return fd }
        close(fd)
        return nil
    }

    deinit {
        if map >= 0 { close(map) }
        if flags >= 0 { close(flags) }
    }

    /// How the private pages of a VMA are mapped. Stops at the first that is mapped elsewhere.
    public func mapped(_ range: AddressRange) -> PageUse.Mapped {
        guard map >= 0, range.pages <= budget else { return .unseen }
        budget -= range.pages
        var found = PageUse.Mapped.once
        var page = range.start >> AddressRange.pageShift
        let end = page + range.pages
        while page < end {
            let wanted = min(Int(end - page), buffer.count)
            let count = buffer.withUnsafeMutableBytes { pread(map, $0.baseAddress, wanted * 8, off_t(page * 8)) } / 8
            guard count > 0 else { return .unseen }
            for entry in buffer[..<count] where entry & (Bit.present | Bit.swapped) != 0 {
                switch mapped(entry) {
                case .once: continue
                case .several: return .several
                case .unseen: found = .unseen
                }
            }
            page += UInt64(count)
        }
        return found
    }

    private func mapped(_ entry: UInt64) -> PageUse.Mapped {
        if entry & (Bit.exclusive | Bit.ofFile | Bit.guarded) != 0 { return .once }
        var flags: UInt64 = 0
        // Nothing tells of a page in swap who else has it.
        guard entry & Bit.present != 0, case let frame = entry & Bit.frame, frame != 0,
            pread(self.flags, &flags, 8, off_t(frame * 8)) == 8
        else { return .unseen }
        return flags & Bit.zeroPage != 0 ? .once : .several
    }
}

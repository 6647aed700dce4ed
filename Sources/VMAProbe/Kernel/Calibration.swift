import CSystem
import Glibc
import VMACore

/// Finds the kernel's merge rules out by trying: map, touch, advise, look. In our own address
/// space, inside a reservation, so that no neighbour joins in.
public enum Calibration {
    public static func model(_ kernel: Kernel) throws(ProbeError) -> KernelModel {
        var model = KernelModel(
            anonVMARule: try faultedJoinsUnfaulted() ? .forkChild : .neighbour,
            hole: try holeJoinsNext() ? .next : .prev,
            // vma_merge() and the rule that any neighbour's close refuses went together.
            close: kernel.hasFunction("vma_merge") ? .any : .removed)
        if model.anonVMARule == .forkChild { model.mergesCopiesOfForks = try copyOfForkJoinsUnfaulted() }
        model.keptSource = try keptSource()
        if try guardedIsJoined() { model.ignoredFlags.insert(.maybeGuard) }
        model.addsMergeableLate = try mergeableComesLate()
        model.hasAnonPgoff = kernel.hasField("vm_area_struct", "__vm_anon_pgoff_lo")
        return model
    }

    /// In a fork's child, an inherited faulted page moves away, and back beside an unfaulted one.
    static func copyOfForkJoinsUnfaulted() throws(ProbeError) -> Bool {
        let area = try Reservation(pages: 7)
        try area.commit(3, pages: 1)
        area.touch(3)
        return try inChild { () throws(ProbeError) in
            try area.move(3, to: 5)
            try area.commit(2, pages: 1)
            try area.move(5, to: 3)
            return try area.lines(2, 2) == 1
        }
    }

    /// A child asks for KSM on all its memory and maps a page after another.
    static func mergeableComesLate() throws(ProbeError) -> Bool {
        let area = try Reservation(pages: 4)
        return try inChild { () throws(ProbeError) in
            guard vms_merge_memory() == 0 else { return false }
            try area.map(1)
            try area.map(2)
            return try area.lines(1, 2) == 2
        }
    }

    /// What `holds` in a child of ours, which it leaves changed; false if it can't be tried.
    private static func inChild(_ holds: () throws(ProbeError) -> Bool) throws(ProbeError) -> Bool {
        let child = vms_fork()
        guard child >= 0 else { throw .failed("calibration: fork: \(String(cString: strerror(errno)))") }
        if child == 0 {
            do { _exit(try holds() ? 1 : 0) } catch { _exit(0) }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status == 1 << 8
    }

    /// An untouched page is copied by MREMAP_DONTUNMAP to between itself and another.
    static func keptSource() throws(ProbeError) -> KernelModel.KeptSource {
        let area = try Reservation(pages: 5)
        try area.commit(1, pages: 1)
        try area.commit(3, pages: 1)
        try area.move(1, to: 2, keepsSource: true)
        if try area.lines(1, 2) == 1 { return .merges }
        return try area.lines(2, 2) == 1 ? .apart : .alone
    }

    /// MADV_GUARD_INSTALL marks a VMA where a kernel keeps account of it; does that keep the
    /// next one apart?
    static func guardedIsJoined() throws(ProbeError) -> Bool {
        let area = try Reservation(pages: 4)
        try area.commit(1, pages: 1)
        guard (try? area.advise(1, 102)) != nil else { return false }
        try area.commit(2, pages: 1)
        return try area.lines(1, 2) == 1
    }

    /// A faulted page that becomes equal to the unfaulted one on its left: only the rule that
    /// looks at fork children lets it join.
    static func faultedJoinsUnfaulted() throws(ProbeError) -> Bool {
        let area = try Reservation(pages: 4)
        try area.commit(1, pages: 2)
        // An advice, and not a protection: mprotect changes VM_ACCOUNT along the way.
        try area.advise(2, MADV_DONTDUMP)
        area.touch(2)
        try area.advise(2, MADV_DODUMP)
        return try area.lines(1, 2) == 1
    }

    /// A hole between two pages with different anon_vmas is filled.
    static func holeJoinsNext() throws(ProbeError) -> Bool {
        let area = try Reservation(pages: 5)
        try area.commit(1, pages: 3)
        try area.unmap(2)
        area.touch(1)
        area.touch(3)
        try area.map(2)
        // Joined to the right if page 1 is still on its own.
        return try area.lines(2, 2) == 1
    }

    private struct Reservation: ~Copyable {
        let base: UnsafeMutableRawPointer
        let size: Int
        private static let page = 4096

        init(pages: Int) throws(ProbeError) {
            size = pages * Self.page
            let found = mmap(nil, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard let found, found != MAP_FAILED else { throw Self.failure("mmap") }
            base = found
        }

        deinit { munmap(base, size) }

        func at(_ page: Int) -> UnsafeMutableRawPointer { base + page * Self.page }

        func commit(_ page: Int, pages: Int) throws(ProbeError) {
            guard mprotect(at(page), pages * Self.page, PROT_READ | PROT_WRITE) == 0 else {
                throw Self.failure("mprotect")
            }
        }

        func advise(_ page: Int, _ advice: Int32) throws(ProbeError) {
            guard madvise(at(page), Self.page, advice) == 0 else { throw Self.failure("madvise") }
        }

        func unmap(_ page: Int) throws(ProbeError) {
            guard munmap(at(page), Self.page) == 0 else { throw Self.failure("munmap") }
        }

        func map(_ page: Int) throws(ProbeError) {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
            guard mmap(at(page), Self.page, PROT_READ | PROT_WRITE, flags, -1, 0) == at(page) else {
                throw Self.failure("mmap")
            }
        }

        func move(_ page: Int, to other: Int, keepsSource: Bool = false) throws(ProbeError) {
            guard vms_move(at(page), Self.page, at(other), keepsSource) == 0 else { throw Self.failure("mremap") }
        }

        func touch(_ page: Int) { at(page).storeBytes(of: 1, as: UInt8.self) }

        /// How many lines of /proc/self/maps hold `pages` pages from `first` on.
        func lines(_ first: Int, _ pages: Int) throws(ProbeError) -> Int {
            let start = UInt64(UInt(bitPattern: at(first)))
            let wanted = AddressRange(start, start + UInt64(pages * Self.page))
            let lines = ProcFile.lines("/proc/self/maps")
            guard !lines.isEmpty else { throw .failed("/proc/self/maps can't be read: is /proc mounted?") }
            return lines.count { line in
                let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt64($0, radix: 16) }
                return ends.count == 2 && AddressRange(ends[0], ends[1]).overlaps(wanted)
            }
        }

        private static func failure(_ call: String) -> ProbeError {
            .failed("calibration: \(call): \(String(cString: strerror(errno)))")
        }
    }
}

import CSystem
import Glibc
import VMACore

/// Experiments on the running kernel: map, touch, advise, look. They run in vmascope's own address space, inside a
/// reservation, so that no neighbour joins in. An experiment that can't be made (for want of System V memory, say)
/// has no result.
public struct Experiments: Sendable {
    public private(set) var results: [String: Bool] = [:]

    /// The names of the experiments, as in a shape's text.
    enum Name {
        static let faultedJoinsUnfaulted = "faulted-joins-unfaulted"
        static let copyOfForkJoins = "copy-of-fork-joins"
        static let holeJoinsPrev = "hole-joins-prev"
        static let holeJoinsNext = "hole-joins-next"
        static let prevGrows = "close-prev-grows"
        static let nextGrows = "close-next-grows"
        static let prevTakes = "close-prev-takes"
        static let nextTakes = "close-next-takes"
        static let copyJoinsSource = "kept-source-joins-copy"
        static let copyJoinsOther = "kept-copy-joins-other"
        static let guardedJoins = "guarded-is-joined"
        static let mergeableLate = "mergeable-comes-late"
        static let dropsAccount = "mprotect-drops-account"
        static let brkJoinsBelow = "brk-joins-below-start"
        static let named = "anon-name-kept"
        static let namedShared = "anon-name-kept-shared"
    }

    /// Makes all experiments: about a millisecond, and three short-lived children of this process.
    public init() {
        note(Name.faultedJoinsUnfaulted, Self.faultedJoinsUnfaulted)
        note(Name.copyOfForkJoins, Self.copyOfForkJoins)
        for (name, page) in [(Name.holeJoinsPrev, 1), (Name.holeJoinsNext, 2)] {
            note(name) { () throws(ProbeError) in try Self.holeJoins(page) }
        }
        note(Name.prevGrows) { () throws(ProbeError) in try Self.segment(3, [1, 2], joins: 1) }
        note(Name.nextGrows) { () throws(ProbeError) in try Self.segment(3, [3, 2], joins: 2) }
        note(Name.prevTakes) { () throws(ProbeError) in try Self.segment(2, [1, 2], joins: 1) }
        note(Name.nextTakes) { () throws(ProbeError) in try Self.segment(2, [2, 1], joins: 1) }
        note(Name.copyJoinsSource) { () throws(ProbeError) in try Self.keptSource().0 }
        note(Name.copyJoinsOther) { () throws(ProbeError) in try Self.keptSource().1 }
        note(Name.guardedJoins, Self.guardedJoins)
        note(Name.mergeableLate, Self.mergeableLate)
        note(Name.dropsAccount, Self.dropsAccount)
        results[Name.brkJoinsBelow] = Self.brkJoinsBelow
        note(Name.named) { () throws(ProbeError) in try Self.keepsName(shared: false) }
        note(Name.namedShared) { () throws(ProbeError) in try Self.keepsName(shared: true) }
    }

    /// The first step that failed altogether, in words: then no other result is to be believed.
    public private(set) var problem: String?

    private mutating func note(_ name: String, _ experiment: () throws(ProbeError) -> Bool?) {
        do {
            if let result = try experiment() { results[name] = result }
        } catch {
            problem = problem ?? error.message
        }
    }

    /// A faulted page that becomes equal to the unfaulted one on its left: only the rule that looks at
    /// fork children lets it join.
    private static func faultedJoinsUnfaulted() throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 4)
        try area.commit(1, pages: 2)
        // An advice, and not a protection: mprotect changes VM_ACCOUNT along the way.
        try area.advise(2, MADV_DONTDUMP)
        area.touch(2)
        try area.advise(2, MADV_DODUMP)
        return try area.isOne(1, 2)
    }

    /// In a fork's child, an inherited faulted page moves away, and back beside an unfaulted one.
    private static func copyOfForkJoins() throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 7)
        try area.commit(3, pages: 1)
        area.touch(3)
        return try inChild { () throws(ProbeError) in
            try area.move(3, to: 5)
            try area.commit(2, pages: 1)
            try area.move(5, to: 3)
            return try area.isOne(2, 2)
        }
    }

    /// A hole between two pages with different anon_vmas is filled: is what fills it one with the two
    /// pages from `page` on?
    private static func holeJoins(_ page: Int) throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 5)
        try area.commit(1, pages: 3)
        try area.unmap(2)
        area.touch(1)
        area.touch(3)
        try area.map(2)
        return try area.isOne(page, 2)
    }

    /// A System V segment, whose VMAs have a close hook, becomes read-only page after page: are the two
    /// pages from `joins` on one VMA then? Nil where there is no such memory.
    private static func segment(_ pages: Int, _ order: [Int], joins: Int) throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: pages + 2)
        guard area.attach(1, pages: pages) else { return nil }
        for page in order { try area.protect(page, PROT_READ) }
        return try area.isOne(joins, 2)
    }

    /// An untouched page is copied by MREMAP_DONTUNMAP to between itself and another. Is the copy one with
    /// what it was made of, and with the other?
    private static func keptSource() throws(ProbeError) -> (Bool, Bool) {
        let area = try Reservation(pages: 5)
        try area.commit(1, pages: 1)
        try area.commit(3, pages: 1)
        try area.move(1, to: 2, keepsSource: true)
        return (try area.isOne(1, 2), try area.isOne(2, 2))
    }

    /// MADV_GUARD_INSTALL marks a VMA where a kernel keeps account of it; does that keep the next one
    /// apart? Nil where the advice is not known.
    private static func guardedJoins() throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 4)
        try area.commit(1, pages: 1)
        guard (try? area.advise(1, 102)) != nil else { return nil }
        try area.commit(2, pages: 1)
        return try area.isOne(1, 2)
    }

    /// A child asks for KSM on all its memory and maps a page after another.
    private static func mergeableLate() throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 4)
        return try inChild { () throws(ProbeError) in
            guard vms_merge_memory() == 0 else { return false }
            try area.map(1)
            try area.map(2)
            return try !area.isOne(1, 2)
        }
    }

    /// Untouched memory becomes read-only beside memory that never was anything else.
    private static func dropsAccount() throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 4)
        try area.map(1, PROT_READ)
        try area.map(2)
        try area.protect(2, PROT_READ)
        return try area.isOne(1, 2)
    }

    /// Gives a child a heap that begins where another mapping ends.
    private static var brkJoinsBelow: Bool? {
        // Field 47, of which the second may have blanks and brackets in it.
        let fields = ProcFile.text("/proc/self/stat")?.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 44, let start = UInt(fields[44]) else { return nil }
        let result = vms_brk_joins_below(start)
        return result < 0 ? nil : result == 1
    }

    private static func keepsName(shared: Bool) throws(ProbeError) -> Bool? {
        let area = try Reservation(pages: 3)
        try area.map(1, PROT_READ | PROT_WRITE, shared: shared)
        return area.name(1)
    }

    /// The result of `holds` in a child of vmascope, which the experiment leaves changed; nil if it can't be made.
    private static func inChild(_ holds: () throws(ProbeError) -> Bool) throws(ProbeError) -> Bool? {
        let child = vms_fork()
        guard child >= 0 else { throw .failed("calibration: fork: \(String(cString: strerror(errno)))") }
        if child == 0 {
            do { _exit(try holds() ? 1 : 0) } catch { _exit(2) }
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status == 1 << 8 ? true : status == 0 ? false : nil
    }
}

/// A range of memory without neighbours.
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

    func commit(_ page: Int, pages: Int) throws(ProbeError) { try protect(page, PROT_READ | PROT_WRITE, pages: pages) }

    func protect(_ page: Int, _ protection: Int32, pages: Int = 1) throws(ProbeError) {
        guard mprotect(at(page), pages * Self.page, protection) == 0 else { throw Self.failure("mprotect") }
    }

    func advise(_ page: Int, _ advice: Int32) throws(ProbeError) {
        guard madvise(at(page), Self.page, advice) == 0 else { throw Self.failure("madvise") }
    }

    func unmap(_ page: Int) throws(ProbeError) {
        guard munmap(at(page), Self.page) == 0 else { throw Self.failure("munmap") }
    }

    func map(_ page: Int, _ protection: Int32 = PROT_READ | PROT_WRITE, shared: Bool = false) throws(ProbeError) {
        let flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED
        guard mmap(at(page), Self.page, protection, flags, -1, 0) == at(page) else { throw Self.failure("mmap") }
    }

    func move(_ page: Int, to other: Int, keepsSource: Bool = false) throws(ProbeError) {
        guard vms_move(at(page), Self.page, at(other), keepsSource) == 0 else { throw Self.failure("mremap") }
    }

    /// A System V segment in place of these pages; false where there is none to be had.
    func attach(_ page: Int, pages: Int) -> Bool { vms_attach_segment(at(page), pages * Self.page) == 0 }

    /// Whether a page can be given a name.
    func name(_ page: Int) -> Bool { vms_name_memory(at(page), Self.page, "vmascope") == 0 }

    func touch(_ page: Int) { at(page).storeBytes(of: 1, as: UInt8.self) }

    /// Whether one line of /proc/self/maps holds `pages` pages from `first` on.
    func isOne(_ first: Int, _ pages: Int) throws(ProbeError) -> Bool {
        let start = UInt64(UInt(bitPattern: at(first)))
        let wanted = AddressRange(start, start + UInt64(pages * Self.page))
        let lines = ProcFile.lines("/proc/self/maps")
        guard !lines.isEmpty else { throw .failed("/proc/self/maps can't be read: is /proc mounted?") }
        return lines.count { line in
            MapsLine(line).map { AddressRange($0.start, $0.end).overlaps(wanted) } ?? false
        } == 1
    }

    private static func failure(_ call: String) -> ProbeError {
        .failed("calibration: \(call): \(String(cString: strerror(errno)))")
    }
}

import CVMAWire
import Testing
import VMACore

@testable import VMAWire

/// Kernel pointers as they look, and none of them may ever leave the decoder.
enum Pointer {
    static let mm: UInt64 = 0xffff_8881_0a0b_0c00
    static let parent: UInt64 = 0xffff_8881_0a0b_1c00
    static let anonVMA: UInt64 = 0xffff_8881_22d0_0048
    static let file: UInt64 = 0xffff_8881_3330_0100
    static let uffd: UInt64 = 0xffff_8881_4440_0200
    static let policy: UInt64 = 0x9e37_79b9_7f4a_7c15
    static let name: UInt64 = 0xbf58_476d_1ce4_e5b9
    static let all = [mm, parent, anonVMA, file, uffd, policy, name]
}

func header(_ kind: vme_kind, cpu: UInt16 = 0, seq: UInt32 = 0, mm: UInt64 = Pointer.mm) -> vme_header {
    vme_header(kind: UInt16(kind.rawValue), cpu: cpu, seq: seq, time: 123_456, mm: mm, tgid: 41, tid: 42)
}

func bytes<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

/// A C array of chars, zeros behind the text.
private func put<T: BitwiseCopyable>(_ text: [UInt8], at offset: Int = 0, into field: inout T) {
    withUnsafeMutableBytes(of: &field) { buffer in
        for (index, byte) in text.enumerated() { buffer[offset + index] = byte }
    }
}

func row(_ start: UInt64, _ end: UInt64, anonVMA: UInt64 = Pointer.anonVMA, inode: UInt32 = 9) -> vme_row {
    vme_row(
        start: start, end: end, pgoff: start >> 12, flags: 0x100073, anon_vma: anonVMA, file: Pointer.file,
        policy: Pointer.policy, uffd: Pointer.uffd, name: Pointer.name, anon_pgoff: 0x77,
        traits: VME_CHAIN_SINGULAR.rawValue | VME_HEAP.rawValue | VME_ANON_KNOWN.rawValue
            | VME_ANON_PGOFF.rawValue, inode: inode)
}

func rowsRecord(
    _ rows: [vme_row], reason: UInt16 = UInt16(VME_AFTER.rawValue), count: UInt32? = nil, truncated: UInt16 = 0
) -> [UInt8] {
    var record = vme_rows()
    record.h = header(VME_ROWS)
    record.lo = 0x1000
    record.hi = 0x9000
    record.count = count ?? UInt32(rows.count)
    record.reason = reason
    record.truncated = truncated
    return bytes(record)[..<56] + rows.flatMap(bytes)
}

func sectionRecord(nr: Int32 = 9, flags: UInt32 = 0, second: Bool = true, oneIn: UInt32 = 0, growth: Int32 = 0) -> [UInt8] {
    bytes(
        vme_section(
            h: header(VME_SECTION), nr: nr, one_in: oneIn, stack: 0xabcdef, args: (1, 2, 3, 4, 5, 6), lo: 0x1000, hi: 0x2000,
            lo2: second ? 0x5000 : 0, hi2: second ? 0x6000 : 0, writes: 3, flags: flags, growth: growth, reserved: 0))
}

func stackRecord(key: UInt64, _ addresses: [UInt64]) -> [UInt8] {
    var record = vme_calls()
    record.h = header(VME_CALLS)
    record.key = key
    record.count = UInt32(addresses.count)
    return bytes(record)[..<48] + addresses.flatMap(bytes)
}

func attemptRecord(flags: UInt32 = 7, site: UInt32 = 1) -> [UInt8] {
    bytes(
        vme_attempt(
            h: header(VME_ATTEMPT), nr: 10, site: site, flags: flags, reserved: 0, stack: 0xabcdef, args: (6, 5, 4, 3, 2, 1),
            proposed: row(0x3000, 0x4000), prev: row(0x2000, 0x3000), next: row(0x4000, 0x5000),
            middle: row(0x3000, 0x4000)))
}

func lifeRecord(_ kind: vme_kind, mm: UInt64 = Pointer.mm) -> [UInt8] {
    var life = vme_life()
    life.h = header(kind, mm: mm)
    life.other_mm = Pointer.parent
    life.other_tgid = 40
    put(Array("a.out".utf8), into: &life.comm)
    return bytes(life)
}

func fileRecord(inode: UInt32 = 9, path: String = "/usr/lib/libc.so.6", at: UInt32 = 100) -> [UInt8] {
    var file = vme_file()
    file.h = header(VME_FILE, mm: 0)
    file.file = Pointer.file
    file.inode = inode
    file.at = at
    if at < 400 { put(Array(path.utf8), at: Int(at), into: &file.path) }
    return bytes(file)
}

func nameRecord(_ text: [UInt8]) -> [UInt8] {
    var name = vme_name()
    name.h = header(VME_NAME, mm: 0)
    name.name = Pointer.name
    put(text, into: &name.text)
    return bytes(name)
}

let commitRecord = bytes(vme_commit(h: header(VME_COMMIT), start: 0x1000, end: 0x3000))

func countedRecord(partial: UInt32 = 0) -> [UInt8] {
    bytes(
        vme_counted(
            h: header(VME_COUNTED), start: 0x1000, end: 0x9000, present: 3, zero: 1, swapped: 2, partial: partial))
}

/// One of each kind.
let everyRecord: [[UInt8]] = [
    rowsRecord([row(0x1000, 0x2000), row(0x2000, 0x4000)]), sectionRecord(), attemptRecord(), commitRecord,
    lifeRecord(VME_FORK), lifeRecord(VME_EXEC), lifeRecord(VME_EXIT), fileRecord(), nameRecord(Array("arena".utf8)),
    stackRecord(key: 9, [1, 2, 3]), countedRecord(),
]

extension WireDecoder {
    mutating func decode(_ record: [UInt8]) throws -> Event {
        try record.withUnsafeBytes { bytes in try decode(bytes) }
    }
    mutating func missing(cpu: UInt16, seq: UInt32) -> UInt64 {
        bytes(header(VME_COMMIT, cpu: cpu, seq: seq)).withUnsafeBytes { missing(before: $0) }
    }
}

private let origin = Origin(time: 123_456, mm: 1, tgid: 41, tid: 42)

@Suite("A record of the wire")
struct WireRecordTests {
    @Test("rows becomes VMAs and the range that they fill")
    func rows() throws {
        var decoder = WireDecoder()
        let record = rowsRecord([row(0x1000, 0x2000), row(0x2000, 0x4000, anonVMA: 0)], truncated: 1)
        guard case .rows(let rows) = try decoder.decode(record) else { throw Unexpected() }
        #expect(rows.origin == origin && rows.reason == .after && rows.truncated)
        #expect(rows.range == AddressRange(0x1000, 0x9000))
        let expected = VMA(
            AddressRange(0x1000, 0x2000), pgoff: 1, flags: VMAFlags(rawValue: 0x100073), anonVMA: 1, file: 1,
            policy: 1, uffd: 1, name: 1, anonPgoff: 0x77,
            traits: [.chainSingular, .heap, .anonKnown, .hasAnonPgoff])
        #expect(rows.vmas.first == expected)
        #expect(rows.vmas.map(\.anonVMA) == [1, 0])
    }

    @Test("rows may be none, or as many as there is room for")
    func rowCounts() throws {
        var decoder = WireDecoder()
        for count in [0, 1, Int(VME_ROWS_MAX)] {
            let some = (0 ..< count).map { row(UInt64($0) << 12, UInt64($0 + 1) << 12) }
            guard case .rows(let rows) = try decoder.decode(rowsRecord(some)) else { throw Unexpected() }
            #expect(rows.vmas.count == count && !rows.truncated)
        }
    }

    @Test(
        "rows has a reason, each of them",
        arguments: [
            (VME_BEFORE, .before), (VME_AFTER, .after), (VME_FORKED, .forked), (VME_IMAGE, .image),
            (VME_AUDIT, .audit), (VME_SNAPSHOT, .snapshot),
        ] as [(vme_reason, Rows.Reason)])
    func reasons(_ wire: vme_reason, _ reason: Rows.Reason) throws {
        var decoder = WireDecoder()
        let event = try decoder.decode(rowsRecord([], reason: UInt16(wire.rawValue)))
        guard case .rows(let rows) = event else { throw Unexpected() }
        #expect(rows.reason == reason)
    }

    @Test("a stack is named by its key, before and after its addresses are told")
    func stack() throws {
        var decoder = WireDecoder()
        guard case .section(let section) = try decoder.decode(sectionRecord()),
            case .stack(let id, let addresses) = try decoder.decode(stackRecord(key: 0xabcdef, [3, 2, 1]))
        else { throw Unexpected() }
        #expect(id == section.stack && addresses == [3, CallPath.unseen, 2, 1])
        guard case .stack(let other, _) = try decoder.decode(stackRecord(key: 5, [])) else { throw Unexpected() }
        #expect(other != id && other != 0)
    }

    @Test("section becomes the syscall and the ranges that are not empty")
    func section() throws {
        var decoder = WireDecoder()
        guard case .section(let section) = try decoder.decode(sectionRecord()) else { throw Unexpected() }
        #expect(section.origin == origin && section.stack == 1 && section.writes == 3 && !section.incomplete)
        #expect(section.syscall == Syscall(number: 9, arguments: [1, 2, 3, 4, 5, 6]))
        #expect(section.ranges == [AddressRange(0x1000, 0x2000), AddressRange(0x5000, 0x6000)])
        guard case .section(let single) = try decoder.decode(sectionRecord(nr: -1, second: false)) else {
            throw Unexpected()
        }
        #expect(single.ranges == [AddressRange(0x1000, 0x2000)] && single.syscall.operation == .stack)
    }

    @Test("section says when its syscall can't be read, or its rows were too many")
    func sectionFlags() throws {
        var decoder = WireDecoder()
        for (flags, isNative, incomplete) in [
            (VME_FOREIGN, false, false), (VME_COMPAT, false, false), (VME_INCOMPLETE, true, true),
        ] {
            guard case .section(let section) = try decoder.decode(sectionRecord(flags: flags.rawValue)) else {
                throw Unexpected()
            }
            #expect(section.syscall.isNative == isNative && section.incomplete == incomplete)
        }
    }

    @Test("attempt has the neighbours that its flags say", arguments: 0 ..< 8 as Range<UInt32>)
    func attempt(_ flags: UInt32) throws {
        var decoder = WireDecoder()
        guard case .attempt(let attempt) = try decoder.decode(attemptRecord(flags: flags)) else { throw Unexpected() }
        #expect(attempt.origin == origin && attempt.stack == 1 && attempt.site == .vmaMerge)
        #expect(attempt.syscall == Syscall(number: 10, arguments: [6, 5, 4, 3, 2, 1]))
        #expect(attempt.proposed.range == AddressRange(0x3000, 0x4000) && attempt.proposed.anonVMA == 1)
        #expect(attempt.proposed.anonPgoff == 0x77 && attempt.proposed.traits.contains(.hasAnonPgoff))
        #expect(attempt.prev?.range == (flags & 1 != 0 ? AddressRange(0x2000, 0x3000) : nil))
        #expect(attempt.next?.range == (flags & 2 != 0 ? AddressRange(0x4000, 0x5000) : nil))
        #expect(attempt.middle?.range == (flags & 4 != 0 ? AddressRange(0x3000, 0x4000) : nil))
    }

    @Test(
        "attempt has a site",
        arguments: [
            (1, .vmaMerge), (2, .mmapRegion), (3, .brk), (4, .newRange), (5, .modify),
        ] as [(UInt32, HookedAttempt.Site)])
    func sites(_ wire: UInt32, _ site: HookedAttempt.Site) throws {
        var decoder = WireDecoder()
        guard case .attempt(let attempt) = try decoder.decode(attemptRecord(site: wire)) else { throw Unexpected() }
        #expect(attempt.site == site)
    }

    @Test("commit, fork, exec and exit become what they are called")
    func others() throws {
        var decoder = WireDecoder()
        guard case .commit(origin, AddressRange(0x1000, 0x3000)) = try decoder.decode(commitRecord) else {
            throw Unexpected()
        }
        for kind in [VME_FORK, VME_EXEC, VME_EXIT] {
            let life: Life
            switch (kind, try decoder.decode(lifeRecord(kind))) {
            case (VME_FORK, .fork(let found)), (VME_EXEC, .exec(let found)), (VME_EXIT, .exit(let found)): life = found
            default: throw Unexpected()
            }
            #expect(life.origin == origin && life.parent == 2 && life.parentTgid == 40 && life.command == "a.out")
        }
    }

    @Test("command needs no zero at its end")
    func longCommand() throws {
        var life = vme_life()
        life.h = header(VME_FORK)
        put(Array("0123456789abcdef".utf8), into: &life.comm)
        var decoder = WireDecoder()
        guard case .fork(let found) = try decoder.decode(bytes(life)) else { throw Unexpected() }
        #expect(found.command == "0123456789abcdef")
    }

    @Test("file has its path at the end of its room")
    func file() throws {
        var decoder = WireDecoder()
        guard case .file(1, "/usr/lib/libc.so.6") = try decoder.decode(fileRecord()) else { throw Unexpected() }
        // Nothing was written; and a place that can't be. A file always has a name.
        guard case .file(1, "/") = try decoder.decode(fileRecord(at: 511)) else { throw Unexpected() }
        guard case .file(1, "/") = try decoder.decode(fileRecord(at: .max)) else { throw Unexpected() }
    }

    @Test("name is text, whatever its bytes")
    func name() throws {
        var decoder = WireDecoder()
        guard case .name(1, "arena") = try decoder.decode(nameRecord(Array("arena".utf8))) else { throw Unexpected() }
        guard case .name(1, "\u{fffd}x") = try decoder.decode(nameRecord([0xff, 0x78])) else { throw Unexpected() }
        let full = [UInt8](repeating: 0x61, count: Int(VME_NAME_MAX))
        guard case .name(1, let text) = try decoder.decode(nameRecord(full)) else { throw Unexpected() }
        #expect(text.count == Int(VME_NAME_MAX))
    }

    @Test("counted pages of a range, all or at least so many")
    func counted() throws {
        var decoder = WireDecoder()
        for partial in [0, 1] as [UInt32] {
            guard case .counted(let from, let count) = try decoder.decode(countedRecord(partial: partial))
            else { throw Unexpected() }
            #expect(from == origin)
            let expected = PageCount(
                AddressRange(0x1000, 0x9000), present: 3, zero: 1, swapped: 2, isPartial: partial != 0)
            #expect(count == expected)
        }
    }

    @Test("never shows a pointer of the kernel", arguments: everyRecord.indices)
    func pointers(_ index: Int) throws {
        var decoder = WireDecoder()
        var text = ""
        dump(try decoder.decode(everyRecord[index]), to: &text)
        #expect(!text.isEmpty)
        for pointer in Pointer.all {
            for radix in [10, 16] { #expect(!text.contains(String(pointer, radix: radix))) }
        }
    }
}

struct Unexpected: Error {}

@Suite("Ids that stand for pointers")
struct IdentityTests {
    @Test("are small, and stay while the thing lives")
    func stable() throws {
        var decoder = WireDecoder()
        for _ in 0 ..< 3 {
            let some = [row(0x1000, 0x2000), row(0x2000, 0x3000, anonVMA: Pointer.anonVMA + 8), row(0x3000, 0x4000)]
            guard case .rows(let rows) = try decoder.decode(rowsRecord(some)) else { throw Unexpected() }
            #expect(rows.vmas.map(\.anonVMA) == [1, 2, 1])
        }
        guard case .attempt(let attempt) = try decoder.decode(attemptRecord()) else { throw Unexpected() }
        #expect(attempt.proposed.anonVMA == 1 && attempt.prev?.file == 1)
    }

    @Test("of an address space end with it: the next one at that place is another")
    func exit() throws {
        var decoder = WireDecoder()
        guard case .exec(let first) = try decoder.decode(lifeRecord(VME_EXEC)) else { throw Unexpected() }
        guard case .exit(let gone) = try decoder.decode(lifeRecord(VME_EXIT)) else { throw Unexpected() }
        guard case .exec(let second) = try decoder.decode(lifeRecord(VME_EXEC)) else { throw Unexpected() }
        #expect(first.origin.mm == gone.origin.mm && second.origin.mm != first.origin.mm)
    }

    @Test("of a file change when another file has come to its place")
    func files() throws {
        var decoder = WireDecoder()
        func told(_ inode: UInt32) throws -> FileID {
            guard case .file(let id, _) = try decoder.decode(fileRecord(inode: inode)) else { throw Unexpected() }
            return id
        }
        func mapped(_ inode: UInt32) throws -> FileID? {
            guard case .rows(let rows) = try decoder.decode(rowsRecord([row(0x1000, 0x2000, inode: inode)])) else {
                throw Unexpected()
            }
            return rows.vmas.first?.file
        }
        #expect(try told(9) == told(9) && mapped(9) == told(9))
        // What tells the new one's path may be lost, or come later.
        #expect(try mapped(10) != mapped(9))
        #expect(try told(10) == mapped(10) && told(9) == mapped(9))
    }
}

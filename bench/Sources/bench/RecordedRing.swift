import CVMAWire
import Glibc
import VMACore
import VMATrace
import VMAWire

/// The records that an observation by tracepoints took from the ring, made anew from its recording, as they lay
/// there. Events have all that was in the records except the kernel's pointers, for which others are made up. Stacks
/// and names of VMAs, few in number, are left out.
struct RecordedRing {
    let header: TraceHeader
    /// The records, each behind its length, at a multiple of 8 bytes.
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0
    /// The offsets at which rounds end. The live loop empties the ring after about `recordsPerRound` records.
    private var ends: [Int] = []
    private static let recordsPerRound = 1500
    private var sequence: [UInt32] = [0, 0]

    init(_ path: String) throws {
        let file = try FileBytes(path)
        do {
            var reader = try TraceReader(file.read)
            header = reader.header
            while try reader.next({ add($0) }) {}
        } catch let error as TraceError {
            throw Unreadable(description: "\(path) \(error.message)")
        }
        ends.append(bytes.count)
    }

    func forEachRound(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { bytes in
            var start = 0
            for end in ends {
                body(UnsafeRawBufferPointer(rebasing: bytes[start ..< end]))
                start = end
            }
        }
    }

    private mutating func add(_ event: Event) {
        switch event {
        case .rows(let rows): add(rows)
        case .section(let section): add(section)
        case .fork(let life): add(life, VME_FORK)
        case .exec(let life): add(life, VME_EXEC)
        case .exit(let life): add(life, VME_EXIT)
        case .file(let id, let path): add(file: id, path)
        default: break
        }
    }

    // MARK: records

    private mutating func add(_ rows: Rows) {
        var record = vme_rows()
        record.h = head(VME_ROWS, rows.origin)
        (record.lo, record.hi) = (rows.range.start, rows.range.end)
        record.count = UInt32(rows.vmas.count)
        record.reason = rows.reason.rawValue
        record.truncated = rows.truncated ? 1 : 0
        withUnsafeMutableBytes(of: &record.rows) { bytes in
            let all = bytes.bindMemory(to: vme_row.self)
            for (index, vma) in rows.vmas.enumerated() { all[index] = row(vma) }
        }
        let size = MemoryLayout<vme_rows>.offset(of: \.rows)! + rows.vmas.count * MemoryLayout<vme_row>.size
        append(record, size)
    }

    private mutating func add(_ section: Section) {
        var record = vme_section()
        record.h = head(VME_SECTION, section.origin)
        record.nr = section.syscall.number
        record.one_in = section.oneIn
        record.stack = hash(section.stack)
        let argument = section.syscall.arguments
        record.args = (argument[0], argument[1], argument[2], argument[3], argument[4], argument[5])
        if let range = section.ranges.first { (record.lo, record.hi) = (range.start, range.end) }
        if section.ranges.count > 1 { (record.lo2, record.hi2) = (section.ranges[1].start, section.ranges[1].end) }
        record.writes = section.writes
        if !section.syscall.isNative { record.flags |= VME_FOREIGN.rawValue }
        if section.incomplete { record.flags |= VME_INCOMPLETE.rawValue }
        append(record, MemoryLayout<vme_section>.size)
    }

    private mutating func add(_ life: Life, _ kind: vme_kind) {
        var record = vme_life()
        record.h = head(kind, life.origin)
        record.other_mm = pointer(life.parent, size: 1408)
        record.other_tgid = life.parentTgid
        withUnsafeMutableBytes(of: &record.comm) { $0.copyBytes(from: life.command.utf8.prefix(15)) }
        append(record, MemoryLayout<vme_life>.size)
    }

    private mutating func add(file: FileID, _ path: String) {
        var record = vme_file()
        record.h = head(VME_FILE, Origin(time: 0, mm: 0, tgid: 0, tid: 0))
        (record.file, record.inode) = (pointer(file, size: 232), file)
        let text = path.utf8.prefix(Int(VME_PATH_MAX) - 1)
        record.at = UInt32(Int(VME_PATH_MAX) - 1 - text.count)
        withUnsafeMutableBytes(of: &record.path) {
            UnsafeMutableRawBufferPointer(rebasing: $0[(Int(VME_PATH_MAX) - 1 - text.count)...]).copyBytes(from: text)
        }
        append(record, MemoryLayout<vme_file>.size)
    }

    private func row(_ vma: VMA) -> vme_row {
        vme_row(
            start: vma.start, end: vma.end, pgoff: vma.pgoff, flags: vma.flags.rawValue,
            anon_vma: pointer(vma.anonVMA, size: 136), file: pointer(vma.file, size: 232), policy: hash(vma.policy),
            uffd: pointer(vma.uffd, size: 192), name: hash(vma.name), anon_pgoff: vma.anonPgoff,
            traits: UInt32(vma.traits.rawValue), inode: vma.file)
    }

    private mutating func head(_ kind: vme_kind, _ origin: Origin) -> vme_header {
        let cpu = Int(origin.tid) % sequence.count
        defer { sequence[cpu] += 1 }
        return vme_header(
            kind: UInt16(kind.rawValue), cpu: UInt16(cpu), seq: sequence[cpu], time: origin.time,
            mm: pointer(origin.mm, size: 1408), tgid: origin.tgid, tid: origin.tid)
    }

    /// An address at which the kernel's allocator could have put an object of this size.
    private func pointer(_ id: UInt32, size: UInt64) -> UInt64 {
        id == 0 ? 0 : 0xffff_8881_0000_0000 + UInt64(id) * size
    }

    private func hash(_ id: UInt32) -> UInt64 { UInt64(id) &* 0x9e37_79b9_7f4a_7c15 }

    private mutating func append<Record: BitwiseCopyable>(_ record: Record, _ size: Int) {
        bytes += [0, 8, 16, 24, 32, 40, 48, 56].map { UInt8(truncatingIfNeeded: size >> $0) }
        withUnsafeBytes(of: record) { bytes += $0.prefix(size) }
        bytes += Array(repeating: 0, count: (8 - size % 8) % 8)
        count += 1
        if count % Self.recordsPerRound == 0 { ends.append(bytes.count) }
    }
}

/// A file in the form in which `TraceReader` reads it.
private final class FileBytes {
    private let file: UnsafeMutablePointer<FILE>

    init(_ path: String) throws {
        guard let file = fopen(path, "r") else {
            throw Unreadable(description: "\(path): \(String(cString: strerror(errno)))")
        }
        self.file = file
    }

    deinit { fclose(file) }

    func read(atMost count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { $1 = fread($0.baseAddress, 1, count, file) }
    }
}

private struct Unreadable: Error, CustomStringConvertible {
    var description: String
}

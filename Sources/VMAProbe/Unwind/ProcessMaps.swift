import CSystem
import Glibc
import VMACore
import VMAUnwind

/// Where code lies in processes that are not followed, by /proc/PID/maps. What was read of one that is gone is kept
/// for a while: its last call may still be asked about. Nothing here waits: a process can delay its reader.
final class ProcessMaps {
    struct Code {
        var vma: VMA
        /// As /proc/PID/maps prints it, shared by all mappings of a file; nil for memory.
        var path: String?
    }

    private struct File: Hashable {
        var identity: FileIdentity
        var path: String
    }

    private struct Known {
        var code: [Code]
        /// Reading took so many nanoseconds.
        var took: UInt64
        /// By the clock that does not stop, and by the day's.
        var readAt: UInt64
        var day: (seconds: Int64, nanoseconds: Int64)
    }

    private var known: [UInt32: Known] = [:]
    private var files: [File: FileID] = [:]
    private var numbered: [FileID: File] = [:]
    /// Numbers are not given twice: others remember them.
    private var next = FileID(1)
    private static let (processLimit, fileLimit) = (64, 4096)
    /// Mappings of all processes that are known, and bytes of paths of all files.
    private static let (mappingLimit, pathLimit) = (100_000, 4 << 20)
    private var mappingCount = 0
    private var pathBytes = 0
    /// Nanoseconds, and how many times what the last reading took: a process of many VMAs is not read for each of its
    /// stacks.
    private static let (patience, share): (UInt64, UInt64) = (1_000_000_000, 10)

    /// Nil: nothing is read.
    private let reader: ProcReader?
    private var underWay: UInt32?
    private var askedAt: UInt64 = 0

    init(reads: Bool = true) { reader = reads ? ProcReader(sharesByUser: true) : nil }

    func path(_ file: FileID) -> String? { numbered[file]?.path }
    func identity(_ file: FileID) -> FileIdentity? { numbered[file]?.identity }

    /// By bisection: each word of a stack is looked for, and a process can have many thousand mappings.
    func code(_ tgid: UInt32, at address: UInt64) -> Code? {
        guard let code = known[tgid]?.code else { return nil }
        let index = code.partitioningIndex { $0.vma.end > address }
        return index < code.count && code[index].vma.start <= address ? code[index] : nil
    }

    /// When it was read what the process maps, by the day's clock.
    func readAt(_ tgid: UInt32) -> (seconds: Int64, nanoseconds: Int64)? { known[tgid]?.day }

    /// Can be read when something has come; -1 if nothing is being read.
    var socket: Int32 { reader?.socket ?? -1 }

    /// Has it read what the process maps now, unless that was done just now. Returns false while it is being read, or
    /// another process is; when it can't be read, nothing is known, or what was known before.
    func refresh(_ tgid: UInt32) -> Bool {
        advance()
        if let old = known[tgid], vms_monotonic_ns() < old.readAt + max(Self.patience, Self.share * old.took) { return true }
        guard let reader else { return true }
        guard underWay == nil else { return false }
        askedAt = vms_monotonic_ns()
        guard reader.ask(.code, tgid) else {
            note(tgid, [])
            return true
        }
        underWay = tgid
        return false
    }

    private func advance() {
        guard let tgid = underWay, let reader, case .done(let answer) = reader.advance(vms_monotonic_ns()) else { return }
        underWay = nil
        if case .code(let code)? = answer { note(tgid, code) } else { note(tgid, []) }
    }

    func note(_ tgid: UInt32, _ code: [CodeMapping]) {
        let now = vms_monotonic_ns()
        // It has ended, or can't be read: what was known of it still helps.
        if code.isEmpty, known[tgid] != nil {
            known[tgid]!.readAt = now
            known[tgid]!.took = now - askedAt
            return
        }
        mappingCount -= known.removeValue(forKey: tgid)?.code.count ?? 0
        // Those that were read longest ago go first.
        while known.count >= Self.processLimit || mappingCount + code.count > Self.mappingLimit,
            let oldest = known.min(by: { $0.value.readAt < $1.value.readAt })
        {
            mappingCount -= known.removeValue(forKey: oldest.key)?.code.count ?? 0
        }
        if files.count >= Self.fileLimit || pathBytes >= Self.pathLimit {
            (known, files, numbered) = ([:], [:], [:])
            (mappingCount, pathBytes) = (0, 0)
        }
        mappingCount += code.count
        let sorted = code.sorted { $0.start < $1.start }
        known[tgid] = Known(code: sorted.map(self.code), took: now - askedAt, readAt: now, day: FileRequest.now)
    }

    private func code(_ line: CodeMapping) -> Code {
        var id = FileID(0)
        var path: String? = line.path.isEmpty ? nil : line.path
        if line.identity.inode != 0 {
            let file = File(identity: line.identity, path: line.path)
            id = files[file] ?? next
            if id == next {
                next += 1
                (files[file], numbered[id]) = (id, file)
                pathBytes += line.path.utf8.count
            }
            // One text for all mappings of a file: a process can have many thousands, and a long path.
            path = numbered[id]?.path ?? path
        }
        let vma = VMA(
            AddressRange(line.start, line.end), pgoff: line.offset >> UInt64(AddressRange.pageShift), flags: [.read, .exec],
            file: id)
        return Code(vma: vma, path: path)
    }
}

/// A question about a process whose answer the process can delay: the kernel waits for the process's mmap_lock.
enum ProcQuestion: UInt8, Sendable {
    /// What can be executed of what the process maps, by /proc/PID/maps.
    case code = 1
    /// The number of its VMAs, by the same.
    case count
    /// /proc/PID/cmdline.
    case arguments
}

/// The messages between the observer and the process that reads /proc for it. One question is under way at a time.
enum ProcMessage: Equatable, Sendable {
    case ask(id: UInt32, ProcQuestion, pid: UInt32)
    /// A part of the answer to `code`; `hasMore`: others follow.
    case code(id: UInt32, [CodeMapping], hasMore: Bool)
    /// Nil if it can't be read.
    case count(id: UInt32, UInt32?)
    case arguments(id: UInt32, [UInt8])
    /// The question is there, and /proc is read now: before all answers.
    case began(id: UInt32)

    /// Bytes of the longest message.
    static let limit = 160 << 10
    /// Mappings, and bytes of their paths, in one message; mappings in all.
    static let (partLimit, partBytes, codeLimit) = (1024, 96 << 10, 16_384)
    /// Bytes of all paths of an answer: the mappings beyond are left out.
    static let pathLimit = 4 << 20

    init?(_ bytes: [UInt8]) {
        var reader = MessageReader(bytes)
        guard let (kind, id) = reader.head() else { return nil }
        switch kind {
        case 32:
            guard let question = reader.number(UInt8.self).flatMap(ProcQuestion.init), let pid = reader.number(UInt32.self) else {
                return nil
            }
            self = .ask(id: id, question, pid: pid)
        case 33:
            guard let more = reader.number(UInt8.self), let count = reader.number(UInt16.self), count <= Self.partLimit else {
                return nil
            }
            var mappings: [CodeMapping] = []
            for _ in 0 ..< count {
                guard let start = reader.number(UInt64.self), let end = reader.number(UInt64.self), start < end,
                    let offset = reader.number(UInt64.self), let device = reader.number(UInt64.self),
                    let inode = reader.number(UInt64.self), let path = reader.text()
                else { return nil }
                mappings.append(
                    CodeMapping(
                        start: start, end: end, offset: offset, identity: FileIdentity(device: device, inode: inode), path: path))
            }
            self = .code(id: id, mappings, hasMore: more != 0)
        case 34:
            guard let known = reader.number(UInt8.self), let count = reader.number(UInt32.self) else { return nil }
            self = .count(id: id, known != 0 ? count : nil)
        case 35:
            guard let text = reader.bytes() else { return nil }
            self = .arguments(id: id, text)
        case 36: self = .began(id: id)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }

    var bytes: [UInt8] {
        var writer = MessageWriter()
        switch self {
        case .ask(let id, let question, let pid):
            writer.head(32, id)
            writer.number(question.rawValue)
            writer.number(pid)
        case .code(let id, let mappings, let hasMore):
            writer.head(33, id)
            writer.number(UInt8(hasMore ? 1 : 0))
            writer.number(UInt16(mappings.count))
            for mapping in mappings {
                writer.number(mapping.start)
                writer.number(mapping.end)
                writer.number(mapping.offset)
                writer.number(mapping.identity.device)
                writer.number(mapping.identity.inode)
                writer.bytes(mapping.path.utf8.prefix(CodeMapping.pathLimit))
            }
        case .count(let id, let count):
            writer.head(34, id)
            writer.number(UInt8(count == nil ? 0 : 1))
            writer.number(count ?? 0)
        case .arguments(let id, let text):
            writer.head(35, id)
            writer.bytes(text)
        case .began(let id): writer.head(36, id)
        }
        return writer.all
    }

    /// The answer to `code` in messages that are short enough.
    static func parts(_ id: UInt32, _ mappings: [CodeMapping]) -> [ProcMessage] {
        var parts: [[CodeMapping]] = [[]]
        var (size, all) = (0, 0)
        for mapping in mappings.prefix(codeLimit) {
            let more = min(mapping.path.utf8.count, CodeMapping.pathLimit)
            all += more
            if all > pathLimit { break }
            if parts[parts.count - 1].count == partLimit || size + more > partBytes {
                parts.append([])
                size = 0
            }
            parts[parts.count - 1].append(mapping)
            size += more
        }
        return parts.enumerated().map { .code(id: id, $1, hasMore: $0 + 1 < parts.count) }
    }
}

/// A line of /proc/PID/maps of what can be executed.
struct CodeMapping: Equatable, Sendable {
    var start: UInt64
    var end: UInt64
    /// In bytes.
    var offset: UInt64
    var identity: FileIdentity
    /// As it is printed; empty for memory without a name.
    var path: String

    static let pathLimit = 4096

    /// What can be executed of a process's maps, which are few lines among many.
    static func all(_ maps: [UInt8]) -> [CodeMapping] {
        var found: [CodeMapping] = []
        var start = 0
        while start < maps.count, found.count < ProcMessage.codeLimit {
            let end = maps[start...].firstIndex(of: UInt8(ascii: "\n")) ?? maps.count
            // `7f00-7f10 r-xp 00001000 08:01 123   /usr/lib/x.so`
            if let space = maps[start ..< end].firstIndex(of: UInt8(ascii: " ")), space + 3 < end,
                maps[space + 3] == UInt8(ascii: "x"), let line = MapsLine(String(decoding: maps[start ..< end], as: UTF8.self)),
                line.start < line.end
            {
                found.append(
                    CodeMapping(
                        start: line.start, end: line.end, offset: line.offset, identity: line.identity, path: line.path))
            }
            start = end + 1
        }
        return found
    }
}

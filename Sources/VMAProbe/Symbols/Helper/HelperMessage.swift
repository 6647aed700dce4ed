import Glibc
import VMACore

/// A file that has to do with a process, to be opened for its symbols.
struct FileRequest: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        /// One that is mapped.
        case mapped = 1
        /// The process's own list of the code that it has made: /tmp/perf-PID.map.
        case perfMap
    }

    var kind: Kind
    var pid: Int32
    /// As the host or the process sees it.
    var path: String
    /// Where it is mapped.
    var start: UInt64 = 0
    var end: UInt64 = 0
    /// Of a perf map: the address space whose code is in question. A process has another one after exec, and who gets its id
    /// next has, too.
    var space: MMID = 0
    /// The identity that the kernel reported when the file was mapped; nil if unknown.
    var identity: FileIdentity?
    /// Seconds and nanoseconds of the day's clock when the kernel said so.
    var toldAt: (seconds: Int64, nanoseconds: Int64) = (0, 0)
    /// Its debug file, if that was fetched from a server.
    var fetched: FetchedFile?

    /// The day's clock, as in `toldAt`.
    static var now: (seconds: Int64, nanoseconds: Int64) {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return (Int64(now.tv_sec), Int64(now.tv_nsec))
    }

    static func == (one: FileRequest, other: FileRequest) -> Bool {
        one.kind == other.kind && one.pid == other.pid && one.path == other.path && one.identity == other.identity
            && one.space == other.space
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(pid)
        hasher.combine(path)
        hasher.combine(identity)
        hasher.combine(space)
    }
}

/// A file that was fetched from a server, as the host sees it, and the user for whom.
struct FetchedFile: Equatable, Sendable {
    var path: String
    var uid: UInt32
    var gid: UInt32
}

/// The result of opening a file.
enum Opening: UInt8, Sendable {
    case opened = 0
    /// Nothing is there, or nothing that we may open.
    case missing
    /// There is a file, but not the one that was mapped.
    case another
    /// It is the file that was mapped, and was written to since.
    case changed
    /// The opener may not read it: its file system decides itself who may (NFS, FUSE), or a capability is missing.
    case denied
}

/// A further file that the reader wants beside the file itself.
enum MoreFile: Equatable, Sendable {
    /// A debug file by its build id.
    case buildID([UInt8])
    /// One by the name in `.gnu_debuglink`.
    case link([UInt8])
    /// The perf map, as it is now.
    case again

    /// The number of places where it can be.
    var places: Int {
        switch self {
        case .buildID: 3
        case .link: 6
        case .again: 1
        }
    }
}

/// An address whose name is wanted, as the reader counts them.
struct NameRequest: Hashable, Sendable {
    /// In a mapped file the offset, of a perf map the address itself.
    var address: UInt64
    /// The address is where a call returns to: the call is before it.
    var isCaller: Bool
}

/// How much of a file is read to find names.
enum NameDepth: UInt8, Sendable {
    /// As linkers have them.
    case plain = 1
    /// As people have them.
    case names
    /// And what debug information says: lines, and what was inlined.
    case all
}

struct NameAnswer: Equatable, Sendable {
    /// A function that the compiler has put into another one.
    struct Inlined: Equatable, Sendable {
        var name: String
        var line: String?
    }

    /// The file's own address of the place.
    var address: UInt64
    var isProgram: Bool
    var name: String?
    /// `file:line`, if that is known.
    var line: String?
    /// The innermost first.
    var inlined: [Inlined] = []
}

/// The messages between observer, opener and reader.
///
/// Kinds from 16 on are the unwinder's (`UnwindMessage`).
enum HelperMessage: Equatable, Sendable {
    /// Observer to opener.
    case open(key: UInt32, FileRequest)
    /// Opener to observer. What was opened has been sent to the reader before.
    case opened(key: UInt32, Opening)
    /// Opener to reader, with a descriptor, and what the file holds.
    case file(key: UInt32, FileRequest.Kind, FileIdentity.Content)
    /// Reader to opener: the file that belongs to this one, in one of its places.
    case more(key: UInt32, MoreFile, place: UInt8)
    /// Opener to reader, with a descriptor if there is one.
    case moreFile(found: Bool)
    /// Observer to reader.
    case lookUp(id: UInt32, key: UInt32, NameDepth, [NameRequest])
    /// Reader to observer, nil if it does not have the file any more.
    case names(id: UInt32, [NameAnswer]?)
    /// Reader to observer, before the first names: no debug file with the file's build id is here.
    case lacks(key: UInt32, buildID: [UInt8])

    /// Bytes of the longest.
    static let limit = 192 << 10
    /// Places in one request.
    static let placeLimit = 48

    init?(_ bytes: [UInt8]) {
        var reader = MessageReader(bytes)
        guard let (kind, key) = reader.head() else { return nil }
        switch kind {
        case 1:
            guard let kind = reader.number(UInt8.self).flatMap(FileRequest.Kind.init),
                let pid = reader.number(Int32.self),
                let path = reader.text(), let start = reader.number(UInt64.self), let end = reader.number(UInt64.self),
                let known = reader.number(UInt8.self), let device = reader.number(UInt64.self),
                let inode = reader.number(UInt64.self), let size = reader.number(UInt64.self),
                let modified = reader.number(UInt64.self), let seconds = reader.number(Int64.self),
                let nanoseconds = reader.number(Int64.self), let fetched = reader.text(), let uid = reader.number(UInt32.self),
                let gid = reader.number(UInt32.self)
            else { return nil }
            self = .open(
                key: key,
                FileRequest(
                    kind: kind, pid: pid, path: path, start: start, end: end,
                    identity: known == 0
                        ? nil
                        : FileIdentity(
                            device: device, inode: inode,
                            content: known == 1 ? nil : FileIdentity.Content(size: size, modified: modified)),
                    toldAt: (seconds, nanoseconds),
                    fetched: fetched.isEmpty ? nil : FetchedFile(path: fetched, uid: uid, gid: gid)))
        case 2:
            guard let opening = reader.number(UInt8.self).flatMap(Opening.init) else { return nil }
            self = .opened(key: key, opening)
        case 3:
            guard let kind = reader.number(UInt8.self).flatMap(FileRequest.Kind.init),
                let size = reader.number(UInt64.self), let modified = reader.number(UInt64.self)
            else { return nil }
            self = .file(key: key, kind, FileIdentity.Content(size: size, modified: modified))
        case 4:
            guard let what = reader.number(UInt8.self), let place = reader.number(UInt8.self),
                let bytes = reader.bytes()
            else { return nil }
            switch what {
            case 0: self = .more(key: key, .buildID(bytes), place: place)
            case 1: self = .more(key: key, .link(bytes), place: place)
            case 2: self = .more(key: key, .again, place: place)
            default: return nil
            }
        case 5:
            self = .moreFile(found: key != 0)
        case 6:
            guard let file = reader.number(UInt32.self),
                let depth = reader.number(UInt8.self).flatMap(NameDepth.init),
                let count = reader.number(UInt16.self), count <= Self.placeLimit
            else { return nil }
            var places: [NameRequest] = []
            for _ in 0 ..< count {
                guard let address = reader.number(UInt64.self), let caller = reader.number(UInt8.self) else { return nil }
                places.append(NameRequest(address: address, isCaller: caller != 0))
            }
            self = .lookUp(id: key, key: file, depth, places)
        case 7:
            guard let count = reader.number(UInt16.self) else { return nil }
            if count == .max {
                self = .names(id: key, nil)
                break
            }
            guard count <= Self.placeLimit else { return nil }
            var answers: [NameAnswer] = []
            for _ in 0 ..< count {
                guard let address = reader.number(UInt64.self), let state = reader.number(UInt8.self), let text = reader.text()
                else { return nil }
                var answer = NameAnswer(address: address, isProgram: state & 2 != 0, name: state & 1 != 0 ? text : nil)
                guard let line = reader.text(), let inlined = reader.number(UInt8.self), inlined <= SymbolLimits.inlined else {
                    return nil
                }
                answer.line = line.isEmpty ? nil : line
                for _ in 0 ..< inlined {
                    guard let name = reader.text(), let line = reader.text() else { return nil }
                    answer.inlined.append(NameAnswer.Inlined(name: name, line: line.isEmpty ? nil : line))
                }
                answers.append(answer)
            }
            self = .names(id: key, answers)
        case 8:
            guard let id = reader.bytes() else { return nil }
            self = .lacks(key: key, buildID: id)
        default: return nil
        }
        guard reader.isAtEnd else { return nil }
    }

    var bytes: [UInt8] {
        var writer = MessageWriter()
        switch self {
        case .open(let key, let file):
            writer.head(1, key)
            writer.number(file.kind.rawValue)
            writer.number(file.pid)
            writer.bytes(file.path.utf8.prefix(4096))
            writer.number(file.start)
            writer.number(file.end)
            writer.number(UInt8(file.identity == nil ? 0 : file.identity?.content == nil ? 1 : 2))
            writer.number(file.identity?.device ?? 0)
            writer.number(file.identity?.inode ?? 0)
            writer.number(file.identity?.content?.size ?? 0)
            writer.number(file.identity?.content?.modified ?? 0)
            writer.number(file.toldAt.seconds)
            writer.number(file.toldAt.nanoseconds)
            writer.bytes((file.fetched?.path ?? "").utf8.prefix(4096))
            writer.number(file.fetched?.uid ?? 0)
            writer.number(file.fetched?.gid ?? 0)
        case .opened(let key, let opening):
            writer.head(2, key)
            writer.number(opening.rawValue)
        case .file(let key, let kind, let content):
            writer.head(3, key)
            writer.number(kind.rawValue)
            writer.number(content.size)
            writer.number(content.modified)
        case .more(let key, let what, let place):
            writer.head(4, key)
            let (number, content): (UInt8, [UInt8]) =
                switch what {
                case .buildID(let id): (0, id)
                case .link(let name): (1, name)
                case .again: (2, [])
                }
            writer.number(number)
            writer.number(place)
            writer.bytes(content.prefix(256))
        case .lacks(let key, let id):
            writer.head(8, key)
            writer.bytes(id.prefix(256))
        case .moreFile(let found): writer.head(5, found ? 1 : 0)
        case .lookUp(let id, let key, let depth, let places):
            writer.head(6, id)
            writer.number(key)
            writer.number(depth.rawValue)
            writer.number(UInt16(places.count))
            for place in places {
                writer.number(place.address)
                writer.number(UInt8(place.isCaller ? 1 : 0))
            }
        case .names(let id, let answers):
            writer.head(7, id)
            guard let answers else {
                writer.number(UInt16.max)
                break
            }
            writer.number(UInt16(answers.count))
            for answer in answers {
                writer.number(answer.address)
                writer.number(UInt8((answer.name == nil ? 0 : 1) | (answer.isProgram ? 2 : 0)))
                writer.bytes((answer.name ?? "").utf8.prefix(SymbolLimits.name + 8))
                writer.bytes((answer.line ?? "").utf8.prefix(SymbolLimits.source + 32))
                writer.number(UInt8(min(answer.inlined.count, SymbolLimits.inlined)))
                for inlined in answer.inlined.prefix(SymbolLimits.inlined) {
                    writer.bytes(inlined.name.utf8.prefix(SymbolLimits.inlinedName + 8))
                    writer.bytes((inlined.line ?? "").utf8.prefix(SymbolLimits.source + 32))
                }
            }
        }
        return writer.all
    }
}

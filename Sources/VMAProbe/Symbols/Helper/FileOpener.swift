import CSystem
import Glibc

/// Opens what an observed process has mapped, or says of itself: the right file, or none.
///
/// A file that is mapped is opened with all our rights, by whatever name leads to it, and compared with what the
/// kernel said was mapped: who has mapped it can read it. What is only named (debug files, perf maps) is
/// opened with the process's own rights, so that nothing comes of it that the process could not read itself.
struct FileOpener {
    /// A user as the kernel knows it.
    private struct Rights {
        var uid: UInt32
        var gid: UInt32
        var groups: [UInt32]

        /// Of a user without files and groups.
        static let everybody = Rights(uid: .max, gid: .max, groups: [])
    }

    private var requests: [UInt32: FileRequest] = [:]
    /// When the processes of perf maps were started, by the requests: a process id comes again.
    private var starts: [UInt32: Substring] = [:]

    mutating func open(_ key: UInt32, _ request: FileRequest) -> (Opening, fd: Int32?) {
        if requests.count > SymbolLimits.files { (requests, starts) = ([:], [:]) }
        requests[key] = request
        switch request.kind {
        case .perfMap:
            let fd = perfMap(key, request.pid)
            return (fd == nil ? .missing : .opened, fd)
        case .mapped: return Self.mapped(request)
        }
    }

    /// Opens a file that belongs to one that was requested before.
    mutating func more(_ key: UInt32, _ what: MoreFile, place: Int) -> Int32? {
        guard let request = requests[key], place < what.places else { return nil }
        if what == .again { return perfMap(key, request.pid) }
        if case .buildID = what, place == what.places - 1 { return request.fetched.flatMap(Self.fetched) }
        let paths = Self.paths(what, beside: request.path)
        guard place / 2 < paths.count else { return nil }
        // First as the process sees it, which may live in a container.
        return Self.named(paths[place / 2], request, inOwnRoot: place % 2 == 0)
    }

    /// Where the debug file of the file at `path` can be.
    static func paths(_ what: MoreFile, beside path: String) -> [String] {
        switch what {
        case .again: return []
        case .buildID(let id):
            guard (2 ... 64).contains(id.count) else { return [] }
            let digits = id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
            return ["/usr/lib/debug/.build-id/\(digits[0])/\(digits[1...].joined()).debug"]
        case .link(let bytes):
            guard (1 ... 255).contains(bytes.count), !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")), bytes != [46, 46],
                bytes != [46], let slash = path.lastIndex(of: "/")
            else { return [] }
            let (folder, name) = (path[..<slash], String(decoding: bytes, as: UTF8.self))
            return ["\(folder)/\(name)", "\(folder)/.debug/\(name)", "/usr/lib/debug\(folder)/\(name)"]
        }
    }

    /// Calls `body` with the path of a process's folder in /proc: the same process's for as long as that takes, whoever
    /// may get its id next. Nil if there is no such process.
    static func withFolder<T>(_ pid: Int32, _ body: (String) -> T?) -> T? {
        let folder = vms_open_place("/proc/\(pid)")
        guard folder >= 0 else { return nil }
        defer { close(folder) }
        return body("/proc/self/fd/\(folder)")
    }

    // MARK: what is mapped

    private static func mapped(_ request: FileRequest) -> (Opening, Int32?) {
        withFolder(request.pid) { mapped(request, $0) } ?? mapped(request, "/proc/\(request.pid)")
    }

    private static func mapped(_ request: FileRequest, _ process: String) -> (Opening, Int32?) {
        var found = Opening.missing
        func below(_ root: Int32) -> Int32 { expecting(request) { vms_open_below(root, request.path, true, $0, nil) } }
        func link(_ name: String) -> Int32 { expecting(request) { vms_open_link("\(process)/\(name)", $0) } }
        func check(_ fd: Int32, isLink: Bool = false) -> Int32? {
            if fd == -ESTALE, found != .changed { found = .another }
            if fd == -EACCES, found == .missing { found = .denied }
            guard fd >= 0 else { return nil }
            // A link of map_files is the mapping itself, if the kernel has not told what that is.
            if request.identity.map({ isSame(fd, $0) }) ?? isLink {
                guard isChanged(fd, request) else { return fd }
                found = .changed
            } else if found != .changed {
                found = .another
            }
            close(fd)
            return nil
        }
        if request.identity != nil, case let root = vms_open_place("\(process)/root"), root >= 0 {
            defer { close(root) }
            if let fd = check(below(root)) { return (.opened, fd) }
        }
        // The process may have replaced or removed it: what it has mapped is still there.
        if request.end > request.start {
            if let fd = check(link(mapFile(request)), isLink: true) { return (.opened, fd) }
        }
        if request.identity != nil {
            if let fd = check(link("exe")) { return (.opened, fd) }
            let root = vms_open_place("/")
            defer { if root >= 0 { close(root) } }
            if root >= 0, let fd = check(below(root)) {
                // The process has gone. A number that became free may be another file's by now.
                if let status = status(fd), !isLater(status.st_ctim, request.toldAt) { return (.opened, fd) }
                found = .another
                close(fd)
            }
        }
        return (found, nil)
    }

    /// The kernel's link to what a process has mapped, below its folder in /proc.
    private static func mapFile(_ request: FileRequest) -> String {
        "map_files/" + String(request.start, radix: 16) + "-" + String(request.end, radix: 16)
    }

    /// Calls `open` with the numbers of the file that was mapped, if they are known.
    private static func expecting(_ request: FileRequest, _ open: (UnsafePointer<vms_numbers>?) -> Int32) -> Int32 {
        guard let identity = request.identity else { return open(nil) }
        var numbers = vms_numbers(device: identity.device, inode: identity.inode)
        return open(&numbers)
    }

    private static func status(_ fd: Int32) -> stat? {
        var status = stat()
        return fstat(fd, &status) == 0 ? status : nil
    }

    private static func isLater(_ time: timespec, _ other: (seconds: Int64, nanoseconds: Int64)) -> Bool {
        (Int64(time.tv_sec), Int64(time.tv_nsec)) > other
    }

    /// Whether the file was written to since the kernel told of it. What has it mapped sees the new content, but not what
    /// its stacks were made of before.
    ///
    /// A build id would say no more: the mapped pages are those of the file as it is now.
    private static func isChanged(_ fd: Int32, _ request: FileRequest) -> Bool {
        guard let status = status(fd) else { return true }
        if let content = request.identity?.content { return content != FileIdentity.Content(status) }
        return request.identity != nil && request.toldAt.seconds > 0 && isLater(status.st_mtim, request.toldAt)
    }

    /// - Parameter opened: opens the file, if `fd` is only its place.
    private static func isSame(_ fd: Int32, _ identity: FileIdentity, orOpened opened: (() -> Int32)? = nil) -> Bool {
        var status = stat()
        guard fstat(fd, &status) == 0 else { return false }
        let device = UInt64(status.st_dev)
        // gnu_dev_major(3), gnu_dev_minor(3)
        let major = device >> 8 & 0xfff | device >> 32 & ~0xfff
        let minor = device & 0xff | device >> 12 & ~0xff
        if identity.hasNumber(of: FileIdentity(device: major << 32 | minor & 0xffff_ffff, inode: UInt64(status.st_ino))) {
            return true
        }
        // Some file systems (btrfs, overlayfs) tell stat(2) another device than they map: map it, and see.
        let file = opened.map { $0() } ?? fd
        defer { if opened != nil, file >= 0 { close(file) } }
        guard let page = mmap(nil, 1, PROT_READ, MAP_PRIVATE, file, 0), page != MAP_FAILED else { return false }
        defer { munmap(page, 1) }
        return ownMapping(UInt64(UInt(bitPattern: page)))?.hasNumber(of: identity) ?? false
    }

    /// The file of a mapping of this process, as /proc/self/maps shows it.
    private static func ownMapping(_ start: UInt64) -> FileIdentity? {
        let prefix = String(start, radix: 16) + "-"
        for line in ProcFile.lines("/proc/self/maps") where line.hasPrefix(prefix) {
            return MapsLine(line)?.identity
        }
        return nil
    }

    // MARK: what is only named

    /// The rights with which a process opens files, and the user that it runs as.
    private static func rights(_ process: String) -> Rights? {
        func numbers(_ field: String) -> [UInt32] {
            (ProcFile.status(process, field)?.split { $0 == "\t" || $0 == " " } ?? []).compactMap { UInt32($0) }
        }
        let (users, groups) = (numbers("Uid"), numbers("Gid"))
        guard users.count == 4, groups.count == 4 else { return nil }
        // A program that is set-user-id has rights that who started it has not; also when it has made all its ids equal,
        // as sudo does.
        guard Set(users).count == 1, Set(groups).count == 1,
            ProcFile.bytes("\(process)/auxv").flatMap(gainsRights) == false
        else { return nil }
        return Rights(uid: users[1], gid: groups[1], groups: numbers("Groups"))
    }

    /// Whether exec has given a process rights of its program's file (AT_SECURE), by its auxiliary vector; nil if that
    /// does not say so.
    static func gainsRights(_ vector: [UInt8]) -> Bool? {
        func secure<Word: FixedWidthInteger>(_ type: Word.Type) -> Bool? {
            vector.withUnsafeBytes { bytes in
                let size = MemoryLayout<Word>.size
                for place in stride(from: 0, to: bytes.count - 2 * size + 1, by: 2 * size)
                where bytes.loadUnaligned(fromByteOffset: place, as: Word.self) == 23 {
                    return bytes.loadUnaligned(fromByteOffset: place + size, as: Word.self) != 0
                }
                return nil
            }
        }
        // Of a 32-bit program it has words of that size.
        return secure(UInt64.self) ?? secure(UInt32.self)
    }

    /// Opens a file that these rights would open by themselves; nil if they would not.
    private static func open(_ path: String, below root: Int32, links: Bool = true, _ rights: Rights) -> Int32? {
        let fd = rights.groups.withUnsafeBufferPointer { groups in
            var rights = vms_rights(uid: rights.uid, gid: rights.gid, groups: groups.baseAddress, count: groups.count)
            return vms_open_below(root, path, links, nil, &rights)
        }
        return fd >= 0 ? fd : nil
    }

    /// Whether a process has mapped now what it had when the request was made. exec takes all mappings away before it gives
    /// the rights of another program: who has this mapping still has had its rights when they were read before.
    static func stillMaps(_ request: FileRequest, _ process: String) -> Bool {
        guard request.end > request.start else { return false }
        let link = "\(process)/\(mapFile(request))"
        let place = vms_open_link_place(link)
        // Without CAP_CHECKPOINT_RESTORE only the link itself can be read, which is there as long as the mapping is.
        if place == -EPERM {
            var path = [CChar](repeating: 0, count: 8)
            return readlink(link, &path, path.count) > 0
        }
        guard place >= 0 else { return false }
        defer { close(place) }
        return request.identity.map { isSame(place, $0, orOpened: { vms_open_link(link, nil) }) } ?? true
    }

    private static func named(_ path: String, _ request: FileRequest, inOwnRoot: Bool) -> Int32? {
        let own = withFolder(request.pid) { process -> Int32? in
            let root = vms_open_place(inOwnRoot ? "\(process)/root" : "/")
            guard root >= 0 else { return nil }
            defer { close(root) }
            // In this order: a set-user-id program may have made all its ids equal by now.
            guard let rights = rights(process), stillMaps(request, process) else { return nil }
            return open(path, below: root, rights)
        }
        if let own { return own }
        guard !inOwnRoot else { return nil }
        let root = vms_open_place("/")
        guard root >= 0 else { return nil }
        defer { close(root) }
        // The process has gone, or we may not take its place: what everybody can read, if it is root's.
        guard let fd = open(path, below: root, .everybody) else { return nil }
        var status = stat()
        if fstat(fd, &status) == 0, status.st_uid == 0 { return fd }
        close(fd)
        return nil
    }

    /// Opens what was fetched from a server with the rights of the user for whom it was.
    private static func fetched(_ file: FetchedFile) -> Int32? {
        let root = vms_open_place("/")
        guard root >= 0 else { return nil }
        defer { close(root) }
        return open(file.path, below: root, Rights(uid: file.uid, gid: file.gid, groups: []))
    }

    /// Opens the perf map of a process, which must belong to the process's user, in its own mount namespace and below
    /// its root, and not be reached by a link.
    private mutating func perfMap(_ key: UInt32, _ pid: Int32) -> Int32? {
        Self.withFolder(pid) { process in
            guard let start = Self.start(process), starts[key, default: start] == start else { return nil }
            starts[key] = start
            return Self.perfMap(pid, process)
        }
    }

    /// When a process was started (starttime of proc_pid_stat(5)), in clock ticks since the machine was.
    private static func start(_ process: String) -> Substring? {
        guard let stat = ProcFile.text("\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[end...].split(separator: " ")
        return fields.count > 20 ? fields[20] : nil
    }

    private static func perfMap(_ pid: Int32, _ process: String) -> Int32? {
        guard let rights = rights(process) else { return nil }
        let root = vms_open_place("\(process)/root")
        guard root >= 0 else { return nil }
        defer { close(root) }
        // The process knows its id in its own namespace, the last of the list.
        let own = ProcFile.status(process, "NSpid")?.split { $0 == "\t" || $0 == " " }.last ?? "\(pid)"
        guard let fd = open("/tmp/perf-\(own).map", below: root, links: false, rights) else { return nil }
        var status = stat()
        if fstat(fd, &status) == 0, status.st_uid == rights.uid, status.st_nlink <= 1 { return fd }
        close(fd)
        return nil
    }
}

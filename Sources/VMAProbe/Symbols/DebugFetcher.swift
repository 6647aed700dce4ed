import CSystem
import Glibc

/// Fetches debug files from the servers that DEBUGINFOD_URLS names, by `debuginfod-find` of elfutils, which keeps them
/// in its cache. It runs beside vmascope, as an ordinary user; nothing here waits.
public final class DebugFetcher {
    public enum Trouble: Error, Equatable {
        case noServers
        case noProgram
        /// Root may not become an ordinary user.
        case noUser
        /// There is no place where an ordinary user could keep what comes.
        case noPlace
    }

    /// The program, and as whom it runs.
    struct Settings {
        var program: String
        var environment: [String]
        var uid: UInt32
        var gid: UInt32
        /// A directory of ours for what is fetched, removed at the end; nil where the user has a cache.
        var scratch: String?
        var time = SymbolLimits.fetchTime
    }

    private struct Fetch {
        var pid: Int32
        var output: Int32
        var since: UInt64
        var bytes: [UInt8] = []
        /// The files of which it is the debug file.
        var keys: [UInt32]
    }

    private let settings: Settings
    private var tasks: [String: Fetch] = [:]
    /// In the order in which they were asked for.
    private var waiting: [(id: String, keys: [UInt32])] = []
    private var results: [String: FetchedFile?] = [:]
    private var ended: [Int32] = []
    /// Fetches that were ended, and may have left a part of a file.
    private var lost: UInt32 = 0
    /// Debug files that came, and those that did not.
    private(set) var counts = (fetched: 0, missing: 0)

    /// Starts nothing yet.
    public convenience init() throws(Trouble) { self.init(try Self.settings()) }

    init(_ settings: Settings) { self.settings = settings }

    deinit { stop() }

    var isBusy: Bool { !tasks.isEmpty || !waiting.isEmpty }

    /// Asks for the debug file of a file. Returns false where none will be asked for: `advance` then says nothing of it.
    func ask(_ key: UInt32, _ buildID: [UInt8]) -> Bool {
        // What the program gets of a file that anybody may have made is a number in hexadecimal digits.
        guard (8 ... 64).contains(buildID.count) else { return false }
        let id = buildID.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        if let place = waiting.firstIndex(where: { $0.id == id }) {
            waiting[place].keys.append(key)
        } else if results[id] != nil || results.count + tasks.count + waiting.count < SymbolLimits.fetches {
            waiting.append((id, [key]))
        } else {
            return false
        }
        return true
    }

    /// Goes on, and returns the files that are done, each with its debug file if that came.
    func advance(_ now: UInt64) -> [(UInt32, FetchedFile?)] {
        ended.removeAll { vms_has_ended($0, nil) }
        var done: [(UInt32, FetchedFile?)] = []
        for (id, task) in tasks {
            var task = task
            let hasEnded = read(&task)
            tasks[id] = task
            guard hasEnded || now > task.since + settings.time else { continue }
            if !hasEnded { lost += 1 }
            finish(id, task)
            done += task.keys.map { ($0, results[id] ?? nil) }
        }
        while tasks.count < SymbolLimits.fetchesAtOnce, !waiting.isEmpty {
            let (id, keys) = waiting.removeFirst()
            if let known = results[id] {
                done += keys.map { ($0, known) }
            } else if tasks[id] != nil {
                tasks[id]!.keys += keys
            } else if !start(id, keys, now) {
                results[id] = .some(nil)
                counts.missing += 1
                done += keys.map { ($0, nil) }
            }
        }
        return done
    }

    /// Ends what is under way, and removes what nobody can use again.
    func stop() {
        for task in tasks.values {
            vms_end_helper(task.pid)
            close(task.output)
            ended.append(task.pid)
        }
        (tasks, waiting) = ([:], [])
        for _ in 0 ..< 100 where !ended.isEmpty {
            ended.removeAll { vms_has_ended($0, nil) }
            if !ended.isEmpty { _ = vms_wait(-1, -1, 1) }
        }
        if let scratch = settings.scratch { vms_remove_tree(scratch, settings.uid, settings.gid) }
    }

    private func start(_ id: String, _ keys: [UInt32], _ now: UInt64) -> Bool {
        var output: Int32 = -1
        let earlier = results.values.compactMap { $0?.path }
        let pid = Self.withCStrings([settings.program, "debuginfo", id]) { arguments in
            Self.withCStrings(settings.environment) { environment in
                Self.withCStrings(earlier) { earlier in
                    vms_spawn_fetch(arguments, environment, settings.uid, settings.gid, earlier, lost, &output)
                }
            }
        }
        guard pid > 0 else { return false }
        tasks[id] = Fetch(pid: pid, output: output, since: now, keys: keys)
        return true
    }

    /// Bytes of a path.
    private static let longest = 4096

    /// Whether it has closed its output, or says more than a path.
    private func read(_ task: inout Fetch) -> Bool {
        var buffer = [UInt8](repeating: 0, count: Self.longest)
        while task.bytes.count <= Self.longest {
            let got = Glibc.read(task.output, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            if got < 0 { return errno != EAGAIN }
            if got == 0 { return true }
            task.bytes += buffer[..<got]
        }
        return true
    }

    private func finish(_ id: String, _ task: Fetch) {
        vms_end_helper(task.pid)
        close(task.output)
        ended.append(task.pid)
        tasks[id] = nil
        // The path of a file in its cache: whether that is the debug file is seen by the build id in it.
        let line = task.bytes.prefix { $0 != UInt8(ascii: "\n") }
        var file: FetchedFile?
        if line.count < task.bytes.count, line.first == UInt8(ascii: "/"), !line.contains(0) {
            file = FetchedFile(path: String(decoding: line, as: UTF8.self), uid: settings.uid, gid: settings.gid)
        }
        results[id] = .some(file)
        if file == nil { counts.missing += 1 } else { counts.fetched += 1 }
    }

    // MARK: the program

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// What `debuginfod-find` and the library under it read of the environment.
    private static let passed = [
        "DEBUGINFOD_URLS", "DEBUGINFOD_HEADERS_FILE", "DEBUGINFOD_CACHE_PATH", "XDG_CACHE_HOME", "HOME", "http_proxy",
        "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    ]

    private static func settings() throws(Trouble) -> Settings {
        guard variable("DEBUGINFOD_URLS") != nil else { throw .noServers }
        let places = (variable("PATH") ?? "").split(separator: ":").map(String.init) + ["/usr/bin", "/usr/local/bin"]
        guard let place = places.first(where: { $0.hasPrefix("/") && access("\($0)/debuginfod-find", X_OK) == 0 }) else {
            throw .noProgram
        }
        var environment: [String: String] = [:]
        for name in passed { environment[name] = variable(name) }
        environment["DEBUGINFOD_MAXTIME"] = "\(SymbolLimits.fetchTime / 1_000_000_000)"
        environment["DEBUGINFOD_TIMEOUT"] = "20"
        var (uid, gid) = (geteuid(), getegid())
        var scratch: String?
        if uid == 0 {
            guard Capabilities.current.effective >> 6 & 3 == 3 else { throw .noUser }
            // The user who has become root by sudo, or one that does not exist.
            let asked = (variable("SUDO_UID").flatMap { UInt32($0) }, variable("SUDO_GID").flatMap { UInt32($0) })
            if let user = asked.0, let group = asked.1, user != 0, let entry = getpwuid(user) {
                (uid, gid) = (user, group)
                environment["HOME"] = String(cString: entry.pointee.pw_dir)
            } else {
                // Numbers that no other process has: what lies in its directory is its own.
                uid = 0x7000_0000 + UInt32.random(in: 0 ..< 7 << 16)
                gid = uid
                var template = Array("/var/cache/vmascope-debuginfod-XXXXXX".utf8CString)
                guard mkdtemp(&template) != nil, chown(template, uid, gid) == 0 else { throw .noPlace }
                let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
                scratch = folder
                environment["DEBUGINFOD_CACHE_PATH"] = folder
                environment["HOME"] = folder
                environment["XDG_CACHE_HOME"] = nil
            }
        }
        return Settings(
            program: "\(place)/debuginfod-find", environment: environment.map { "\($0.key)=\($0.value)" }.sorted(), uid: uid,
            gid: gid, scratch: scratch)
    }

    private static func withCStrings<T>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> T
    ) -> T {
        let copies = strings.map { strdup($0) } + [nil]
        defer { copies.forEach { free($0) } }
        return copies.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}

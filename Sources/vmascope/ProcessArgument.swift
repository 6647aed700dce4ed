import ArgumentParser
import VMAProbe
import VMAReport
import VMASession

/// The process that `attach` and `layout` are about: a pid, or a name that one process has.
struct ProcessArgument: ParsableArguments {
    @Argument(
        help: .init("The process: its pid, or its name if no other process has it.", valueName: "process"),
        completion: .custom { words, index, prefix in ProcessCompletion.words(prefix) })
    var process: String?

    @Option(
        name: [.short, .customLong("pid")], help: "The pid of the process.",
        completion: .custom { words, index, prefix in
            ProcessCompletion.words(prefix, names: false)
        }, transform: Parse.process)
    var pid: Int32?

    func validate() throws {
        if process != nil, pid != nil { throw ValidationError("one process only: a pid or a name, or -p PID") }
        if process == nil, pid == nil {
            throw ValidationError("no process: write its pid, or its name, as in 'vmascope attach redis-server'")
        }
        if let process, Int64(process) != nil { _ = try Self.number(process) }
        if process?.isEmpty == true { throw ValidationError("the name of the process is empty") }
    }

    private static func number(_ text: String) throws -> Int32 {
        do { return try Parse.process(text) } catch let error as ValidationError {
            throw ValidationError("'\(text)': \(error.message)")
        }
    }

    /// - Throws: `Failure` with 66 if nobody has the name, with 64 if several have it, which are listed.
    func find() throws -> Int32 {
        if let pid { return try Target.process(pid) }
        let name = process ?? ""
        if let pid = Int32(name) { return try Target.process(pid) }
        let all = NamedProcess.all()
        let found = NamedProcess.named(name, among: all.processes)
        if found.count == 1 { return found[0].pid }
        guard !found.isEmpty else {
            // A process that holds its mmap_lock has arguments that nobody can read.
            let unread =
                switch all.unread {
                case 0: ""
                case 1: ", as far as could be read: 1 process did not let itself be read; if it is that, write its pid"
                case let count:
                    ", as far as could be read: \(count) processes did not let themselves be read; if it is one of them, write its pid"
                }
            throw Failure(message: "there is no process named '\(name)'\(unread)", status: 66)
        }
        throw Failure(
            message: "\(found.count) processes are named '\(name)': write the pid of one of them", status: 64,
            details: Self.list(found.map { ($0.pid, $0.line.isEmpty ? $0.command : $0.line) }))
    }

    private static let listed = 20

    private static func list(_ found: [(pid: Int32, line: String)]) -> [String] {
        let width = found.map { String($0.pid).count }.max() ?? 0
        var lines = found.prefix(listed).map { pid, line in
            String(repeating: " ", count: width - String(pid).count) + "\(pid)  \(Fit.end(Fit.printable(line), 80))"
        }
        if found.count > listed { lines.append("and \(found.count - listed) more") }
        return lines
    }
}

/// What a shell offers where a process is to be written: pids with their programs, and names that one process has.
enum ProcessCompletion {
    @Sendable static func words(_ prefix: String, names: Bool = true) -> [String] {
        words(prefix, NamedProcess.all().processes, CompletionShell.requesting, names: names)
    }

    static func words(_ prefix: String, _ all: [NamedProcess], _ shell: CompletionShell?, names: Bool) -> [String] {
        let all = all.filter(\.hasAddressSpace)
        let pids = all.filter { String($0.pid).hasPrefix(prefix) }
        let counts = names ? all.reduce(into: [String: Int]()) { $0[$1.command, default: 0] += 1 } : [:]
        let unique = counts.filter { $1 == 1 && $0.hasPrefix(prefix) && isPlain($0) && Int($0) == nil }.keys.sorted()
        let isChoice = pids.count + unique.count > 1
        return pids.map { process in
            let what = clean(process.line.isEmpty ? process.command : process.line)
            switch shell {
            case .zsh?: return "\(process.pid):\(what)"
            case .fish?: return "\(process.pid)\t\(what)"
            // bash has no place for a description: it is part of the word as long as there is a choice. Of what has
            // slashes it would show the last part.
            default: return isChoice ? "\(process.pid)  \(clean(process.command))" : String(process.pid)
            }
        } + unique
    }

    /// A shell reads words back, and splits them: what it could take for more than a name is not offered as one.
    private static func isPlain(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
                    UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "+"):
                    return true
                default: return byte == UInt8(ascii: "-") && name.utf8.first != byte
                }
            }
    }

    /// A description is other people's text, and shells expand what is in it.
    private static func clean(_ text: String) -> String {
        String(
            text.utf8.prefix(60).map { byte in
                let plain = byte >= 0x20 && byte < 0x7f && !"$`\\\"';:|&<>(){}[]!*?~#".utf8.contains(byte)
                return Character(Unicode.Scalar(plain ? byte : UInt8(ascii: "_")))
            })
    }
}

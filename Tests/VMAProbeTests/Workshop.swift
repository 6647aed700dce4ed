import CSystem
import Foundation
import TestSupport

@testable import VMAProbe

struct Trouble: Error, CustomStringConvertible {
    var description: String
}

/// A directory for programs compiled by a test, gone with it.
final class Workshop {
    let directory: String

    init() throws {
        var template = Array("/tmp/symbols-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble(description: "no temporary directory") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: false, encoding: .utf8)
        return path(name)
    }

    /// From PATH, or beside the Swift compiler.
    static func tool(_ names: String...) throws -> String {
        var places = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for place in places where access(place + "/swift", X_OK) == 0 {
            let swift = URL(fileURLWithPath: place + "/swift").resolvingSymlinksInPath()
            places.append(swift.deletingLastPathComponent().path)
        }
        for name in names {
            for place in places where access("\(place)/\(name)", X_OK) == 0 { return "\(place)/\(name)" }
        }
        throw Trouble(description: "this test needs one of \(names) in PATH")
    }

    func run(_ tool: String, _ arguments: [String]) throws {
        let (status, bytes) = try Child.run([tool] + arguments, in: directory)
        guard status == 0 else {
            throw Trouble(
                description: "\(tool) \(arguments.joined(separator: " ")): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    /// Compiles `source` ("x.c", "x.cpp", "x.S") to the program or library `name`.
    func build(_ name: String, _ source: String, _ text: String, _ flags: String...) throws -> String {
        let compiler = source.hasSuffix(".cpp") ? try Self.tool("clang++", "c++") : try Self.tool("clang", "cc")
        try run(compiler, [try write(source, text), "-O1", "-o", path(name)] + flags)
        return path(name)
    }

    func objcopy(_ arguments: String...) throws { try run(try Self.tool("objcopy", "llvm-objcopy"), arguments) }
}

/// A program that has told where its functions are ("name address") and waits.
final class Running {
    private let process: Child
    private let input = Pipe()
    private var addresses: [String: UInt64] = [:]
    /// Its own, not that of what starts it.
    private(set) var pid: Int32 = 0

    /// The main() of such a program, which tells of `names`.
    static func main(_ names: String...) -> String {
        let lines = names.map { "printf(\"\($0) %lx\\n\", (unsigned long)\($0));" }.joined()
        return "int main(void) { \(lines) puts(\"ready\"); fflush(stdout); getchar(); return 0; }\n"
    }

    /// `arguments`, if not empty, make `program` start the one in question as its child.
    init(_ program: String, _ arguments: [String] = []) throws {
        let output = Pipe()
        process = try Child(
            [program] + arguments, input: input.fileHandleForReading.fileDescriptor,
            output: output.fileHandleForWriting.fileDescriptor)
        try output.fileHandleForWriting.close()
        var text = ""
        while !text.contains("ready\n") {
            let data = output.fileHandleForReading.availableData
            guard !data.isEmpty else { throw Trouble(description: "\(program) has ended after \(text)") }
            text += String(decoding: data, as: UTF8.self)
        }
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2 { addresses[String(words[0])] = UInt64(words[1], radix: 16) }
        }
        pid = process.processIdentifier
        if !arguments.isEmpty {
            let children = try String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
            guard let child = children.split(separator: " ").first.flatMap({ Int32($0) }) else {
                throw Trouble(description: "\(program) has no child")
            }
            pid = child
        }
    }

    deinit { stop() }

    func stop() {
        if pid > 0 { kill(pid, SIGKILL) }
        kill(process.processIdentifier, SIGKILL)  // it may have inherited a mask that blocks all others
        process.waitUntilExit()
    }

    /// Of a function, as an event would tell it: without " (deleted)".
    func place(_ name: String, plus: UInt64 = 0) throws -> MappedPlace {
        guard let address = addresses[name].map({ $0 + plus }) else { throw Trouble(description: "no word of \(name)") }
        for line in try String(contentsOfFile: "/proc/\(pid)/maps", encoding: .utf8).split(separator: "\n") {
            let fields = line.split(separator: " ", maxSplits: 5)
            let ends = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
            guard ends[0] <= address, address < ends[1], fields.count == 6 else { continue }
            var place = MappedPlace(
                path: fields[5].trimmingCharacters(in: .whitespaces).replacingOccurrences(of: " (deleted)", with: ""),
                fileOffset: UInt64(fields[2], radix: 16)! + address - ends[0], address: address, mappingStart: ends[0])
            place.mappingEnd = ends[1]
            let device = fields[3].split(separator: ":").compactMap { UInt64($0, radix: 16) }
            place.identity = FileIdentity(device: device[0] << 32 | device[1], inode: UInt64(fields[4])!)
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            place.toldAt = (Int64(now.tv_sec), Int64(now.tv_nsec))
            return place
        }
        throw Trouble(description: "\(name) is not mapped")
    }
}

enum RegularFile {
    static func open(_ path: String) -> Int32? {
        let fd = vms_open_link(path, nil)
        return fd >= 0 ? fd : nil
    }
}

import Foundation
import TestSupport
import Testing

@testable import VMAUnwind

/// Compares walks with those of libdw (elfutils), which sees the whole memory of the process: tools/stacks/oracle.c
/// stops programs at their system calls and writes down both.
@Suite("Walks and libdw's", .serialized)
struct OracleTests {
    struct Trouble: Error, CustomStringConvertible {
        var description: String
    }

    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func source(_ name: String) -> String { root.appending(path: "tools/stacks/\(name)").path }

    private static func run(_ command: [String], mayFail: Bool = false) throws {
        let (status, bytes) = try Child.run(command)
        guard mayFail || status == 0 else {
            throw Trouble(description: "\(command.joined(separator: " ")): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private static func compiler(_ name: String) throws -> String {
        var places = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for place in places where access(place + "/swift", X_OK) == 0 {
            places.append(URL(filePath: place + "/swift").resolvingSymlinksInPath().deletingLastPathComponent().path)
        }
        guard let place = places.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
            throw Trouble(description: "this test needs \(name) in PATH")
        }
        return "\(place)/\(name)"
    }

    /// A directory, gone with it, in which the oracle is compiled.
    private final class Workshop {
        let path: String

        init() throws {
            var template = Array("/tmp/stacks-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw Trouble(description: "no temporary directory") }
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try run(["cc", "-O1", "-o", "\(path)/oracle", source("oracle.c"), "-ldw", "-lelf"])
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func stops(_ most: Int, _ command: [String]) throws -> [RecordedStop] {
            // What the command itself returns says nothing about its stacks.
            try run(["\(path)/oracle", "\(path)/stops", "\(most)", "65536"] + command, mayFail: true)
            return RecordedStop.all("\(path)/stops")
        }
    }

    private static func compare(_ stops: [RecordedStop], _ name: String) {
        let files = RecordedFiles()
        for stop in stops {
            let ours = files.unwind(stop)
            let verdict = Verdict(ours, stop)
            // What a signal on another stack has interrupted lies outside of the copy: what is told of it is marked.
            if case .cut(wanted: nil) = ours.ending, verdict == .shorterMarked || verdict == .differsMarked { continue }
            #expect(verdict == .equal, "\(name): \(RecordedFiles.text(ours, stop))")
        }
    }

    @Test(
        "are equal in a program of all kinds of frames, however it is compiled",
        arguments: [
            ["g++", "-O2", "-fomit-frame-pointer"], ["g++", "-O1", "-static-pie", "-s", "-fno-omit-frame-pointer"],
        ])
    func kinds(_ flags: [String]) throws {
        let shop = try Workshop()
        let program = "\(shop.path)/kinds"
        let compiler = try Self.compiler(flags[0])
        try Self.run(
            [compiler, "-w", "-pthread", "-o", program, Self.source("kinds.cpp")] + flags.dropFirst())
        let stops = try shop.stops(200, [program])
        #expect(stops.count > 60)
        #expect(stops.contains { $0.frames.contains { $0.name.contains("on_fault") } } || flags.contains("-s"))
        Self.compare(stops, flags.joined(separator: " "))
    }

    @Test(
        "are equal in programs of the system",
        arguments: [
            ["bash", "-c", "x=$(seq 2000); for i in $x; do a[$i]=$i; done; ls /"],
            [
                "python3", "-c",
                "import json, threading; json.dumps([bytes(9).hex()] * 9999); t = threading.Thread(target=lambda: bytearray(999999)); t.start(); t.join()",
            ],
        ])
    func system(_ command: [String]) throws {
        let stops = try Workshop().stops(60, command)
        #expect(stops.count > 10)
        Self.compare(stops, command[0])
    }

    /// For tools/stacks/compare: files that the oracle has written, one row each.
    @Test(
        "are counted in what was recorded before",
        .enabled(if: ProcessInfo.processInfo.environment["VMASCOPE_STACKS"] != nil))
    func recorded() {
        let paths = (ProcessInfo.processInfo.environment["VMASCOPE_STACKS"] ?? "").split(separator: ":")
        print("| program | stacks | equal | cut, and marked so | the reference ends first | different | of these marked |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for path in paths {
            let stops = RecordedStop.all(String(path))
            let files = RecordedFiles()
            var counts: [Verdict: Int] = [:]
            for stop in stops {
                let ours = files.unwind(stop)
                let verdict = Verdict(ours, stop)
                counts[verdict, default: 0] += 1
                if verdict != .equal { print(RecordedFiles.text(ours, stop)) }
            }
            func count(_ verdicts: Verdict...) -> Int { verdicts.reduce(0) { $0 + counts[$1, default: 0] } }
            let row = [
                stops.count, count(.equal), count(.shorterMarked), count(.longer),
                count(.differs, .differsMarked, .shorterUnmarked), count(.differsMarked),
            ]
            print("| \(path) | \(row.map(String.init).joined(separator: " | ")) |")
        }
    }
}

import Foundation
import Testing

/// What is refused to the program of one of these tests costs the others' observers their budget: one at a time.
@Suite("the whole system's observer and what is refused", .serialized)
struct RefusedCalls {}

extension RefusedCalls {
    /// Calls that are refused to processes that nobody follows.
    @Suite("vmascope system and calls that are refused", .serialized)
    struct RefusalTests {
        private struct Report: Decodable {
            struct Refused: Decodable {
                var pid: Int
                var op: String
                var reason: String?
                var count: Int
                var stack: [String]
            }
            var refused: [Refused]
        }

        private static let program = Result {
            let folder = try TemporaryFolder()
            let source = Repository.root.appendingPathComponent("scenarios/load/refused.c").path
            try Shell.must("clang", "-O1", "-fomit-frame-pointer", "-o", folder.path("refused"), source)
            return folder
        }

        private func observe(
            _ count: Int, _ end: String, environment: [String: String] = [:]
        ) throws -> (rows: [Report.Refused], gone: [Report.Refused], errors: String) {
            let folder = try TemporaryFolder()
            let observer = try Victim(
                Repository.vmascope.path,
                [
                    "system", "--interval", "0.5s", "--json", "--textfile", folder.url.path, "--output", folder.path("report"),
                    "--budget", "100%",
                ], environment: environment)
            try observer.wait { FileManager.default.fileExists(atPath: folder.path("vmascope.prom")) }
            let load = try Victim(try Self.program.get().path("refused"), ["\(count)", end])
            if end == "exit" {
                load.process.waitUntilExit()
                #expect(load.process.terminationStatus == 0)
            } else {
                try load.wait { load.output.contains("refused \(count)") }
            }
            Thread.sleep(forTimeInterval: 1.5)
            kill(observer.process.processIdentifier, SIGINT)
            observer.process.waitUntilExit()
            #expect(observer.process.terminationStatus == 0, "\(observer.errors)")
            let report = try JSONDecoder().decode(Report.self, from: Data(folder.text("report").utf8))
            return (report.refused.filter { "\($0.pid)" == load.pid }, report.refused.filter { $0.pid == 0 }, observer.errors)
        }

        @Test("the function is named that made the call, of a program without frame pointers")
        func stack() throws {
            let (rows, _, errors) = try observe(3, "stay")
            #expect(
                rows.map(\.count).reduce(0, +) == 3 && rows.allSatisfy { $0.op == "mmap" && $0.reason == "rlimit_as" }, "\(rows)")
            let stack = try #require(rows.first).stack
            #expect(stack.contains("ask_for_too_much") && stack.contains("main") && !stack.contains("0x0"), "\(stack)")
            #expect(errors.contains("by ask_for_too_much ← main"), "\(errors)")
        }

        // Whether its functions have names depends on who comes first: the observer, which is woken, or the end of the process.
        @Test("all are counted of a process that ends at once")
        func gone() throws {
            let rows = try observe(3, "exit").rows
            #expect(
                rows.map(\.count).reduce(0, +) == 3 && rows.allSatisfy { $0.reason == "rlimit_as" && !$0.stack.isEmpty },
                "\(rows)")
        }

        /// Each of them could be in a user namespace, by its id, and a directory service gives such ids to people.
        @Test("no user keeps another from being warned of, whatever their ids are")
        func shares() throws {
            let folder = try TemporaryFolder()
            let observer = try Victim(
                Repository.vmascope.path,
                ["system", "--interval", "10s", "--textfile", folder.url.path, "--output", "/dev/null", "--budget", "100%"])
            try observer.wait { FileManager.default.fileExists(atPath: folder.path("vmascope.prom")) }
            func refused(_ user: Int) throws -> Victim {
                let load = try Victim(
                    "setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups",
                    try Self.program.get().path("refused"), "1", "stay")
                try load.wait { load.output.contains("refused 1") }
                return load
            }
            // More than one user's warnings are printed of in an interval, and fewer than all users'.
            let many = try (0 ..< 8).map { _ in try refused(200_001) }
            let one = try refused(300_001)
            try observer.wait { observer.errors.contains("refused[\(one.pid)]: ") }
            #expect(many.count { observer.errors.contains("refused[\($0.pid)]: ") } == 4, "\(observer.errors)")
        }

        @Test("none is lost where the ring has no room for them", arguments: ["stay", "exit"])
        func lost(_ end: String) throws {
            let (rows, gone, _) = try observe(20_000, end, environment: ["VMASCOPE_RING": "4096"])
            // Other programs that are refused something meanwhile are among those that found no room.
            let counted = rows.map(\.count).reduce(0, +)
            #expect(counted <= 20_000 && counted + gone.map(\.count).reduce(0, +) >= 20_000, "\(rows) \(gone)")
        }
    }
}

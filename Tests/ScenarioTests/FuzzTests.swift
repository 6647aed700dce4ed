import Foundation
import Testing

/// Random operations under observation; `make fuzz` does more of them.
@Suite("random VMA operations on this kernel", .serialized)
struct FuzzTests {
    private static let random: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try compile(folder.path("random"))
        return folder
    }

    static func compile(_ program: String) throws {
        try Shell.must(
            "clang", "-static", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", program,
            Repository.root.appendingPathComponent("scenarios/load/random.c").path)
    }

    @Test("end with agreement on every attempt, and equal layouts at each pause", arguments: [(1, 1), (2, 4), (3, 4)])
    func operations(_ seed: Int, _ threads: Int) throws {
        let folder = try Self.random.get()
        let pauses = 10
        var compared = false
        // As often as they can be: what else the machine does decides how many comparisons a pause has room for.
        for pause in [250, 1_000, 4_000] where !compared {
            let report = folder.path("report\(seed)-\(pause)")
            let outcome = try Vmascope.run(
                [
                    "run", "--source", "tracepoints", "--json", "--no-stacks", "--output", report, "--", folder.path("random"),
                    "-p", "1000:\(pause)", "\(seed)", "\(1000 * pauses)", "\(threads)",
                ], environment: ["VMASCOPE_AUDIT_INTERVAL": "50"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let found = try ReportFile(folder.text("report\(seed)-\(pause)"))
            #expect(found.doubts.isEmpty, "\(outcome.errors)")
            #expect(found.totals.attempts > 3_000)
            // Beside those at the ends of processes.
            compared = found.layout_audit.checked > found.processes.count + pauses / 2
        }
        #expect(compared)
    }

    @Test("say how much was not seen where the ring is far too small, and are right in the end")
    func smallRing() throws {
        let folder = try Self.random.get()
        // A layout is compared once it was read anew and nothing was lost since. How long that takes, the machine's
        // other work decides: the program waits longer the next time.
        var compared = 0
        for pause in [800, 4_000, 16_000] where compared == 0 {
            let report = folder.path("small\(pause)")
            let outcome = try Vmascope.run(
                [
                    "run", "--source", "tracepoints", "--json", "--no-stacks", "--output", report, "--", folder.path("random"),
                    "-p", "5000:\(pause)", "-x", "fork,vfork,exec,outside,share", "9", "20000", "2",
                ], environment: ["VMASCOPE_AUDIT_INTERVAL": "50", "VMASCOPE_RING": "8192"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let found = try ReportFile(folder.text("small\(pause)"))
            #expect(found.events.lost > 100 && found.layout_audit.resynced > 0)
            #expect(found.agreement.unexplained == 0, "\(outcome.errors)")
            #expect(found.layout_audit.equal == found.layout_audit.checked, "\(outcome.errors)")
            compared = found.layout_audit.checked
        }
        #expect(compared > 0)
    }

    @Test("are shrunk to the one that matters, of one thread and of several")
    func shrinking() throws {
        let folder = try Self.random.get()
        let outcome = try Shell.run(
            Repository.root.appendingPathComponent("tools/fuzz"), [Repository.vmascope.path, folder.path("random"), "0", "7"],
            environment: ["FUZZ_FAIL_IF": "shmat", "FUZZ_SOURCES": "tracepoints", "FUZZ_OPS": "2000"])
        #expect(outcome.status == 1, "\(outcome.errors)")
        let lists = outcome.output.matches(of: /\n1 operations are left:\n[0-3]:\d+ shmat\n/)
        #expect(lists.count == 2, "\(outcome.output)")
    }

    @Test("are the same ones each time, and again from their list")
    func replay() throws {
        let folder = try Self.random.get()
        let random = URL(fileURLWithPath: folder.path("random"))
        func logged(_ name: String, _ arguments: String...) throws -> (log: String, counts: String) {
            let outcome = try Shell.run(random, ["-l", folder.path(name)] + arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return (folder.text(name), outcome.output)
        }
        let first = try logged("first", "5", "5000", "1")
        #expect(first.log.split(separator: "\n").count == 5000)
        #expect(try logged("second", "5", "5000", "1") == first)
        #expect(try logged("third", "-f", folder.path("first"), "5", "5000", "1") == first)
        let several = try logged("several", "6", "3000", "4")
        #expect(try logged("again", "-f", folder.path("several"), "6", "3000", "4").log == several.log)
    }

    @Test("can be left out by names, which have to be right")
    func names() throws {
        let random = URL(fileURLWithPath: try Self.random.get().path("random"))
        let without = try Shell.run(random, ["-x", "fork,mmap", "1", "2000", "1"])
        #expect(without.status == 0 && without.output.contains("fork=0/0") && without.output.contains("mmap=0/0"))
        let wrong = try Shell.run(random, ["-x", "forks", "1", "2000", "1"])
        #expect(wrong.status == 2 && wrong.errors.contains("'forks'"))
    }
}

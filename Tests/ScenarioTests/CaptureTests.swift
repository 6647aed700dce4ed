import Foundation
import Testing

/// `vmascope system --capture`: what it records by itself.
@Suite("A capture", .serialized)
struct CaptureTests {
    /// Splits a VMA each 5 ms, from 2,000 VMAs on.
    private static let program = """
        #include <sys/mman.h>
        #include <unistd.h>
        __attribute__((noinline)) static void split(char *area, int i) {
            mprotect(area + i * 4096, 4096, PROT_READ);
            __asm__ volatile("" ::: "memory");
        }
        int main(void) {
            char *area = mmap(0, 40000 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int i = 1; i < 40000; i += 2) {
                split(area, i);
                if (i > 2000) usleep(5000);
            }
            return 0;
        }
        """

    private struct Outcome {
        var errors: String
        var last: SystemFile
        var folder: TemporaryFolder
        var pid: String
        var files: [String]
    }

    private func capture(_ name: String, _ arguments: String...) throws -> Outcome {
        let folder = try TemporaryFolder()
        try Self.program.write(toFile: folder.path("splits.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-O1", "-g", "-o", folder.path(name), folder.path("splits.c"))
        try FileManager.default.createDirectory(
            atPath: folder.path("captures"), withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let victim = try Victim(folder.path(name))
        let outcome = try Vmascope.run(
            [
                "system", "--interval", "0.5s", "--format", "ndjson", "--comm", name, "--warn-at", "2%", "--capture",
                folder.path("captures"),
            ] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return Outcome(
            errors: outcome.errors, last: try #require(try SystemFile.all(outcome.output).last), folder: folder,
            pid: victim.pid, files: try FileManager.default.contentsOfDirectory(atPath: folder.path("captures")).sorted())
    }

    @Test("of a process near the limit is a recording, its report, and the answer on stderr")
    func near() throws {
        let found = try capture("splits", "--duration", "12s", "--capture-for", "2s", "--capture-within", "1s")
        #expect(found.files.count == 2, "\(found.files) \(found.errors)")
        let row = try #require(found.last.captures?.first)
        #expect("\(row.pid)" == found.pid && row.reason == "near" && row.complete == true && row.failure == nil, "\(row)")
        #expect(row.file.hasPrefix(found.folder.path("captures") + "/splits-\(found.pid)-"))
        #expect(found.errors.contains("captured splits[\(found.pid)] for 2 s ("), "\(found.errors)")
        #expect(found.errors.contains("by split ← main"), "\(found.errors)")
        let report = try Vmascope.run(["report", row.file])
        let kept = try String(contentsOfFile: row.file.dropLast(4) + ".txt", encoding: .utf8)
        #expect(report.status == 0 && report.output == kept)
        for file in found.files {
            let attributes = try FileManager.default.attributesOfItem(atPath: found.folder.path("captures/\(file)"))
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("that is not over when system ends is ended, and kept")
    func cut() throws {
        let found = try capture("splits", "--duration", "6s", "--capture-for", "1h", "--capture-max", "1")
        let row = try #require(found.last.captures?.first)
        #expect(found.files.count == 2 && row.complete == true, "\(row) \(found.errors)")
        #expect(try Vmascope.run(["report", row.file]).status == 0)
    }

    @Test("is none without the option, and with a directory that is not there nothing begins")
    func none() throws {
        let outcome = try Vmascope.run(["system", "-d", "0.5s", "--format", "ndjson", "--comm", "nobody"])
        #expect(try #require(try SystemFile.all(outcome.output).last).captures == nil)
        let refused = try Vmascope.run(["system", "-d", "0.5s", "--capture", "/no/such/directory"])
        #expect(refused.status == 74 && refused.errors.contains("--capture /no/such/directory: No such file or directory"))
        let alone = try Vmascope.run(["system", "-d", "0.5s", "--capture-for", "10s"])
        #expect(alone.status == 64 && alone.errors.contains("--capture-for says how --capture FOLDER works"))
    }
}

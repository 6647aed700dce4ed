import Foundation
import Testing

/// Debug files that come from a server.
@Suite("Debug files from a server")
struct DebugFileTests {
    private static let source = """
        #include <sys/mman.h>
        static __attribute__((noinline)) void change(char *page) {
            mprotect(page, 4096, PROT_READ); __asm__ volatile("" ::: "memory");
        }
        int main(void) {
            char *p = mmap(0, 400 * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int i = 0; i < 100; i++) change(p + (4 * i + 1) * 4096L);
            return 0;
        }
        """

    private static let buildID = "0123456789abcdef0123456789abcdef01234567"

    /// A stripped program, whose debug file is where a server has it.
    private static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try source.write(toFile: folder.path("program.c"), atomically: true, encoding: .utf8)
        try Shell.must(
            "cc", "-g", "-O2", "-Wl,--build-id=0x\(buildID)", "-o", folder.path("program"), folder.path("program.c"))
        try Shell.must("mkdir", "-p", folder.path("buildid/\(buildID)"))
        try Shell.must("objcopy", "--only-keep-debug", folder.path("program"), folder.path("buildid/\(buildID)/debuginfo"))
        try Shell.must("objcopy", "--strip-all", folder.path("program"))
        return folder
    }

    private static func script(_ folder: TemporaryFolder, _ text: String) throws -> Outcome {
        try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "timeout", "-s", "KILL", "120", "bash", "-c", text],
            environment: ["VMASCOPE": Repository.vmascope.path])
    }

    private static let serve = """
        rm -f port; python3 -c '
        import http.server
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        print(server.server_port, flush=True)
        server.serve_forever()' >port 2>log & server=$!
        trap "kill $server" EXIT
        until [ -s port ]; do sleep 0.1; done
        export DEBUGINFOD_URLS=http://127.0.0.1:$(cat port)

        """

    @Test("give names where they are asked for, and nobody is asked otherwise")
    func names() throws {
        let folder = try Self.folder()
        let without = try Self.script(
            folder, Self.serve + "\"$VMASCOPE\" run --json --output report -- ./program; s=$?; cat log; exit $s")
        #expect(without.status == 0 && !without.output.contains("GET"), "\(without.output)\(without.errors)")
        #expect(!folder.text("report").contains("change"))
        let with = try Self.script(
            folder,
            Self.serve + "\"$VMASCOPE\" run --debuginfod --lines --json --output report -- ./program; s=$?; cat log; exit $s")
        #expect(with.status == 0, "\(with.output)\(with.errors)")
        #expect(with.output.contains("GET /buildid/\(Self.buildID)/debuginfo"))
        #expect(folder.text("report").contains("change at program.c:3"), "\(with.errors)")
    }

    @Test("are asked for by an ordinary user, with no more of a file than the digits of its build id")
    func asker() throws {
        let folder = try Self.folder()
        let outcome = try Self.script(
            folder,
            """
            mkdir bin; touch asked; chmod 666 asked; chmod 755 . bin
            printf '#!/bin/sh\\necho "$(id -u) $*" >>%s/asked\\n' "$PWD" >bin/debuginfod-find; chmod 755 bin/debuginfod-find
            PATH=$PWD/bin:$PATH DEBUGINFOD_URLS=http://127.0.0.1:1 "$VMASCOPE" run --debuginfod --json --output report -- ./program
            """)
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        let asked = folder.text("asked").split(separator: "\n")
        #expect(asked.contains { $0.hasSuffix(" debuginfo \(Self.buildID)") }, "\(asked)")
        for line in asked {
            #expect(!line.hasPrefix("0 ") && line.split(separator: " ").last?.contains { !$0.isHexDigit } == false, "\(line)")
        }
        #expect(outcome.errors.contains("were not to be had"))
        let left = try FileManager.default.contentsOfDirectory(atPath: "/var/cache").filter {
            $0.hasPrefix("vmascope-debuginfod-")
        }
        #expect(left.isEmpty)
    }

    @Test("need a server")
    func none() throws {
        let folder = try TemporaryFolder()
        let outcome = try Self.script(folder, "unset DEBUGINFOD_URLS; \"$VMASCOPE\" run --debuginfod -- true")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains("DEBUGINFOD_URLS is not set"))
    }
}

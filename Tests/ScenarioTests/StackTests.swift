import Foundation
import Testing

/// Whole call stacks, of programs that keep no frame pointers, too. As the kernel allows it: by tracepoints or hooks.
@Suite("Call stacks")
struct StackTests {
    /// Two functions of equal frames, by which the same third one maps and changes memory, none with a frame pointer.
    private static let source = """
        #include <sys/mman.h>
        static __attribute__((noinline)) void change(char *page, int i) {
            volatile char room[3000]; room[i] = 1;
            mprotect(page, 4096, PROT_READ); __asm__ volatile("" ::: "memory");
        }
        static __attribute__((noinline)) void left(char *page, int i) { change(page, i); __asm__ volatile("" ::: "memory"); }
        static __attribute__((noinline)) void right(char *page, int i) { change(page, i ^ 1); __asm__ volatile("" ::: "memory"); }
        int main(void) {
            char *p = mmap(0, 4000 * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int i = 0; i < 500; i++) left(p + (4 * i + 1) * 4096L, i), right(p + (4 * i + 3) * 4096L, i);
            return 0;
        }
        """

    private struct Row: Decodable {
        var op: String?
        var count: Int
        var stack: [String]
        var stack_complete: Bool?
    }

    private struct Found: Decodable { var standing: [Row] }

    /// The stacks of what mprotect has left, each with how often, as one words it: function names only.
    private static func stacks(_ options: [String], _ flags: [String]) throws -> [(
        frames: [String], count: Int, isComplete: Bool?
    )] {
        let folder = try TemporaryFolder()
        let (code, program) = (folder.path("program.c"), folder.path("program"))
        try source.write(toFile: code, atomically: true, encoding: .utf8)
        let built = try Shell.run(URL(fileURLWithPath: "/usr/bin/env"), ["cc"] + flags + ["-o", program, code])
        try #require(built.status == 0, "\(built.errors)")
        let result = try Shell.run(Repository.vmascope, ["run", "--json"] + options + ["--", program])
        try #require(result.status == 0, "\(result.errors)")
        let found = try JSONDecoder().decode(Found.self, from: Data(result.output.utf8))
        return found.standing.filter { $0.op == "mprotect" }.map { row in
            (row.stack.map { String($0.prefix { $0 != " " && $0 != "." }) }, row.count, row.stack_complete)
        }
    }

    @Test(
        "name the function that calls, with and without frame pointers",
        arguments: [["-O2", "-fomit-frame-pointer"], ["-O2", "-fno-omit-frame-pointer"], ["-O1", "-static"]])
    func callers(flags: [String]) throws {
        let rows = try Self.stacks([], flags).filter { $0.frames.contains("change") }
        for caller in ["left", "right"] {
            let own = rows.filter { $0.frames.starts(with: ["mprotect", "change", caller, "main"]) }
            #expect(own.reduce(0) { $0 + $1.count } == 1000)
            #expect(own.allSatisfy { $0.isComplete == true })
        }
        #expect(Set(rows.map(\.frames)).count == 2)
    }

    @Test("say that the direct caller was not seen, where only frame pointers are followed")
    func framePointers() throws {
        let rows = try Self.stacks(["--no-copies"], ["-O2", "-fno-omit-frame-pointer"]).filter { $0.count > 100 }
        #expect(!rows.isEmpty)
        #expect(rows.allSatisfy { $0.frames.starts(with: ["mprotect", "…"]) && $0.isComplete == false })
    }

    /// Changes memory for a quarter of a minute, in one lap after the other, from ever other depths of the stack. Signals
    /// that end it may be blocked.
    private static let endless = """
        #include <sys/mman.h>
        #include <unistd.h>
        static __attribute__((noinline)) void change(char *page, int i) {
            mprotect(page, 4096, i & 1 ? PROT_READ : PROT_NONE); __asm__ volatile("" ::: "memory");
        }
        static __attribute__((noinline)) void deep(char *p, int i, int n) {
            volatile char *room = __builtin_alloca(16 + 16 * (n % 3000));
            room[0] = 1; change(p + (4 * i + 1) * 4096L, n / 500); room[1] = 1;
        }
        int main(void) {
            char *p = mmap(0, 4000 * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int n = 0; n < 13000; n++, usleep(1000)) deep(p, n % 500, n);
        }
        """

    /// Runs a script with `$VMASCOPE`, and the endless program as `$PROGRAM`. Returns what mprotect has left by its
    /// report.
    private static func script(_ text: String) throws -> (rows: [Row], outcome: Outcome) {
        let folder = try TemporaryFolder()
        let (code, program) = (folder.path("program.c"), folder.path("program"))
        try endless.write(toFile: code, atomically: true, encoding: .utf8)
        try Shell.must("cc", "-O2", "-fomit-frame-pointer", "-o", program, code)
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["-C", folder.url.path, "timeout", "-s", "KILL", "90", "bash", "-c", text],
            environment: ["VMASCOPE": Repository.vmascope.path, "PROGRAM": program])
        try #require(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        struct Report: Decodable { var missed: [Row], standing: [Row] }
        let report = try JSONDecoder().decode(Report.self, from: Data(folder.text("report").utf8))
        return ((report.missed + report.standing).filter { $0.op == "mprotect" }, outcome)
    }

    @Test("are not those of a path's first call, where its files were opened too late for that")
    func lateFiles() throws {
        let folder = try TemporaryFolder()
        let text = """
            #include <sys/mman.h>
            #include <unistd.h>
            static __attribute__((noinline)) void change(char *page, int i) {
                mprotect(page, 4096, i & 1 ? PROT_READ : PROT_NONE); __asm__ volatile("" ::: "memory");
            }
            int main(void) {
                char *p = mmap(0, 40000 * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                for (int n = 0; n < 6000; n++, usleep(1000)) change(p + (4 * n + 1) * 4096L, n);
            }
            """
        try text.write(toFile: folder.path("program.c"), atomically: true, encoding: .utf8)
        // A frame pointer, which is all that is used without tables, is the same in each call.
        try Shell.must("cc", "-O2", "-fno-omit-frame-pointer", "-o", folder.path("program"), folder.path("program.c"))
        // What opens files is stopped before the program starts, until its first stacks have been waited for.
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"),
            [
                "-C", folder.url.path, "timeout", "-s", "KILL", "90", "bash", "-c",
                """
                "$VMASCOPE" run --json --output report -- sh -c 'touch started; exec ./program' & o=$!
                stopped=
                until [ -e started ]; do
                    for p in $(cat /proc/$o/task/*/children 2>/dev/null); do
                        grep -qa debug-symbol-opener /proc/$p/cmdline && kill -STOP $p && stopped="$stopped $p"
                    done
                done
                sleep 1.5; kill -CONT $stopped; wait $o
                """,
            ], environment: ["VMASCOPE": Repository.vmascope.path])
        try #require(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        let found = try JSONDecoder().decode(Found.self, from: Data(folder.text("report").utf8))
        let rows = found.standing.filter { $0.op == "mprotect" && $0.stack.contains { $0.hasPrefix("change") } }
        #expect(rows.filter { $0.stack_complete == true }.reduce(0) { $0 + $1.count } > 1000, "\(outcome.errors)")
    }

    @Test("are whole from the first event on, where a running process is attached to")
    func attached() throws {
        let (rows, _) = try Self.script(
            """
            $PROGRAM & p=$!; sleep 1; "$VMASCOPE" attach --duration 2s --json --output report $p; s=$?; kill -KILL $p; exit $s
            """)
        #expect(rows.reduce(0) { $0 + $1.count } > 100)
        for row in rows {
            let frames = row.stack.map { String($0.prefix { $0 != " " && $0 != "." }) }
            #expect(frames.starts(with: ["mprotect", "change"]) && frames.contains("main"), "\(frames)")
            #expect(row.stack_complete == true)
        }
    }

    @Test(
        "are told as not seen where what unwinds them does not answer, and the rest of the report is as ever",
        arguments: ["STOP", "KILL"])
    func unwinder(_ signal: String) throws {
        let (rows, outcome) = try Self.script(
            """
            "$VMASCOPE" run --duration 25s --json --output report -- $PROGRAM & o=$!
            sleep 2
            for i in $(seq 60); do
                for p in $(cat /proc/$o/task/*/children); do
                    grep -qa debug-unwinder /proc/$p/cmdline && kill -\(signal) $p && break 2
                done
                sleep 0.1
            done
            wait $o
            """)
        // Stopped, it is ended and started anew, and stacks are known again.
        #expect(rows.contains { $0.stack_complete == true && $0.stack.contains { $0.hasPrefix("change") } })
        #expect(rows.reduce(0) { $0 + $1.count } > 100)
        if signal == "STOP" { #expect(outcome.errors.contains("took too long to unwind"), "\(outcome.errors)") }
    }
}

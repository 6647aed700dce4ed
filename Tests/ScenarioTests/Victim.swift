import Foundation
import TestSupport

/// A process that runs while others look at it, until it is let go.
final class Victim {
    let process: Child
    private let folder: TemporaryFolder

    convenience init(_ program: String, _ arguments: String...) throws { try self.init(program, arguments) }

    init(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        let (output, errors) = (try folder.handle("out"), try folder.handle("err"))
        process = try Child(
            [program] + Tuning.arguments(arguments, environment), environment: environment, output: output.fileDescriptor,
            errors: errors.fileDescriptor)
    }

    /// A program of this name, which is in `folder` then, that sleeps.
    static func sleeping(as name: String, in folder: TemporaryFolder) throws -> Victim {
        try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: folder.path(name))
        let victim = try Victim(folder.path(name), "600")
        try victim.wait { (try? String(contentsOfFile: "/proc/\(victim.pid)/comm", encoding: .utf8)) == "\(name)\n" }
        return victim
    }

    deinit {
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    var pid: String { "\(process.processIdentifier)" }
    var output: String { folder.text("out") }
    var errors: String { folder.text("err") }

    /// Waits until `isReady`, for half a minute at most.
    func wait(until isReady: () -> Bool) throws {
        for _ in 0 ..< 3000 {
            if isReady() { return }
            usleep(10_000)
        }
        throw Shell.Failure(description: "\(process.arguments) did not get ready\n\(errors)")
    }
}

/// Programs with more VMAs than one reading of a layout holds.
enum Victims {
    static let idle = program("pause();")
    static let busy = program(
        """
        for (;;) {
            char *a = map(0, 3);
            a[0] = a[4096] = a[8192] = 1;
            munmap(a + 4096, 4096);
            mremap(a + 8192, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, a + 4096);
            munmap(a, 8192);
            usleep(20000);
        }
        """)

    private static func program(_ body: String) -> Result<TemporaryFolder, any Error> {
        Result {
            let folder = try TemporaryFolder()
            let source = """
                #define _GNU_SOURCE
                #include <sys/mman.h>
                #include <unistd.h>
                static char *map(char *at, int pages) {
                    return mmap(at, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                }
                int main(void) {
                    char *area = map(0, 13000);
                    for (int i = 0; i < 13000; i += 4)
                        mprotect(area + i * 4096, 2 * 4096, PROT_READ);
                    if (write(1, "ready\\n", 6) != 6)
                        return 1;
                    \(body)
                    return 0;
                }
                """
            try source.write(toFile: folder.path("victim.c"), atomically: true, encoding: .utf8)
            try Shell.must("clang", "-O1", "-o", folder.path("victim"), folder.path("victim.c"))
            return folder
        }
    }
}

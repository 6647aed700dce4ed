import ArgumentParser
import Glibc
import VMAReport

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What has changed between two reports: did the change help?",
        discussion: "Both are JSON reports (--json). With --fail-on 'delta.missed.pgoff>0' it is a check for CI.")

    @Argument(help: "The report before.")
    var before: String

    @Argument(help: "The report after.")
    var after: String

    @Flag(help: "As JSON (vmascope.diff.v1).")
    var json = false

    @Option(help: "Write it to this file, not to stdout.")
    var output: String?

    @Option(
        help: "End with status 3 if this holds of the report after, or of the difference: 'delta.missed>0'.",
        transform: Parse.condition)
    var failOn: Condition?

    func run() throws {
        let destination = try Output(output)
        let (old, new) = (try ReportFile.read(before), try ReportFile.read(after))
        let comparison = Comparison(before: old, after: new)
        try destination.write(json ? comparison.json() : comparison.text((before, after)))
        if let failure = failOn?.failure(new, since: old) { throw Failure.condition(failure) }
    }
}

/// A report that was kept in a file.
enum ReportFile {
    /// Other kinds of file that a report can be made of are told apart here, by how they begin.
    static func read(_ path: String) throws -> Figures {
        let bytes = try contents(path)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(message: "\(path): it is no text", status: 65)
        }
        do { return try Figures(text) } catch { throw Failure(message: "\(path): \(error.message)", status: 65) }
    }

    private static func contents(_ path: String) throws -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        func failure() -> Failure { Failure(message: "\(path): \(String(cString: strerror(errno)))", status: 66) }
        guard fd >= 0 else { throw failure() }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(fd, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure() }
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }
}

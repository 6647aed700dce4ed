import Foundation
import Testing

/// Recordings of a few hundred kilobytes that stand for very much: `docs/limits.md` says what reading one may take.
@Suite("a recording of very many processes", .serialized)
struct CrowdTests {
    /// The private memory, in megabytes, that a report may take. Each recording took two to four times as much when rows
    /// of boundaries were kept of each process, twice.
    private static let bounds: [(CrowdRecording, processes: Int, megabytes: Int)] = [
        (.motley, 6000, 330), (.shrunk, 4000, 330), (.ended, 6000, 330),
    ]

    @Test("is read within the memory that its size justifies", arguments: bounds.indices)
    func memory(_ index: Int) throws {
        let (kind, processes, megabytes) = Self.bounds[index]
        let folder = try TemporaryFolder()
        let file = folder.path("crowd.vmt")
        try Data(kind.bytes(processes)).write(to: URL(fileURLWithPath: file))
        for format in kind == .motley ? ["json", "html"] : ["text"] {
            let outcome = try Shell.run(
                URL(fileURLWithPath: "/bin/sh"),
                [
                    "-c", "ulimit -d \(megabytes << 10); exec \"$0\" \"$@\"", Repository.vmascope.path, "report", file,
                    "--format", format, "--output", folder.path("report"),
                ])
            #expect(outcome.status == 0, "\(kind) \(format): \(outcome.errors)")
        }
    }
}

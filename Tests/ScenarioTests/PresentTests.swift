import Foundation
import Testing

/// scenarios/load/present.c: how many pages of what is moved, and of what a patch would absorb, are present.
@Suite("pages that are present", .serialized)
struct PresentTests {
    /// What the program prints of ranges, and what a report says of them.
    struct Sums: Decodable, Equatable {
        var ranges: Int?
        var pages: Int
        var pages_present: Int?
        var pages_zero: Int?
        var pages_swapped: Int?
        var ranges_unknown: Int
        var sizes: [String: Int]?
        var sizes_present: [String: Int]?

        var counts: [Int?] { [pages, pages_present, pages_zero, pages_swapped, ranges_unknown] }
    }

    private struct Proposal: Decodable {
        var merges: Int
        var pages: Int
        var pages_present: Int?
        var pages_zero: Int?
        var pages_swapped: Int?
        var ranges_unknown: Int
        var sizes: [String: Int]
        var sizes_present: [String: Int]
        var updated: Sums?
    }

    private struct Gain: Decodable {
        var moved: Sums
        var by_proposal: [String: Proposal]
    }

    private struct Report: Decodable {
        struct Process: Decodable {
            var comm: String
            var gain: Gain
        }
        var processes: [Process]
    }

    static func compile(_ path: String) throws {
        let source = Repository.root.appendingPathComponent("scenarios/load/present.c").path
        try Shell.must("clang", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, source)
    }

    static let script = """
        dd if=/dev/zero of=/root/present.swap bs=1M count=16 2> /dev/null
        mkswap /root/present.swap > /dev/null 2>&1 && swapon /root/present.swap
        for source in tracepoints hooks; do
            $vmascope run --source $source --json --output $source.present -- /root/programs/present \
                > $source.present.out 2> $source.present.err
        done
        swapoff /root/present.swap 2> /dev/null
        """

    private func check(_ json: String, _ printed: String, _ errors: String) throws {
        let report = try ReportFile(json)
        #expect(report.doubts.isEmpty, "\(errors)")
        var expected: [Substring: [Int]] = [:]
        for line in printed.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 6 { expected[words[0]] = words.dropFirst().compactMap { Int($0) } }
        }
        let (moved, absorbed) = (try #require(expected["moved"]), try #require(expected["absorbed"]))
        let updated = try #require(expected["updated"])
        let processes = try JSONDecoder().decode(Report.self, from: Data(json.utf8)).processes
        let gain = try #require(processes.first { $0.comm == "present" }).gain

        #expect(gain.moved.ranges == moved[0])
        #expect(gain.moved.counts == moved.dropFirst() + [0])
        #expect(gain.moved.sizes?.values.reduce(0, +) == moved[0])
        #expect(gain.moved.sizes_present?.values.reduce(0, +) == moved[0])
        #expect(gain.moved.sizes_present?["0"] == 1, "one has no page any more")

        let series = try #require(gain.by_proposal["rfc2022"])
        // What is swapped out can be in the swap cache still, which the series calls shared.
        guard moved[4] == 0 else { return }
        #expect(series.merges == absorbed[0])
        #expect(
            [series.pages, series.pages_present, series.pages_zero, series.pages_swapped, series.ranges_unknown]
                == absorbed.dropFirst() + [0])
        #expect(series.sizes_present.values.reduce(0, +) == absorbed[0])
        #expect(series.updated?.ranges == updated[0])
        #expect(series.updated?.counts == updated.dropFirst() + [0])
        #expect(gain.by_proposal["cow-context"]?.updated == nil)
    }

    @Test("are as many as the process itself finds in its pagemap")
    func native() throws {
        let folder = try TemporaryFolder()
        try Self.compile(folder.path("present"))
        let outcome = try Vmascope.run(
            [
                "run", "--source", "tracepoints", "--json", "--record", folder.path("r.vmt"), "--output", folder.path("r.json"),
                "--", folder.path("present"),
            ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let json = folder.text("r.json")
        try check(json, outcome.output, outcome.errors)
        #expect(try Vmascope.run(["report", folder.path("r.vmt"), "--json"]).output == json)
    }

    @Test("guests say the same", arguments: Station.plain)
    func guests(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        let errors = guest.messages("\(station.source).present.err")
        try check(try guest.text("\(station.source).present"), try guest.text("\(station.source).present.out"), errors)
    }
}

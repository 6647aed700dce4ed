import Foundation
import TestSupport
import Testing

/// Formats that other tools open.
@Suite("formats", .serialized)
struct FormatTests {
    private static let goPprof = "/usr/share/gocode/src/github.com/google/pprof/proto"

    /// A recording of the small workload, and the report of it.
    private static let demo: Result<(folder: TemporaryFolder, report: ReportFile), any Error> = Result {
        let folder = try TemporaryFolder()
        try Demo.compile(folder.path("workload"))
        let outcome = try Vmascope.run(["run", "--json", "--record", folder.path("f.vmt"), "--", folder.path("workload")])
        return (folder, try ReportFile(outcome.output))
    }

    private func made(_ format: String, _ name: String) throws -> (path: String, report: ReportFile) {
        let (folder, report) = try Self.demo.get()
        let outcome = try Vmascope.run(["report", folder.path("f.vmt"), "-o", folder.path(name)])
        #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.errors)")
        return (folder.path(name), report)
    }

    @Test("pprof's samples are the report's misses, boundaries, gaps, refusals and VMAs")
    func pprof() throws {
        let (path, report) = try made("pprof", "f.pb.gz")
        try Shell.must("gunzip", "-k", "-f", path)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: String(path.dropLast(3)))))
        let profile = try #require(ProtobufMessage(bytes))
        let strings = profile.strings(6)
        #expect(strings.first == "" && Set(strings).count == strings.count)
        let types = profile.messages(1).map { strings[Int($0.number(1) ?? 0)] }
        #expect(types == ["misses", "boundaries", "gaps", "refusals", "vmas"])
        var sums = [Int](repeating: 0, count: 5)
        var frames: Set<UInt64> = []
        for sample in profile.messages(2) {
            for (place, value) in sample.packed(2).enumerated() { sums[place] += Int(value) }
            frames.formUnion(sample.packed(1))
            let labels = sample.messages(3).map { strings[Int($0.number(1) ?? 0)] }
            #expect(Set(labels).isSuperset(of: ["pid", "comm", "op", "blockers", "what_if"]))
        }
        #expect(sums[0] == report.totals.missed)
        #expect(sums[1] == report.processes.reduce(0) { $0 + $1.boundaries.total })
        #expect(sums[2] == report.processes.reduce(0) { $0 + $1.gaps.total })
        #expect(sums[4] == report.processes.reduce(0) { $0 + $1.vmas.now })
        let locations = profile.messages(4)
        #expect(frames.isSubset(of: locations.compactMap { $0.number(1) }))
        let functions = Dictionary(
            uniqueKeysWithValues: profile.messages(5).map { ($0.number(1) ?? 0, strings[Int($0.number(2) ?? 0)]) })
        #expect(Set(functions.values).isSuperset(of: ["compact_arena", "fill_hole", "main"]))
        // A location is a function's, or an address in a file.
        let mappings = Set(profile.messages(3).compactMap { $0.number(1) })
        for location in locations {
            let named = location.messages(4).allSatisfy { functions[$0.number(1) ?? 0] != nil }
            #expect(named && (location.number(2).map(mappings.contains) ?? !location.messages(4).isEmpty))
        }
    }

    @Test(
        "pprof's own definition decodes it", .enabled(if: FileManager.default.fileExists(atPath: goPprof + "/profile.proto")))
    func pprofByProtoc() throws {
        let (path, _) = try made("pprof", "g.pb.gz")
        let text = try Shell.must(
            "sh", "-c", "gunzip -c \(path) | protoc --decode perftools.profiles.Profile -I \(Self.goPprof) profile.proto")
        #expect(text.contains("string_table: \"compact_arena\"") && text.contains("sample_type {"))
        // A field that the definition does not have is printed as a number.
        #expect(text.firstMatch(of: #/^\s*\d+:/#.anchorsMatchLineEndings()) == nil)
    }

    @Test(
        "pprof opens it",
        .enabled(
            if: (try? Shell.must("go", ["tool", "pprof", "-h"])) != nil
                || FileManager.default.isExecutableFile(atPath: "/usr/bin/go")))
    func pprofOpens() throws {
        let (path, report) = try made("pprof", "h.pb.gz")
        let top = try Shell.must("go", ["tool", "pprof", "-top", "-sample_index=misses", path])
        #expect(top.contains("Type: misses") && top.contains("main"), "\(top)")
        let tags = try Shell.must("go", ["tool", "pprof", "-tags", "-sample_index=misses", path])
        #expect(tags.contains("pgoff") && tags.contains("mremap") && tags.contains("workload"), "\(tags)")
        #expect(top.contains("of \(report.totals.missed) total"), "\(top)")
    }

    @Test("a trace has an instant for each miss, slices for sections, and counters that end as the report does")
    func perfetto() throws {
        let (path, report) = try made("perfetto", "f.pftrace")
        let trace = try #require(ProtobufMessage(Array(try Data(contentsOf: URL(fileURLWithPath: path)))))
        let packets = trace.messages(1)
        #expect(trace.fields.count == packets.count && packets.count > 100)
        var (names, keys, values): ([UInt64: String], [UInt64: String], [UInt64: String]) = ([:], [:], [:])
        var counters: [UInt64: String] = [:]
        var (instants, begins, ends) = (0, 0, 0)
        var last: [String: UInt64] = [:]
        var told: Set<String> = []
        func read(_ interned: ProtobufMessage, _ field: Int, _ table: inout [UInt64: String]) {
            for entry in interned.messages(field) { table[entry.number(1) ?? 0] = entry.strings(2).first }
        }
        for packet in packets {
            for interned in packet.messages(12) {
                read(interned, 2, &names)
                read(interned, 3, &keys)
                read(interned, 29, &values)
            }
            for descriptor in packet.messages(60) where descriptor.fields.contains(where: { $0.number == 8 }) {
                counters[descriptor.number(1) ?? 0] = descriptor.strings(2).first
            }
            for event in packet.messages(11) {
                #expect(packet.number(8) != nil)
                switch event.number(9) {
                case 1: begins += 1
                case 2: ends += 1
                case 3 where names[event.number(10) ?? 0]?.hasPrefix("missed: ") == true:
                    instants += 1
                    for note in event.messages(4) {
                        told.insert(keys[note.number(1) ?? 0] ?? "")
                        if keys[note.number(1) ?? 0] == "stack" { told.insert(values[note.number(17) ?? 0] ?? "") }
                    }
                case 4:
                    let name = counters[event.number(11) ?? 0] ?? ""
                    last[name] = max(last[name] ?? 0, event.number(30) ?? 0)
                default: break
                }
            }
        }
        #expect(instants == report.totals.missed)
        #expect(begins == ends && begins > 100)
        #expect(last["VMAs"].map(Int.init) == report.processes.map(\.vmas.peak).max())
        #expect((last["between: pgoff"] ?? 0) >= 12)
        #expect(told.isSuperset(of: ["op", "side", "blockers", "what_if", "range", "stack"]))
        #expect(told.contains { $0.contains("compact_arena") })
    }

    @Test("what is in bytes does not go to a terminal", arguments: ["pprof", "perfetto"])
    func terminal(_ format: String) throws {
        let command = "script -qec '\(Repository.vmascope.path) run --format \(format) -- true' /dev/null"
        let outcome = try Shell.run(URL(fileURLWithPath: "/bin/sh"), ["-c", command])
        #expect(outcome.status == 64 && outcome.output.contains("not for a terminal"), "\(outcome.output)")
    }

    @Test("a live run writes what its recording gives", arguments: ["pprof", "perfetto"])
    func live(_ format: String) throws {
        let (folder, _) = try Self.demo.get()
        let run = ["run", "--record", folder.path("live.vmt"), "--format", format, "-o", folder.path("live"), "--"]
        let outcome = try Vmascope.run(run + [folder.path("workload")])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let again = try Vmascope.run(["report", folder.path("live.vmt"), "--format", format, "-o", folder.path("again")])
        #expect(again.status == 0)
        try Shell.must("cmp", folder.path("live"), folder.path("again"))
    }
}

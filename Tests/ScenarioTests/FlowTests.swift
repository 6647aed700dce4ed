import Foundation
import Testing

/// What every process does, counted and sampled, against a load that knows its own numbers.
@Suite("vmascope system and what processes do", .serialized)
struct FlowTests {
    /// Nobody else's: others may be at the same at the same time.
    private static let command = "misses-\(getpid())"
    private static let misses = Result {
        let folder = try TemporaryFolder()
        try compile(folder.path(command))
        return folder
    }

    static func compile(_ path: String) throws {
        let source = Repository.root.appendingPathComponent("scenarios/load/misses.c").path
        try Shell.must("clang", "-static", "-O1", "-o", path, source)
    }

    /// Observes the load from before it begins until all of it is done.
    private func observe(
        _ arguments: String..., processes: Int, rounds: Int, environment: [String: String] = [:]
    ) throws -> (flow: SystemFile.Flow, sections: Int, missed: Int) {
        let folder = try TemporaryFolder()
        var all = ["system", "--comm", Self.command, "--interval", "0.5s", "--json", "--textfile", folder.url.path]
        all += ["--output", folder.path("report"), "--budget", "100%"] + arguments
        let observer = try Victim(Repository.vmascope.path, all, environment: environment)
        try observer.wait { FileManager.default.fileExists(atPath: folder.path("vmascope.prom")) }
        let load = try Victim(try Self.misses.get().path(Self.command), ["\(processes)", "\(rounds)"])
        try load.wait { load.output.contains("missed=") }
        kill(observer.process.processIdentifier, SIGINT)
        observer.process.waitUntilExit()
        #expect(observer.process.terminationStatus == 0, "\(observer.errors)")
        let flow = try #require(try SystemReportFile(folder.text("report")).system.flow)
        #expect(flow.layout_audit.equal == flow.layout_audit.checked && flow.layout_audit.checked > 0)
        let said = try #require(load.output.firstMatch(of: #/sections=(\d+) missed=(\d+)/#))
        return (flow, Int(said.1)!, Int(said.2)!)
    }

    private func missed(_ flow: SystemFile.Flow) -> SystemFile.Estimate? {
        flow.total.missed_by.first { $0.op == "mmap" && $0.blockers == ["prot"] }?.missed
    }

    @Test("counts and judges all of it where all is told")
    func all() throws {
        let (flow, sections, known) = try observe("--sample", "1", processes: 30, rounds: 40)
        #expect(flow.events.lost == 0 && flow.watched == 1)
        #expect(flow.total.sections("mmap", "munmap") == sections)
        let found = try #require(missed(flow))
        #expect(found.estimate == Double(known) && found.low == found.estimate && found.high == found.estimate)
        #expect(flow.agreement.checked > 1000 && flow.agreement.unexplained == 0 && flow.agreement.unjudged == 0)
    }

    @Test("counts all of it and estimates the rest where few are told")
    func some() throws {
        let (flow, sections, known) = try observe("--sample", "10", processes: 30, rounds: 200)
        #expect(flow.total.sections("mmap", "munmap") == sections, "what is counted is exact")
        #expect(flow.total.told < sections / 5 && flow.total.told > sections / 20)
        let found = try #require(missed(flow))
        // 1 in 20 is outside of its interval; none is as far outside as this.
        let margin = max(found.high - found.estimate, found.estimate - found.low)
        #expect(margin > 0 && abs(found.estimate - Double(known)) < 2.5 * margin, "\(found), \(known)")
        #expect(flow.agreement.unexplained == 0)
    }

    @Test("loses nothing where many begin at once, of whom each tells all at first")
    func storm() throws {
        let (flow, sections, known) = try observe(
            "--sample", "auto", processes: 1000, rounds: 40, environment: ["VMASCOPE_RING": "\(1 << 20)"])
        #expect(flow.events.lost == 0 && flow.sample_one_in.most > 1)
        #expect(flow.watched == 1 && flow.total.sections("mmap", "munmap") == sections)
        let found = try #require(missed(flow))
        let margin = max(found.high - found.estimate, found.estimate - found.low)
        #expect(abs(found.estimate - Double(known)) < 2.5 * margin, "\(found), \(known)")
        #expect(flow.agreement.unexplained == 0)
    }

    @Test("stands by what it counted where most of what was told is lost")
    func lost() throws {
        let (flow, sections, _) = try observe("--sample", "1", processes: 30, rounds: 40, environment: ["VMASCOPE_RING": "4096"])
        // What a process counted since the last interval goes with the record of its end, if that is lost.
        let counted = flow.total.sections("mmap", "munmap")
        #expect(flow.events.lost > 0 && counted <= sections && counted > 0)
        #expect(flow.agreement.unexplained == 0)
    }
}

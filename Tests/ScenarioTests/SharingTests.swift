import Foundation
import Testing

/// scenarios/sharing.c while it lives: of what stands it is said what would become of it now.
@Suite("what is shared", .serialized)
struct SharingTests {
    private static let scenario = Scenario.all.first { $0.name == "sharing" }!
    /// The name of the program.
    static let program = Programs.comm(scenario)

    /// The process, when it has done all that it does, and its child.
    private func victims() throws -> (parent: Victim, child: String) {
        let parent = try Victim(try Programs.path(Self.scenario), "stay")
        try parent.wait { parent.output.hasSuffix("\n") }
        return (parent, String(parent.output.split(separator: " ").last!.dropLast()))
    }

    @Test("a layout says, of the process and of its child")
    func layout() throws {
        let (parent, child) = try victims()
        for (pid, when) in [(parent.pid, "alive"), (child, "child")] {
            let outcome = try Vmascope.run(["layout", pid, "--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(Stock.of(try LayoutFile(outcome.output)) == Self.scenario.standing[when], "\(when)")
        }
    }

    @Test("so does the report of an observation, and that of its recording")
    func attach() throws {
        let (parent, _) = try victims()
        let folder = try TemporaryFolder()
        let live = try Vmascope.run(["attach", parent.pid, "--duration", "1s", "--json", "--record", folder.path("r.vmt")])
        let report = try ReportFile(live.output)
        #expect(report.doubts.isEmpty, "\(live.errors)")
        #expect(Stock.of(report, Int(parent.pid)!) == Self.scenario.standing["alive"])
        #expect(try Vmascope.run(["report", folder.path("r.vmt"), "--json"]).output == live.output)
    }

    @Test("guests say the same", arguments: Station.plain)
    func guests(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        for when in ["alive", "child"] {
            let layout = try LayoutFile(try guest.text("sharing.\(when)"))
            #expect(Stock.of(layout) == Self.scenario.standing[when], "\(when)")
        }
        guard guest.usable.contains(station.source) else { return }
        let report = try guest.report("\(station.source).sharing")
        #expect(report.doubts.isEmpty, "\(guest.messages("\(station.source).sharing.err"))")
        #expect(Stock.of(report, report.processes[0].pid) == Self.scenario.standing["alive"])
    }
}

import Foundation
import Testing

@Suite("scenarios in guests")
struct GuestTests {
    @Test("the guest ran to its end, and all can be trusted", arguments: Station.all)
    func run(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        #expect(guest.outcome.status == 0, "\(guest.outcome.errors)")
        guard guest.isAsAsked else { return }
        #expect(!guest.usable.isEmpty, "no source works here")
        guard let run = try guest.run(station.source) else {
            #expect(guest.doctor.sources[station.source]?.why?.isEmpty == false)
            return
        }
        #expect(run.report.doubts.isEmpty, "\(run.messages)")
        #expect(run.report.host.source == station.source)
        #expect(run.report.host.kernel.hasPrefix("\(station.machine.kernel)."))
        #expect(!run.messages.contains("ended with"), "\(run.messages)")
        #expect(run.report.processes.contains { $0.comm == Programs.baseline })
    }

    @Test("is reported as expected, and its layout is /proc/PID/maps", arguments: Station.all, Scenario.all)
    func scenario(_ station: Station, _ scenario: Scenario) async throws {
        let guest = try await Guest.of(station.machine)
        guard let run = try guest.run(station.source) else { return }  // judged above
        #expect(guest.complaints(scenario, run).isEmpty)
    }

    @Test("the demo shows what it is for", arguments: Station.plain)
    func demo(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        let report = try guest.report("\(station.source).demo")
        #expect(Demo.complaints(report).isEmpty, "\(guest.messages("\(station.source).demo.err"))")
    }

    @Test("a recording from there gives the same report here", arguments: Station.plain)
    func recording(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        let here = try Vmascope.run(["report", guest.path("\(station.source).vmt"), "--json"])
        #expect(here.status == 0 && here.errors.isEmpty, "\(here.errors)")
        #expect(here.output == (try guest.text("\(station.source).demo")))
    }

    @Test("hooks are what is taken where they load", arguments: Machine.plain)
    func choice(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        let auto = try guest.report("auto.json")
        #expect(auto.host.source == (guest.usable.contains("hooks") ? "hooks" : "tracepoints"))
        #expect(guest.doctor.kernel == auto.host.kernel)
    }

    @Test("a layout is read with the kfunc, and by the iterator where there is none", arguments: Machine.plain)
    func layout(_ machine: Machine) async throws {
        let layout = try LayoutFile(try await Guest.of(machine).text("layout.json"))
        #expect(layout.comm == "sleep" && layout.vmas.count > 5)
        #expect(layout.vmas.contains { $0.name == "[stack]" })
    }

    @Test("a layout is walked to where no iterator can be told a task, and is the same", arguments: Machine.plain)
    func walk(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        let best = try LayoutFile(try guest.text("layout.json"))
        let walked = try LayoutFile(try guest.text("layout.walk"))
        #expect(best.vmas.map(\.start) == walked.vmas.map(\.start) && best.vmas.map(\.pgoff) == walked.vmas.map(\.pgoff))
    }

    // Under emulation 5.10 can die while probes come and go in a busy process (a jump to 0 where up_write is
    // patched), so that `make kernels` asks for this, and `make test` does not.
    @Test(
        "a process in full flight is attached to as exactly as one that is started", .enabled(if: !Station.flying.isEmpty),
        arguments: Station.plain)
    func flight(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        let report = try guest.report("\(station.source).flight")
        let messages = guest.messages("\(station.source).err.flight")
        let audit = report.layout_audit
        #expect(report.agreement.unexplained == 0 && report.events.lost == 0, "\(messages)")
        #expect(audit.checked > 0 && audit.equal == audit.checked, "\(messages)")
        // A write section may be open when it begins: what that changes is read anew.
        #expect(report.totals.attempts > 20 && audit.resynced <= 1, "\(messages)")
    }

    @Test("system counts and sweeps, for root and for an ordinary user; without CAP_BPF it says so", arguments: Machine.plain)
    func system(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        for name in ["root", "user"] {
            let intervals = try SystemFile.all(try guest.text("\(name).ndjson"))
            let last = try #require(intervals.last, "\(guest.messages("\(name).err"))")
            #expect(last.host.stock == "iter/task")
            let sleeper = try #require(last.processes.first { $0.comm == "sleep" })
            let layout = try LayoutFile(try guest.text("layout.json"))
            #expect(sleeper.vmas.now == layout.vmas.count && sleeper.boundaries?.total == layout.boundaries.count)
        }
        #expect(guest.messages("refused.err").contains("CAP_BPF") && guest.messages("refused.err").hasSuffix("status 77\n"))
    }

    @Test("system counts attempts and merges as often as the kernel's own probes do", arguments: Machine.plain)
    func attempts(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        let report = try SystemReportFile(try guest.text("counted.json"))
        // Sections, in which attempts are, are seen by tracepoints.
        guard guest.usable.contains("tracepoints") else {
            #expect(report.system.flow == nil && guest.messages("counted.err").contains("merges are not counted"))
            return
        }
        let flow = try #require(report.system.flow, "\(guest.messages("counted.err"))")
        let probes = IndependentCount(try guest.text("counted.probes"))
        let counted = try #require(flow.total.counted).values
        #expect(report.host.source == "hooks" && flow.watched == 1)
        #expect(flow.layout_audit.checked > 100 && flow.layout_audit.equal == flow.layout_audit.checked)
        #expect(probes.attempts > 4000 && counted.reduce(0) { $0 + $1.attempts } == probes.attempts)
        #expect(report.totals.attempts == probes.attempts && report.totals.merged == probes.merged)
    }

    @Test("nothing of an observer that is killed stays in the kernel", arguments: Station.plain)
    func cleanEnd(_ station: Station) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        func held(_ name: String) -> Set<Substring> { Set(guest.messages(name).split(separator: "\n")) }
        let before = held("held.before")
        let during = held("\(station.source).held.during").subtracting(before)
        // Without these the rest would prove nothing.
        #expect(during.contains { $0.contains("name tracked") }, "\(guest.messages("\(station.source).attach.err"))")
        #expect(during.count { $0.contains("name") } > 8 && during.contains { !$0.contains("name") })
        #expect(held("\(station.source).held.after").subtracting(before).sorted() == [])
    }

    @Test("docs/kernels.md says what was found here")
    func table() async throws {
        var guests: [Guest] = []
        for machine in Machine.all { guests.append(try await Guest.of(machine)) }
        let found = KernelTable(guests)
        try found.write(Repository.root.appendingPathComponent(".build/kernels.md"))
        let page = Repository.root.appendingPathComponent("docs/kernels.md")
        let written = (try? String(contentsOf: page, encoding: .utf8)).map(KernelTable.init) ?? KernelTable([])
        if ProcessInfo.processInfo.environment["VMASCOPE_UPDATE_KERNELS"] == "1" {
            try written.updated(with: found).write(page)
        } else {
            #expect(found.staleness(of: written) == [], "VMASCOPE_UPDATE_KERNELS=1 make kernels writes it anew")
        }
    }
}

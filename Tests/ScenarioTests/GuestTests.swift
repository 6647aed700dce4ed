import Foundation
import Testing

/// One boot of a guest, in which everything is run that is to be run there.
struct Guest: Sendable {
    static let kernel = "6.1"
    static let sources = ["hooks", "tracepoints"]

    private var folder: TemporaryFolder
    var outcome: Outcome

    /// Boots once for all tests.
    static let shared: Result<Guest, any Error> = Result { try Guest() }

    private init() throws {
        // Up to date, whatever way the tests were started, and with it what guests need.
        try Shell.must("make", "build", "KERNEL=\(Self.kernel)")
        let programs = try Programs.folder.get()
        try Demo.compile(programs.path("workload"))
        folder = try TemporaryFolder()
        let script = """
            mkdir -p /tmp/out; cd /tmp/out
            vmascope=/root/vmascope
            cat > each.sh <<END
            for program in /root/programs/s[0-9]*; do
                \\$program || echo "\\$program ended with \\$?" >&2
            done
            END
            for source in \(Self.sources.joined(separator: " ")); do
                export VMASCOPE_DUMP_LAYOUTS=$source.layouts SCENARIO_MAPS=$source.maps
                $vmascope run --source $source --json -- sh each.sh > $source.json 2> $source.err
                unset VMASCOPE_DUMP_LAYOUTS SCENARIO_MAPS
                $vmascope run --source $source --json -- /root/programs/baseline > $source.baseline
                $vmascope run --source $source --json -- /root/programs/workload > $source.demo 2> $source.demo.err
            done
            $vmascope doctor --json > doctor.json
            $vmascope run --json -- true > auto.json
            sleep 100 & $vmascope layout $! --json > layout.json
            """
        try script.write(toFile: programs.path("all.sh"), atomically: true, encoding: .utf8)
        outcome = try Shell.run(
            Repository.root.appendingPathComponent("kernels/run"),
            [
                Self.kernel, "--put", ".build-static/release/vmascope", "--put", "\(programs.url.path):/root/programs",
                "--get", "/tmp/out:\(folder.url.path)", "--", "sh", "/root/programs/all.sh",
            ])
    }

    func text(_ name: String) throws -> String {
        let text = folder.text(name)
        guard !text.isEmpty else {
            throw Shell.Failure(description: "the guest left no \(name)\n\(outcome.errors)\(folder.text("hooks.err"))")
        }
        return text
    }

    func report(_ name: String) throws -> ReportFile { try ReportFile(try text(name)) }

    func messages(_ name: String) -> String { folder.text(name) }
}

@Suite("scenarios in a guest")
struct GuestTests {
    @Test("the guest ran to its end, and all can be trusted", arguments: Guest.sources)
    func run(_ source: String) throws {
        let guest = try Guest.shared.get()
        #expect(guest.outcome.status == 0, "\(guest.outcome.errors)")
        let report = try guest.report("\(source).json")
        #expect(report.doubts.isEmpty, "\(guest.messages("\(source).err"))")
        #expect(report.host.source == source)
        #expect(report.host.kernel.hasPrefix("\(Guest.kernel)."))
        #expect(!guest.messages("\(source).err").contains("ended with"))
    }

    @Test("is reported as expected by the hooks, and its layout is /proc/PID/maps", arguments: Scenario.all)
    func hooks(_ scenario: Scenario) throws { try judge(scenario, "hooks") }

    @Test("is reported as expected by the tracepoints, and its layout is /proc/PID/maps", arguments: Scenario.all)
    func tracepoints(_ scenario: Scenario) throws { try judge(scenario, "tracepoints") }

    private func judge(_ scenario: Scenario, _ source: String) throws {
        let guest = try Guest.shared.get()
        let judgement = Judgement(
            scenario: scenario, report: try guest.report("\(source).json"), comm: Programs.comm(scenario),
            baseline: try guest.report("\(source).baseline").totals.merged, model: try guest.text("\(source).layouts"),
            maps: Maps.all(try guest.text("\(source).maps")))
        #expect(judgement.complaints.isEmpty)
    }

    @Test("the demo shows what it is for", arguments: Guest.sources)
    func demo(_ source: String) throws {
        let guest = try Guest.shared.get()
        #expect(Demo.complaints(try guest.report("\(source).demo")).isEmpty, "\(guest.messages("\(source).demo.err"))")
    }

    @Test("hooks are what is taken where they load, and doctor says so")
    func doctor() throws {
        let guest = try Guest.shared.get()
        #expect(try guest.report("auto.json").host.source == "hooks")
        #expect(try guest.report("auto.json").host.merge_rules == "anon_vma:neighbour hole:next close:any")
        let doctor = try DoctorFile(try guest.text("doctor.json"))
        #expect(doctor.sources["hooks"]?.usable == true)
        #expect(doctor.sources["tracepoints"]?.usable == true)
        let names = Set(doctor.sources["hooks"]?.attach_points.map(\.name) ?? [])
        #expect(names.isSuperset(of: ["vma_merge", "__vma_adjust", "mmap_region", "do_brk_flags"]))
    }

    @Test("a layout is read by the iterator where there is no kfunc")
    func layout() throws {
        let layout = try LayoutFile(try Guest.shared.get().text("layout.json"))
        #expect(layout.comm == "sleep" && layout.vmas.count > 5)
        #expect(layout.vmas.contains { $0.name == "[stack]" })
    }
}

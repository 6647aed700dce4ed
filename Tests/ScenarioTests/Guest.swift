import Foundation
import Testing

/// A kernel of kernels/list, and how it is booted.
struct Machine: Hashable, CustomTestStringConvertible, Sendable {
    var kernel: String
    /// `preempt=` on the kernel's command line; nil for what it does by itself.
    var preemption: String?

    var testDescription: String { kernel + (preemption.map { " preempt=\($0)" } ?? "") }

    /// VMASCOPE_KERNELS names the kernels, and VMASCOPE_PREEMPTION the ways in which each is booted: `default full`.
    static let all: [Machine] = {
        let environment = ProcessInfo.processInfo.environment
        let kernels = (environment["VMASCOPE_KERNELS"] ?? "5.10 6.1 6.12 7.3").split(separator: " ").map(String.init)
        let preemption = (environment["VMASCOPE_PREEMPTION"] ?? "default").split(separator: " ").map(String.init)
        return kernels.flatMap { kernel in preemption.map { Machine(kernel: kernel, preemption: $0 == "default" ? nil : $0) } }
    }()
    /// Those on which everything is run, and not only the scenarios: none where VMASCOPE_BRIEF is set.
    static let plain = ProcessInfo.processInfo.environment["VMASCOPE_BRIEF"] == nil ? all.filter { $0.preemption == nil } : []
    /// The oldest and the newest: what differs little between kernels, and takes minutes under emulation, is run there.
    static let outermost = plain.filter { $0 == plain.first || $0 == plain.last }
}

/// A machine and one of the ways to observe it.
struct Station: Hashable, CustomTestStringConvertible, Sendable {
    var machine: Machine
    var source: String

    var testDescription: String { "\(machine.testDescription), \(source)" }

    static let sources = ["hooks", "tracepoints"]
    /// Those that are tried in full flight: where VMASCOPE_FLIGHT is set.
    static let flying = ProcessInfo.processInfo.environment["VMASCOPE_FLIGHT"] == nil ? [] : sources
    static let all = Machine.all.flatMap { machine in sources.map { Station(machine: machine, source: $0) } }
    static let plain = all.filter { Machine.plain.contains($0.machine) }
}

/// One boot of a machine, in which everything is run that is to be run there.
struct Guest: Sendable {
    /// What the scenarios left when they ran under one source.
    struct Run: Sendable {
        var report: ReportFile
        var baseline: Int
        var model: String
        var maps: [(pid: Int, text: String)]
        var messages: String
    }

    let machine: Machine
    let outcome: Outcome
    let doctor: DoctorFile
    /// By source; those that doctor calls usable.
    private let runs: [String: Result<Run, any Error>]
    /// False where the kernel can't be told how to preempt: then nothing was run.
    let isAsAsked: Bool
    private let folder: TemporaryFolder

    /// What kernels/run ends with when a guest has ended without a status.
    private static let panicked: Int32 = 125

    /// Boots once for all tests.
    static func of(_ machine: Machine) async throws -> Guest { try await boots[machine]!.value }

    /// The newest kernels take longest, and so begin first: none is left to run alone at the end.
    private static let boots = Dictionary(
        uniqueKeysWithValues: Machine.all.reversed().map { machine in
            (
                machine,
                Task {
                    try await withCheckedThrowingContinuation { waiting in
                        queue.addOperation { waiting.resume(with: Result { try Guest(machine) }) }
                    }
                }
            )
        })

    /// As many at a time as there are processors, or as VMASCOPE_GUESTS says: a guest is kept busy by its emulator.
    private static let queue: OperationQueue = {
        let queue = OperationQueue()
        queue.maxConcurrentOperationCount =
            ProcessInfo.processInfo.environment["VMASCOPE_GUESTS"].flatMap { Int($0) }
            ?? ProcessInfo.processInfo.activeProcessorCount
        return queue
    }()

    /// Up to date, whatever way the tests were started, and with it what guests need.
    private static let programs: Result<TemporaryFolder, any Error> = Result {
        try Shell.must("make", "build", "KERNEL=any")
        let programs = try Programs.folder.get()
        try Demo.compile(programs.path("workload"))
        try OrdinaryUser.compile(programs.path("asuser"))
        try FlowTests.compile(programs.path("misses"))
        try FuzzTests.compile(programs.path("random"))
        try CaseGuestTests.compile(into: programs)
        try PresentTests.compile(programs.path("present"))
        return programs
    }

    private init(_ machine: Machine) throws {
        self.machine = machine
        let programs = try Self.programs.get()
        folder = try TemporaryFolder()
        try Self.script(machine).write(toFile: folder.path("all.sh"), atomically: true, encoding: .utf8)
        var arguments = [
            machine.kernel, "--timeout", "2400", "--put", ".build-static/release/vmascope", "--put",
            "\(programs.url.path):/root/programs", "--put", folder.path("all.sh"), "--put",
            "/usr/sbin/bpftool:/usr/sbin/bpftool", "--with-libs", "--get", "/tmp/out:\(folder.url.path)",
        ]
        if let preemption = machine.preemption { arguments += ["--append", "preempt=\(preemption)"] }
        let run = Repository.root.appendingPathComponent("kernels/run")
        var outcome = try Shell.run(run, arguments + ["--", "sh", "/root/all.sh"])
        // The emulator now and then runs an instruction that the kernel has just replaced, as it does
        // where a tracepoint is switched on or off, and the kernel panics.
        for _ in 1 ... 2 where outcome.status == Self.panicked {
            outcome = try Shell.run(run, arguments + ["--", "sh", "/root/all.sh"])
        }
        self.outcome = outcome
        doctor = try DoctorFile(try Self.text("doctor.json", folder, machine, outcome))
        let mode = folder.text("preemption")
        let isAsAsked = machine.preemption.map { mode.contains("(\($0))") } ?? true
        self.isAsAsked = isAsAsked
        var runs: [String: Result<Run, any Error>] = [:]
        for source in Station.sources where isAsAsked && doctor.sources[source]?.usable == true {
            runs[source] = Result { [folder, machine, outcome] in
                let report = try ReportFile(try Self.text("\(source).json", folder, machine, outcome))
                return Run(
                    report: report,
                    baseline: report.processes.filter { $0.comm == Programs.baseline }.reduce(0) { $0 + $1.merged },
                    model: folder.text("\(source).layouts"), maps: Maps.all(folder.text("\(source).maps")),
                    messages: folder.text("\(source).err"))
            }
        }
        self.runs = runs
    }

    /// What the scenarios left under a source, or nil if it is not to be had here.
    func run(_ source: String) throws -> Run? { try runs[source]?.get() }

    var usable: [String] { Station.sources.filter { runs[$0] != nil } }

    private static func script(_ machine: Machine) -> String {
        """
        mkdir -p /tmp/out; cd /tmp/out
        vmascope=/root/vmascope
        # Without this what VMASCOPE_* ask for is not heard.
        debug=--debug-environment
        $vmascope $debug --version > /dev/null 2>&1 || debug=
        cat > each.sh <<END
        for program in /root/programs/\(Programs.baseline) /root/programs/s[0-9]*; do
            \\$program || echo "\\$program ended with \\$?" >&2
        done
        END
        $vmascope doctor --json > doctor.json
        if grep -q preempt= /proc/cmdline; then
            cat /sys/kernel/debug/sched/preempt > preemption || exit 0
        fi
        for source in \(Station.sources.joined(separator: " ")); do
            export VMASCOPE_DUMP_LAYOUTS=$source.layouts SCENARIO_MAPS=$source.maps
            $vmascope --debug-environment run --source $source --json -- sh each.sh > $source.json 2> $source.err
            unset VMASCOPE_DUMP_LAYOUTS SCENARIO_MAPS
        done
        """ + (Machine.plain.contains(machine) ? rest(machine) : "") + "\nexit 0\n"
    }

    private static func rest(_ machine: Machine) -> String {
        "\n"
            + [
                everythingElse, Machine.outermost.contains(machine) ? RefusedProbeTests.script : "",
                CaseGuestTests.script(machine), PresentTests.script,
                OrdinaryUser.script(machine.kernel),
                IndependentCount.script,
            ].joined(
                separator: "\n")
    }

    private static let everythingElse = """
        for source in \(Station.sources.joined(separator: " ")); do
            $vmascope run --source $source --json --record $source.vmt -- /root/programs/workload \\
                > $source.demo 2> $source.demo.err
        done
        /root/programs/\(SharingTests.program) stay > ready & victim=$!
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do grep -q ready ready && break; sleep 1; done
        $vmascope layout $victim --json > sharing.alive
        $vmascope layout $(cut -d ' ' -f 2 ready) --json > sharing.child
        for source in \(Station.sources.joined(separator: " ")); do
            $vmascope attach $victim --source $source --duration 2s --json > $source.sharing 2> $source.sharing.err
        done
        kill $victim
        $vmascope run --json -- true > auto.json
        sleep 1000 & sleeper=$!
        $vmascope layout $sleeper --json > layout.json
        VMASCOPE_WITHOUT=syscall:bpf_task_from_pid,bpf_iter_attach_task \\
            $vmascope $debug layout $sleeper --json > layout.walk 2> layout.err

        # In full flight: it is busy while programs are attached, its layout is read, and mostly while they are
        # detached. Now and then it rests, so that layouts can be compared.
        for source in \(Station.flying.joined(separator: " ")); do
            /root/programs/random -p 2000:300 -x fork,vfork,exec,outside,share,aio,uring 3 1000000000 2 > /dev/null 2>&1 & flight=$!
            sleep 1
            VMASCOPE_AUDIT_INTERVAL=50 $vmascope $debug attach $flight --source $source --duration 6s --json --no-stacks \\
                > $source.flight 2> $source.err.flight
            kill -KILL $flight; wait $flight
        done

        # What the kernel holds for BPF. Numbers and times tell two runs of bpftool apart, and it
        # has programs of its own while it looks.
        held() {
            bpftool prog | grep -o '^[0-9]*: .* name [^ ]*' | grep -v 'name dump_bpf\\|name iter'
            bpftool map | grep -o '^[0-9]*: .* name [^ ]*' | grep -v 'name pid_iter\\|name .*\\.rodata$'
            bpftool link | grep -o '^[0-9]*: [^ ]*' | grep -v ': iter'
            cat /sys/kernel/debug/kprobes/list
        }
        held > held.before
        for source in \(Station.sources.joined(separator: " ")); do
            $vmascope attach $sleeper --source $source > /dev/null 2> $source.attach.err & observer=$!
            # Links come last, after programs and maps, which have names.
            for i in $(seq 60); do
                sleep 1
                held > $source.held.during
                [ $(grep -vc name $source.held.during) -gt $(grep -vc name held.before) ] && break
                kill -0 $observer 2> /dev/null || break
            done
            sleep 1
            held > $source.held.during
            kill -KILL $observer; wait $observer
            # The kernel frees them when nobody can be inside any more.
            for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
                held > $source.held.after
                cmp -s held.before $source.held.after && break
                sleep 1
            done
        done
        """

    func text(_ name: String) throws -> String { try Self.text(name, folder, machine, outcome) }

    private static func text(
        _ name: String, _ folder: TemporaryFolder, _ machine: Machine, _ outcome: Outcome
    ) throws -> String {
        let text = folder.text(name)
        guard !text.isEmpty else {
            let errors = folder.text((name as NSString).deletingPathExtension + ".err")
            throw Shell.Failure(description: "\(machine.testDescription) left no \(name)\n\(errors)\(outcome.errors)")
        }
        return text
    }

    func report(_ name: String) throws -> ReportFile { try ReportFile(try text(name)) }

    func path(_ name: String) -> String { folder.path(name) }

    func messages(_ name: String) -> String { folder.text(name) }

    func complaints(_ scenario: Scenario, _ run: Run) -> [String] {
        Judgement(
            scenario: scenario, report: run.report, comm: Programs.comm(scenario), baseline: run.baseline,
            model: run.model, maps: run.maps
        ).complaints
    }
}

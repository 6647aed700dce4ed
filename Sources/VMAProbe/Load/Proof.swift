import CSystem
import Glibc
import VMACore

/// The proof that a source works on this machine: a child of vmascope maps, protects and unmaps memory and is
/// observed for a second. The record must be complete, and the outcomes as the rules predict.
public struct Proof: Sendable {
    /// What is wrong, in words; nil if it works.
    public private(set) var problem: String?
    /// How the programs were loaded; nil where they were not.
    public private(set) var ways: Ways?
    /// What the kernel refused to attach, where the source works without; nil where it does not.
    private(set) var refused: AttachRefusals?
    /// Merge attempts that were seen and judged.
    public private(set) var attempts = 0
    /// Stacks are copied; else frame pointers are followed.
    private var copiesStacks = false
    /// Stacks that were seen, and those that go back to where the child began.
    private var stacks = (all: 0, whole: 0)
    /// How stacks are found, in words; nil where nothing was observed.
    public var stackWay: String? {
        guard ways != nil else { return nil }
        guard copiesStacks else { return "frame pointers" }
        return stacks.all > 0 && stacks.whole == 0
            ? "copies of the stack, none of which could be unwound whole" : "call-frame information, from copies of the stack"
    }
    public var isProven: Bool { problem == nil }

    private static let rounds: UInt32 = 50
    /// Each round is one mapping and three changes, two of which leave it beside something to judge.
    private static let fewest = 20
    /// Nanoseconds within which stacks are waited for: in an emulator a process that unwinds takes a second to start.
    private static let stackTime: UInt64 = 5_000_000_000

    public init(_ source: Source, _ kernel: Kernel, _ model: KernelModel) {
        do throws(ProbeError) {
            let probe = try Probe.prepare(source, kernel, Probe.Options(explains: true))
            (ways, refused) = (probe.ways, probe.refused)
            copiesStacks = probe.copiesStacks
            let child = vms_exercise(Self.rounds)
            guard child > 0 else { throw .failed("fork: \(String(cString: strerror(errno)))") }
            defer {
                kill(child, SIGKILL)
                waitpid(child, nil, 0)
            }
            try observe(child, probe, model)
        } catch {
            problem = error.message
        }
    }

    private mutating func observe(_ child: Int32, _ probe: Probe, _ model: KernelModel) throws(ProbeError) {
        let observer = Observer(judge: Judge(model), isHooked: probe.source == .hooks, waits: probe.source == .tracepoints)
        probe.unwind(with: observer)
        var seen = (all: 0, whole: 0)
        func apply(_ event: Event) {
            if case .stack(_, let addresses) = event {
                seen.all += 1
                if !addresses.contains(CallPath.unseen) { seen.whole += 1 }
            }
            observer.apply(event)
        }
        let mm = try probe.track(child)
        guard let first = try probe.snapshot(child) else { throw .failed("the child process to be observed has ended") }
        observer.apply(.adopted(mm, tgid: UInt32(child), command: "vmascope"))
        observer.apply(.snapshot(mm, first.vmas, asOf: vms_monotonic_ns()))
        // Where stacks can't be unwound, they are not waited for.
        probe.stackDeadline = vms_monotonic_ns() + Self.stackTime
        for _ in 0 ..< 100 {
            usleep(10_000)
            probe.drain(apply)
        }
        // By now the child waits to be killed, so nothing changes any more.
        let last = try probe.snapshot(child)
        probe.drain(apply)
        try probe.finish(apply)
        stacks = seen
        observer.apply(.settled)
        attempts = observer.checked
        if observer.lost > 0 {
            problem = "\(observer.lost) records were lost in a second's observation"
        } else if attempts < Self.fewest {
            problem = "only \(attempts) merge attempts were seen of a child that made at least \(Self.fewest)"
        } else if observer.unexplained > 0 {
            problem =
                "\(observer.unexplained) of \(attempts) attempts did not end as predicted: "
                + (observer.disagreements.first ?? "")
        } else if let last, !observer.matches(mm: mm, last.vmas) {
            problem = "the layout made from a child's events differs from the child's own"
        }
    }
}

/// What a command without a choice of source loads, tried as that command does it.
public struct Trial: Sendable {
    /// What is wrong, in words; nil if it works.
    public private(set) var problem: String?
    public private(set) var ways: Ways?
    /// Which source's programs were loaded; nil where none are.
    public let source: Source?
    /// What the command goes without, in words.
    public private(set) var note: String?

    /// `layout`: reads vmascope's own layout.
    public static func layout(_ kernel: Kernel) -> Trial {
        Trial(by: nil) { () throws(ProbeError) in
            let probe = try Probe(snapshotOn: kernel, explains: true)
            guard let found = try probe.snapshot(getpid()), !found.vmas.isEmpty else {
                throw .failed("vmascope's own layout could not be read")
            }
            return probe
        }
    }

    /// `system`: attaches everything for a moment, with hooks if they load; else only what counts VMAs.
    public static func system(_ kernel: Kernel) -> Trial {
        var tried: [Trial] = []
        for source in Source.allCases {
            let trial = Trial(by: source) { () throws(ProbeError) in
                try AttachRefusals.settle { refused throws(ProbeError) in
                    let probe = try Probe(everyoneOn: kernel, source, explains: true, without: refused)
                    try probe.watch(.full)
                    try probe.watch(.paused)
                    return probe
                }
            }
            if trial.problem == nil { return trial }
            tried.append(trial)
        }
        var counting = Trial(by: nil) { () throws(ProbeError) in
            try Probe(snapshotOn: kernel, countsProcesses: true, explains: true)
        }
        if counting.problem == nil { counting.note = "merges are not counted: \(tried.last?.problem ?? "")" }
        return counting
    }

    private init(by source: Source?, _ body: () throws(ProbeError) -> Probe) {
        self.source = source
        do throws(ProbeError) {
            ways = try body().ways
        } catch {
            problem = error.message
        }
    }
}

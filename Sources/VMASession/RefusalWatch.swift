import CSystem
import VMACore
import VMAProbe
import VMAReport

/// The refused calls of the whole system, by process. Names and stacks are resolved when a refusal comes, since the
/// process may soon have exited.
final class RefusalWatch {
    private var ledger = RefusalLedger()
    private var listening: Listening
    private let symbolizer: MapsSymbolizer
    /// Those for which there has been no room yet, of processes that live.
    private var untold: [UntoldRefusals] = []
    private var untoldSince: UInt64 = 0
    private let startTime: UInt64
    /// Stacks in words, by the number that rows have, and since when those are asked for that are not known yet.
    private var frames: [[String]] = [[]]
    private var asked: [StackID: UInt64] = [:]
    private var known: [Stack: StackID] = [:]
    private var commands: [UInt32: String] = [:]
    /// The warnings that were given.
    private var warned: Set<Warning> = []
    /// Whether something came since the last `takeNew`, which goes through all rows.
    private var hasNews = false
    /// With a filter, the processes that it let through at the last count; nil: all processes pass.
    private var counted: Set<UInt32>?
    /// With a filter, the processes that passed and were refused something: they stay when they have exited.
    private var meant: Set<UInt32> = []
    private static let stackLimit = 1000
    /// Nanoseconds for which a warning waits for the names of functions.
    private static let patience: UInt64 = 3_000_000_000

    private struct Stack: Hashable {
        var mm: MMID
        var stack: StackID
    }

    private struct Warning: Hashable {
        var pid: UInt32
        var operation: Operation
        var reason: Refusal.Reason?
    }

    /// - Parameter isFiltered: only those are meant that `see` is told of.
    init(startTime: UInt64, isFiltered: Bool = false, symbolizer: MapsSymbolizer = MapsSymbolizer(wantsNames: false)) {
        self.startTime = startTime
        self.symbolizer = symbolizer
        if isFiltered { counted = [] }
        listening = Listening(start: startTime)
    }

    /// Takes the processes that a filter lets through, as they were just counted. Whether it would let through a
    /// process that began and ended between two counts is unknown.
    func see(_ processes: [ProcessStock]) {
        guard counted != nil else { return }
        let pids = Set(processes.map(\.key.pid))
        counted = pids
        let known = meant.count
        meant.formUnion(ledger.rows.lazy.map(\.tgid).filter(pids.contains))
        if meant.count > known { hasNews = true }
    }

    func feed(_ event: Event) {
        switch event {
        case .stack: symbolizer.note(event)
        case .frames(let mm, let stack, let found):
            guard let id = known[Stack(mm: mm, stack: stack)] else { return }
            frames[Int(id)] = found
            asked[id] = nil
            hasNews = true
        case .refusal(var refusal):
            listening.note(event)
            refusal.stack = resolve(refusal)
            ledger.note(refusal, nil)
            if let counted, counted.contains(refusal.origin.tgid) { meant.insert(refusal.origin.tgid) }
            hasNews = true
        case .answer(let origin, let result):
            ledger.answer(origin, result)
            hasNews = true
        default: break
        }
    }

    /// What the kernel's side has not found room for until now; they may be told later.
    ///
    /// - Parameter time: CLOCK_MONOTONIC nanoseconds.
    func note(untold: [UntoldRefusals], ofGone: Int = 0, at time: UInt64) {
        var all = untold
        if ofGone > 0 { all.append(UntoldRefusals(mm: 0, tgid: 0, operation: .other, count: ofGone)) }
        if !all.isEmpty {
            hasNews = true
            if self.untold.isEmpty { untoldSince = time }
        }
        self.untold = all
    }

    func isListeningWanted(_ now: UInt64) -> Bool { listening.isWanted(now) }

    private func resolve(_ refusal: Refusal) -> StackID {
        let pid = refusal.origin.tgid
        if commands[pid] == nil, commands.count < Self.stackLimit { commands[pid] = Target.command(Int32(bitPattern: pid)) }
        let key = Stack(mm: refusal.origin.mm, stack: refusal.stack)
        if let id = known[key] { return id }
        guard refusal.stack != 0, frames.count < Self.stackLimit else { return 0 }
        let id = StackID(frames.count)
        frames.append([])
        asked[id] = vms_monotonic_ns()
        known[key] = id
        symbolizer.resolve(refusal.stack, of: key.mm, tgid: pid, command: commands[pid] ?? "?") { feed($0) }
        return id
    }

    /// Takes the names that have come.
    func advance() { symbolizer.advance { feed($0) } }

    /// Waits until `deadline` (CLOCK_MONOTONIC nanoseconds) for names.
    func finish(_ deadline: UInt64) { symbolizer.finish(deadline) { feed($0) } }

    /// Three descriptors that can be read when names have come; -1 for none.
    var sockets: [Int32] { symbolizer.sockets }

    /// The refused calls since the start.
    var rows: [Refused] {
        func seconds(_ time: UInt64) -> Double { time > startTime ? Double(time - startTime) / 1e9 : 0 }
        var rows = ledger.rows.filter { counted == nil || meant.contains($0.tgid) }
        var others: [Refused] = []
        for more in untold where counted == nil || meant.contains(more.tgid) {
            // They are like the others of that process, as far as anybody knows.
            let alike = rows.indices.filter { rows[$0].key.mm == more.mm && rows[$0].key.operation == more.operation }
            if let most = alike.max(by: { rows[$0].count < rows[$1].count }) {
                rows[most].count += more.count
            } else {
                others.append(
                    Refused(
                        image: 0, pid: more.tgid,
                        command: more.tgid == 0 ? "(gone)" : Target.command(Int32(bitPattern: more.tgid)),
                        operation: more.operation,
                        verdict: Refusal.Verdict(errno: nil, reason: nil, seen: false), count: more.count,
                        first: seconds(untoldSince), last: seconds(untoldSince), stack: []))
            }
        }
        return others
            + rows.map { row in
                Refused(
                    image: 0, pid: row.tgid, command: row.tgid == 0 ? "(others)" : commands[row.tgid] ?? "?",
                    operation: row.key.operation,
                    verdict: row.key.verdict,
                    count: row.count, first: seconds(row.first), last: seconds(row.last), stack: frames[Int(row.key.stack)])
            }
    }

    /// The refused calls that were not reported before, a process at a time. They wait a moment for the names of
    /// functions.
    ///
    /// - Parameter now: CLOCK_MONOTONIC nanoseconds; nil: nothing is waited for.
    func takeNew(_ now: UInt64? = nil) -> [[Refused]] {
        guard hasNews else { return [] }
        if let now, asked.values.contains(where: { now < $0 + Self.patience }) { return [] }
        hasNews = false
        let new = rows.filter { row in
            warned.insert(Warning(pid: row.pid, operation: row.operation, reason: row.verdict.reason)).inserted
        }
        return Dictionary(grouping: new, by: \.pid).sorted { $0.key < $1.key }.map(\.value)
    }
}

import CSystem
import Glibc

/// Reads of /proc that an observed process can delay for as long as it likes: for /proc/PID/maps and cmdline the
/// kernel waits for the process's mmap_lock, and a process can hold that while its own file system does not answer. So a
/// process of its own reads them, and is ended if it does not answer in time.
///
/// Since 6.17 (with CONFIG_PER_VMA_LOCK) maps are read without mmap_lock, but for a VMA that is just being changed.
final class ProcReader {
    private struct Asked {
        var id: UInt32
        var pid: UInt32
        var user: UInt32?
        /// When it was asked, or, when /proc has begun to be read, since then.
        var since: UInt64
        var time: UInt64
        var hasBegun = false
        var code: [CodeMapping] = []
    }

    enum Answer {
        case code([CodeMapping])
        case count(Int?)
        case arguments([UInt8])
    }

    private var helper: HelperPair.Helper?
    private var asked: Asked?
    private var nextID: UInt32 = 1
    private var restarts = RestartBudget()
    private var ended: [Int32] = []
    /// Those among them that were ended since a process had delayed them.
    private var delayed: Set<Int32> = []
    /// Processes that have not let themselves be read in time, and since when: they are left alone for a while.
    private var silent: [UInt32: UInt64] = [:]
    var delays = UserDelays()
    /// What reading what each user's processes map has cost, where that is bounded.
    private var turns: ReaderTurns
    /// The helper's processor time when it was asked last.
    private var askedTime: UInt64 = 0
    private static let silentLimit = 4096
    private static let silence: UInt64 = 60_000_000_000
    /// Whether a helper has ever begun to read. On a kernel without seccomp none does: they end at once.
    private var hasBegun = false
    /// Whether the last one that was asked had not begun in time, which is no process's fault.
    private var isSlow = false
    /// A helper that is running, or wants to, on a busy machine, has this many times as long.
    private static let busyTimes: UInt64 = 10

    private let start: () -> HelperPair.Helper?

    /// - Parameter sharesByUser: the system is observed: what reading may cost is bounded for each user.
    init(sharesByUser: Bool = false, start: @escaping () -> HelperPair.Helper? = { HelperPair.single(SymbolHelper.procReader) }) {
        turns = ReaderTurns(isBounded: sharesByUser)
        self.start = start
    }

    deinit { stop() }

    /// Whether nothing is under way.
    var isIdle: Bool { asked == nil }

    /// Can be read when an answer has come; -1 if nothing is asked.
    var socket: Int32 { asked == nil ? -1 : helper?.socket ?? -1 }

    /// Asks about a process, if nothing else is under way. Returns false if there will be no answer.
    ///
    /// - Parameter time: nanoseconds after which it is given up.
    func ask(_ question: ProcQuestion, _ pid: UInt32, within time: UInt64 = SymbolLimits.procTime) -> Bool {
        guard asked == nil else { return false }
        let now = vms_monotonic_ns()
        if let since = silent[pid], now < since + Self.silence { return false }
        let user = turns.isBounded || !delays.isEmpty ? Self.user(pid) : nil
        if delays.areTooMany(user, now) || turns.isUsedUp(user, now) { return false }
        reap()
        if helper == nil, restarts.take(now, ended: ended.count) { helper = start() }
        guard let helper else { return false }
        let bytes = ProcMessage.ask(id: nextID, question, pid: pid).bytes
        guard vms_send(helper.socket, bytes, bytes.count, -1, false) == 0 else {
            stop()
            return false
        }
        asked = Asked(id: nextID, pid: pid, user: user, since: now, time: time)
        if turns.isBounded { askedTime = vms_process_time(helper.pid) }
        nextID &+= 1
        return true
    }

    enum Progress {
        case pending
        /// Nil: the process can't be read, or not in time.
        case done(Answer?)
    }

    /// Takes the answer, and gives up what takes too long.
    func advance(_ now: UInt64) -> Progress {
        reap()
        while let socket = helper?.socket, asked != nil {
            switch HelperPair.receive(socket, limit: ProcMessage.limit) {
            case .nothing:
                let limit = Self.limit(asked!.time, hasBegun: asked!.hasBegun, isRunning: isRunning)
                guard now > asked!.since + limit else { return .pending }
                isSlow = !asked!.hasBegun
                if asked!.hasBegun, let helper {
                    delayed.insert(helper.pid)
                    delays.note(Self.user(asked!.pid), now)
                }
                return fail()
            case .end: return fail()
            case .message(let bytes):
                switch ProcMessage(bytes) {
                case .began(let id)? where id == asked!.id:
                    (asked!.hasBegun, asked!.since) = (true, now)
                    (hasBegun, isSlow) = (true, false)
                case .code(let id, let part, let hasMore)? where id == asked!.id:
                    asked!.code += part
                    guard !hasMore, asked!.code.count <= ProcMessage.codeLimit else { continue }
                    return done(.code(asked!.code))
                case .count(let id, let count)? where id == asked!.id: return done(.count(count.map { Int($0) }))
                case .arguments(let id, let text)? where id == asked!.id: return done(.arguments(text))
                default: return fail()
                }
            }
        }
        return .done(nil)
    }

    /// Asks and waits.
    func answer(_ question: ProcQuestion, _ pid: UInt32, within time: UInt64 = SymbolLimits.procTime) -> Answer? {
        guard ask(question, pid, within: time) else { return nil }
        while true {
            if case .done(let answer) = advance(vms_monotonic_ns()) { return answer }
            _ = vms_wait(socket, -1, 20)
        }
    }

    /// How long an answer is waited for. A helper that is only started, which may wait for a processor or for its own
    /// pages, can't be delayed by the process that it is asked about.
    ///
    /// - Parameter time: nanoseconds for reading /proc.
    static func limit(_ time: UInt64, hasBegun: Bool, isRunning: @autoclosure () -> Bool) -> UInt64 {
        guard hasBegun else { return SymbolLimits.procStart }
        return time * (isRunning() ? busyTimes : 1)
    }

    enum Readability {
        case readable
        /// It holds its mmap_lock for writing.
        case locked
        /// The helper did not begin in time.
        case unknown
    }

    /// Whether the process lets others read its memory now. Where there can be no helper, it is taken to do so.
    ///
    /// - Parameter patience: milliseconds that it may take; at least `SymbolLimits.lockTime` is waited.
    func readability(_ pid: UInt32, patience: Int) -> Readability {
        let time = max(SymbolLimits.lockTime, UInt64(patience) * 1_000_000)
        if answer(.arguments, pid, within: time) != nil { return .readable }
        if isSlow { return .unknown }
        return hasBegun ? .locked : .readable
    }

    /// How the process is confined that has answered.
    var confinement: HelperConfinement? { hasBegun ? helper.flatMap { HelperConfinement(.procReader, pid: $0.pid) } : nil }

    /// Whether the helper does not wait for anything, by its state: then it is only slow.
    private var isRunning: Bool {
        guard let pid = helper?.pid, let stat = ProcFile.text("/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else {
            return false
        }
        return stat[end...].dropFirst(2).first == "R"
    }

    /// Books what the answer has cost, or that there was none.
    private func charge() {
        guard turns.isBounded, let asked, let helper else { return }
        let time = vms_process_time(helper.pid)
        turns.charge(asked.user, time - min(time, askedTime), names: nil, vms_monotonic_ns())
    }

    private func done(_ answer: Answer) -> Progress {
        charge()
        asked = nil
        return .done(answer)
    }

    private func fail() -> Progress {
        charge()
        if silent.count >= Self.silentLimit { silent = [:] }
        if let asked, asked.hasBegun { silent[asked.pid] = vms_monotonic_ns() }
        asked = nil
        stop()
        return .done(nil)
    }

    /// The user who stands for a process (`UserShares`); nil if it is gone.
    static func user(_ pid: UInt32) -> UInt32? { Target.share(Int32(truncatingIfNeeded: pid)) }

    private func stop() {
        guard let helper else { return }
        vms_end_helper(helper.pid)
        close(helper.socket)
        ended.append(helper.pid)
        reap()
        self.helper = nil
    }

    private func reap() {
        guard !ended.isEmpty else { return }
        ended.removeAll { pid in
            guard vms_has_ended(pid, nil) else { return false }
            if delayed.remove(pid) != nil { restarts.giveBack() }
            return true
        }
    }
}

extension ProcReader {
    /// The process itself: answers one question after the other.
    static func run() -> Never {
        let refused = vms_confine_proc_reader()
        guard refused == 0 else { _exit(refused) }
        var bytes = [UInt8](repeating: 0, count: 64)
        while true {
            let got = vms_receive(3, &bytes, bytes.count, nil, true)
            guard got > 0, case .ask(let id, let question, let pid)? = ProcMessage(Array(bytes[..<got])) else {
                _exit(got == 0 ? 0 : 70)
            }
            send(.began(id: id))
            for answer in answers(id, question, pid) { send(answer) }
        }
    }

    private static func send(_ message: ProcMessage) {
        let bytes = message.bytes
        if vms_send(3, bytes, bytes.count, -1, true) != 0 { _exit(0) }
    }

    /// What a process maps, as far as it is read: whole lines.
    private static func maps(_ pid: UInt32) -> [UInt8] {
        let bytes = ProcFile.bytes("/proc/\(pid)/maps", limit: SymbolLimits.maps) ?? []
        guard bytes.count >= SymbolLimits.maps, let end = bytes.lastIndex(of: 10) else { return bytes }
        return Array(bytes[...end])
    }

    private static func answers(_ id: UInt32, _ question: ProcQuestion, _ pid: UInt32) -> [ProcMessage] {
        switch question {
        case .code: return ProcMessage.parts(id, CodeMapping.all(maps(pid)))
        case .count:
            guard let bytes = ProcFile.bytes("/proc/\(pid)/maps") else { return [.count(id: id, nil)] }
            // The page for vsyscalls is no VMA of the process.
            let gate = Array("[vsyscall]\n".utf8)
            let lines = bytes.count { $0 == 10 } - (bytes.suffix(gate.count).elementsEqual(gate) ? 1 : 0)
            return [.count(id: id, UInt32(clamping: lines))]
        case .arguments:
            return [.arguments(id: id, Array((ProcFile.bytes("/proc/\(pid)/cmdline", limit: 1 << 12) ?? []).prefix(1 << 14)))]
        }
    }
}

import CSystem
import Glibc
import VMAUnwind

/// The observer's side of the unwinder and its opener: has files opened as they are mapped, asks for one stack after
/// the other, and never waits. What does not answer in time costs stacks, and is started anew.
final class UnwindService {
    enum Progress {
        case pending
        /// Nil: nothing came of it.
        case done(UnwindReply?)
    }

    private enum FileState: Equatable {
        case idle
        case opening(since: UInt64)
        case open
        case failed
    }

    private struct File {
        var request: FileRequest
        var state = FileState.idle
        var askers = FileAskers()
    }

    private struct Current {
        var id: UInt32
        var request: UnwindRequest
        var tgid: UInt32
        var user: UInt32?
        var since: UInt64
        var isSent = false
        var isRepeated = false
        var isUnsendable = false
        /// A file was not opened in time: with it there may be another result.
        var isPartial = false
    }

    struct Losses: Equatable {
        /// Stacks that were given up.
        var late = 0
        var restarts = 0
        /// Nanoseconds that the slowest stack took.
        var slowest: UInt64 = 0
    }

    private(set) var losses = Losses()
    private var pair: HelperPair?
    private var files: [UInt32: File] = [:]
    private var keys: [FileIdentity: UInt32] = [:]
    /// Being opened.
    private var opening: Set<UInt32> = []
    private var current: Current?
    /// When the unwinder was given what it has not answered yet, and whose that is.
    private var busySince: UInt64?
    private var busyWith: (tgid: UInt32, user: UInt32?) = (0, nil)
    /// The unwinder's processor time when it was given that.
    private var busyTime: UInt64 = 0
    /// Users whose processes have held up the unwinder.
    private var delays = UserDelays()
    private var users: UserOfProcess
    private var turns: ReaderTurns
    private var openerClock = OpenerClock()
    private var nextID: UInt32 = 1
    private var offences = Offences()
    private var restarts = RestartBudget()
    private var nextKey: UInt32 = 1
    /// How often all files were forgotten, and with them what `key` has returned.
    private(set) var generation = 0
    private var lastSign: UInt64 = 0
    private var hasBroken = false
    /// Whether one of them has ever said anything, and whether one has ended by itself.
    private var (hasAnswered, hasDied) = (false, false)
    private var ended = EndedHelpers()
    /// Why they could not be started, the last time.
    private var unstarted: HelperFault?
    /// CLOCK_MONOTONIC nanoseconds, after which nothing is waited for.
    var deadline = UInt64.max

    /// - Parameters:
    ///   - sharesByUser: the system is observed: what stacks may cost is bounded for each user.
    ///   - user: of a process; nil where it has gone.
    init(sharesByUser: Bool = false, user: @escaping (UInt32) -> UInt32? = ProcReader.user) {
        turns = ReaderTurns(isBounded: sharesByUser)
        users = UserOfProcess(look: user)
        start()
    }

    deinit { stop() }

    /// Why the processes that unwind do not run; nil if they do, and have not ended by themselves before they said anything,
    /// as on a kernel that does not let them confine themselves. They are started anew when something is asked of them.
    var problem: String? {
        guard pair == nil || hasDied && !hasAnswered else { return nil }
        return (unstarted ?? ended.fault)?.text ?? "the process for that can't be kept running"
    }

    private func start() {
        (unstarted, openerClock) = (nil, OpenerClock())
        do {
            pair = try HelperPair(reader: SymbolHelper.unwinder)
        } catch {
            unstarted = error
        }
    }

    // MARK: files

    /// The number of a file that is mapped; asks for it to be opened. 0 where there are too many, or nothing is known
    /// of which file it is.
    func key(_ request: @autoclosure () -> FileRequest, _ identity: FileIdentity?, _ now: UInt64) -> UInt32 {
        guard let identity else { return 0 }
        if let key = keys[identity] {
            let isWaiting = isOfLeftAlone(files[key]!, now)
            if isWaiting || files[key]!.state == .failed, case let other = request(),
                isWaiting || files[key]!.askers.allows(other.pid, now)
            {
                files[key]!.request = other
                files[key]!.askers.note(other.pid, now)
                files[key]!.state = .idle
            }
            if files[key]!.state == .idle { open(key, now) }
            return key
        }
        if files.count >= SymbolLimits.files, current == nil { startOver() }
        guard files.count < SymbolLimits.files else { return 0 }
        let key = nextKey
        nextKey += 1
        files[key] = File(request: request())
        files[key]!.askers.note(files[key]!.request.pid, now)
        keys[identity] = key
        open(key, now)
        return key
    }

    /// Whether a file waits to be opened in the name of a process that is left alone: another one may still lead to it.
    private func isOfLeftAlone(_ file: File, _ now: UInt64) -> Bool {
        file.state == .idle && isLeftAlone(users.of(UInt32(bitPattern: file.request.pid), now), now)
    }

    private func open(_ key: UInt32, _ now: UInt64) {
        guard let pair, let file = files[key], file.state == .idle else { return }
        let pid = file.request.pid
        guard !offences.areTooMany(pid, now), !isLeftAlone(users.of(UInt32(bitPattern: pid), now), now) else {
            files[key]!.state = .failed
            return
        }
        let bytes = HelperMessage.open(key: key, file.request).bytes
        let sent = vms_send(pair.opener.socket, bytes, bytes.count, -1, false)
        // Without room in the socket it is tried again later.
        if Self.isGone(sent) { hasBroken = true }
        guard sent == 0 else { return }
        if opening.isEmpty { lastSign = now }
        files[key]!.state = .opening(since: now)
        opening.insert(key)
    }

    func isOpen(_ key: UInt32) -> Bool { files[key]?.state == .open }

    /// Whether a file is not open, and will not be in the name of who asked for it: it is worth asking in another's.
    func isClosed(_ key: UInt32, _ now: UInt64) -> Bool {
        files[key].map { $0.state == .failed || isOfLeftAlone($0, now) } ?? false
    }

    // MARK: one stack

    /// Asks for a stack of the process `tgid`. The one before has to be done.
    func ask(_ request: UnwindRequest, _ tgid: UInt32, _ now: UInt64) {
        if pair == nil, takeRestart(now) { start() }
        current = Current(id: nextID, request: request, tgid: tgid, user: users.of(tgid, now), since: now)
        nextID &+= 1
    }

    /// Goes on with the request and returns its state. The copy of the stack is cleared when it is done.
    func advance(_ now: UInt64) -> Progress {
        receive(now)
        let reply = receiveReply(now)
        watch(now)
        guard current != nil else { return .done(nil) }
        if let reply {
            guard !reply.lacking.isEmpty, !current!.isRepeated else {
                var result = reply
                // Nobody takes it for that of other calls on this path.
                if current!.isPartial { result.inputs = [Unwound.unnamedInput] }
                return done(reply.lacking.isEmpty ? result : nil)
            }
            // They were let go of meanwhile.
            current!.isRepeated = true
            current!.isSent = false
            for key in reply.lacking where files[key] != nil {
                files[key]!.state = .idle
                open(key, now)
            }
        }
        if pair == nil || now >= deadline || isLeftAlone(now) { return giveUp() }
        if current!.isUnsendable || now > current!.since + SymbolLimits.unwindTime { return giveUp() }
        // Somebody else's stack keeps it busy, and has done so for too long.
        if !current!.isSent, let busySince, now > busySince + SymbolLimits.unwindTime { return giveUp() }
        if !current!.isSent, busySince == nil, isReady(now) { send(now) }
        return .pending
    }

    /// Whether the stacks of the process, or of its user, are left alone now.
    private func isLeftAlone(_ now: UInt64) -> Bool {
        offences.areTooMany(Int32(bitPattern: current!.tgid), now) || isLeftAlone(current!.user, now)
    }

    private func isLeftAlone(_ user: UInt32?, _ now: UInt64) -> Bool {
        !delays.isEmpty && delays.areTooMany(user, now) || turns.isUsedUp(user, now) || ended.areTooMany(of: user)
    }

    private func done(_ reply: UnwindReply?) -> Progress {
        let size = current!.request.bytes.count
        current!.request.bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, size) }
        losses.slowest = max(losses.slowest, vms_monotonic_ns() - current!.since)
        current = nil
        return .done(reply)
    }

    /// Nothing comes of the stack that was asked for.
    func giveUp() -> Progress {
        guard current != nil else { return .done(nil) }
        losses.late += 1
        return done(nil)
    }

    /// Whether all files have been opened that will be soon.
    private func isReady(_ now: UInt64) -> Bool {
        var isReady = true
        for mapping in current!.request.mappings where mapping.key != 0 {
            if files[mapping.key]?.state == .idle { open(mapping.key, now) }
            if case .opening(let since)? = files[mapping.key]?.state, now < since + SymbolLimits.unwindOpeningTime {
                isReady = false
            }
        }
        return isReady
    }

    private func send(_ now: UInt64) {
        guard let pair else { return }
        for index in current!.request.mappings.indices {
            let key = current!.request.mappings[index].key
            guard key != 0, !isOpen(key) else { continue }
            if files[key]?.state != .failed { current!.isPartial = true }
            current!.request.mappings[index].key = 0
        }
        var bytes = UnwindMessage.unwind(id: current!.id, current!.request).bytes
        let size = bytes.count
        let sent = vms_send(pair.reader.socket, bytes, size, -1, false)
        bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, size) }
        // Without room in the socket it is tried again; else the message is one that this machine can't send.
        if sent == -Int32(EMSGSIZE) || sent == -Int32(ENOMEM) { current!.isUnsendable = true }
        if Self.isGone(sent) { hasBroken = true }
        guard sent == 0 else { return }
        current!.isSent = true
        (busySince, busyWith) = (now, (current!.tgid, current!.user))
        busyTime = vms_process_time(pair.reader.pid)
    }

    /// Whether a message was not sent since there is nobody at the other end.
    private static func isGone(_ sent: Int32) -> Bool { [EPIPE, ECONNRESET, ENOTCONN].contains(-sent) }

    // MARK: answers

    /// For poll(2).
    var sockets: [Int32] { pair.map { [$0.reader.socket, $0.opener.socket] } ?? [] }

    private func receive(_ now: UInt64) {
        while !opening.isEmpty, let socket = pair?.opener.socket, let bytes = bytes(socket) {
            guard case .opened(let key, let result)? = HelperMessage(bytes) else {
                hasBroken = true
                return
            }
            if turns.isBounded, let pair, let file = files[key], case .opening(let since) = file.state {
                let waited = openerClock.waited(pair.opener.pid, since: max(since, lastSign), now)
                turns.charge(users.of(UInt32(bitPattern: file.request.pid), now), waited, names: nil, now)
            }
            lastSign = now
            hasAnswered = true
            opening.remove(key)
            if case .opening? = files[key]?.state { files[key]!.state = result == .opened ? .open : .failed }
        }
    }

    private func receiveReply(_ now: UInt64) -> UnwindReply? {
        while busySince != nil, let socket = pair?.reader.socket, let bytes = bytes(socket) {
            guard case .unwound(let id, let reply)? = UnwindMessage(bytes) else {
                hasBroken = true
                return nil
            }
            busySince = nil
            hasAnswered = true
            // Whatever it makes of it: others wait meanwhile.
            let time = pair.map { vms_process_time($0.reader.pid) } ?? 0
            if time > busyTime + SymbolLimits.unwindingTime { delays.note(busyWith.user, now) }
            turns.charge(busyWith.user, time - min(time, busyTime), names: nil, now)
            if let current, current.isSent, current.id == id { return reply }
        }
        return nil
    }

    /// Nil if nothing has come.
    private func bytes(_ socket: Int32) -> [UInt8]? {
        switch HelperPair.receive(socket, limit: 32 << 10) {
        case .nothing: return nil
        case .message(let bytes): return bytes
        case .end:
            hasBroken = true
            return nil
        }
    }

    // MARK: what goes wrong

    /// The file that the opener is busy with: it takes one after the other.
    private var longestOpening: UInt32? {
        opening.compactMap { key -> (UInt64, UInt32)? in
            if case .opening(let since)? = files[key]?.state { (since, key) } else { nil }
        }.min { $0 < $1 }?.1
    }

    private func watch(_ now: UInt64) {
        for _ in 0 ..< ended.takeForgiven() { restarts.giveBack() }
        var blamed: UInt32?
        var helper: (pid: Int32, user: UInt32?)?
        if let busySince, hasBroken || now > busySince + SymbolLimits.unwinderTime {
            blamed = busyWith.tgid
            if hasAnswered { helper = pair.map { ($0.reader.pid, busyWith.user) } }
            delays.note(busyWith.user, now)
        } else if let first = longestOpening, now > lastSign + SymbolLimits.openingTime {
            blamed = files[first].map { UInt32(bitPattern: $0.request.pid) }
            files[first]?.state = .failed
            let user = blamed.flatMap { users.of($0, now) }
            if hasAnswered { helper = pair.map { ($0.opener.pid, user) } }
            delays.note(user, now)
        } else if !hasBroken {
            return
        }
        if let blamed { offences.note(Int32(bitPattern: blamed), now) }
        restart(blamed: helper)
    }

    private func restart(blamed: (pid: Int32, user: UInt32?)?) {
        stop(blamed: blamed)
        if hasBroken { hasDied = true }
        hasBroken = false
        busySince = nil
        opening = []
        current?.isSent = false
        for key in files.keys where files[key]!.state != .failed { files[key]!.state = .idle }
        losses.restarts += 1
        if takeRestart(vms_monotonic_ns()) { start() }
    }

    /// Forgets all files, where there are too many: an observation of the whole system goes on for months.
    private func startOver() {
        stop()
        (hasBroken, busySince, opening) = (false, nil, [])
        (files, keys) = ([:], [:])
        generation += 1
        start()
    }

    private func takeRestart(_ now: UInt64) -> Bool {
        for _ in 0 ..< ended.takeForgiven() { restarts.giveBack() }
        return restarts.take(now, ended: ended.count)
    }

    private func stop(blamed: (pid: Int32, user: UInt32?)? = nil) {
        if let pair { ended.add(pair, blamed: blamed) }
        pair = nil
    }
}

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
    private var busyWith: UInt32 = 0
    private var nextID: UInt32 = 1
    private var offences: [UInt32: Int] = [:]
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

    init() { start() }

    deinit { stop() }

    /// Why the processes that unwind do not run; nil if they do, and have not ended by themselves before they said anything,
    /// as on a kernel that does not let them confine themselves. They are started anew when something is asked of them.
    var problem: String? {
        guard pair == nil || hasDied && !hasAnswered else { return nil }
        return (unstarted ?? ended.fault)?.text ?? "the process for that can't be kept running"
    }

    private func start() {
        unstarted = nil
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
            if files[key]!.state == .failed, case let other = request(), files[key]!.askers.allows(other.pid) {
                files[key]!.request = other
                files[key]!.askers.note(other.pid)
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
        files[key]!.askers.note(files[key]!.request.pid)
        keys[identity] = key
        open(key, now)
        return key
    }

    private func open(_ key: UInt32, _ now: UInt64) {
        guard let pair, let file = files[key], file.state == .idle else { return }
        guard offences[UInt32(bitPattern: file.request.pid), default: 0] < SymbolLimits.offences else {
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

    // MARK: one stack

    /// Asks for a stack of the process `tgid`. The one before has to be done.
    func ask(_ request: UnwindRequest, _ tgid: UInt32, _ now: UInt64) {
        if pair == nil, restarts.take(now, ended: ended.count) { start() }
        current = Current(id: nextID, request: request, tgid: tgid, since: now)
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
        if pair == nil || now >= deadline || offences[current!.tgid, default: 0] >= SymbolLimits.offences { return giveUp() }
        if current!.isUnsendable || now > current!.since + SymbolLimits.unwindTime { return giveUp() }
        // Somebody else's stack keeps it busy, and has done so for too long.
        if !current!.isSent, let busySince, now > busySince + SymbolLimits.unwindTime { return giveUp() }
        if !current!.isSent, busySince == nil, isReady(now) { send(now) }
        return .pending
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
        (busySince, busyWith) = (now, current!.tgid)
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

    private func watch(_ now: UInt64) {
        ended.reap()
        var blamed: UInt32?
        if let busySince, hasBroken || now > busySince + SymbolLimits.unwinderTime {
            blamed = busyWith
        } else if let first = opening.min(), now > lastSign + SymbolLimits.openingTime {
            blamed = files[first].map { UInt32(bitPattern: $0.request.pid) }
            files[first]?.state = .failed
        } else if !hasBroken {
            return
        }
        if let blamed { offences[blamed, default: 0] += 1 }
        restart()
    }

    private func restart() {
        stop()
        if hasBroken { hasDied = true }
        hasBroken = false
        busySince = nil
        opening = []
        current?.isSent = false
        for key in files.keys where files[key]!.state != .failed { files[key]!.state = .idle }
        losses.restarts += 1
        if restarts.take(vms_monotonic_ns(), ended: ended.count) { start() }
    }

    /// Forgets all files, where there are too many: an observation of the whole system goes on for months.
    private func startOver() {
        stop()
        (hasBroken, busySince, opening) = (false, nil, [])
        (files, keys) = ([:], [:])
        generation += 1
        start()
    }

    private func stop() {
        if let pair { ended.add(pair) }
        pair = nil
    }
}

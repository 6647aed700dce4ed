import CSystem
import Glibc

/// An address of a file whose name is wanted.
struct SymbolPlace: Hashable {
    var key: UInt32
    var request: NameRequest
}

/// The observer's side of opener and reader: asks them, and never waits. Whoever of them does not answer in
/// time, or ends, is started anew; what it was busy with gets no name.
final class SymbolService {
    enum Answer {
        case name(NameAnswer)
        /// There is none to be had, and what became of opening the file.
        case none(Opening)
    }

    private enum FileState: Equatable {
        case idle
        case opening(since: UInt64)
        case open
        /// A server is asked for its debug file.
        case fetching
        case failed(Opening)

        var isOpening: Bool { if case .opening = self { true } else { false } }

        var isFailed: Bool { if case .failed = self { true } else { false } }
    }

    private struct File {
        var request: FileRequest
        var state = FileState.idle
        /// Requests that were not sent yet, by the users for whom they are.
        var wanted: [ReaderTurns.User: [NameRequest]] = [:]
        /// The user of the process in whose name it is asked for.
        var user: ReaderTurns.User
        /// The reader has named something in it, and so has read it.
        var isRead = false
        /// Its names are left as they are: to make them readable took too long, or broke the reader.
        var isPlain = false
        /// It has taken too long itself, or broken the reader, whoever has mapped it.
        var isBlamed = false
        /// How much of the file is to be read.
        var depth: NameDepth { isPlain ? .plain : wantsDebug ? .all : .names }
        var wantsDebug = true
        /// Times that the reader had let go of it.
        var reopened = 0
        var askers = FileAskers()
        /// Of a file whose debug file is not here, and whether a server has been asked for it.
        var buildID: [UInt8]?
        var wasFetched = false
    }

    private struct Inquiry {
        var id: UInt32
        var key: UInt32
        var places: [NameRequest]
        var user: ReaderTurns.User
        var since: UInt64
    }

    /// Why names are missing, for people.
    struct Losses: Equatable {
        var late = 0
        var another = 0
        var changed = 0
        var denied = 0
        var beyondBounds = 0
        var broken = false
        /// Names that were not looked for, since the files of their processes' user had delayed or ended the reader, or had
        /// their share of its time.
        var shares = 0
    }

    private(set) var losses = Losses()
    private var files: [UInt32: File] = [:]
    private var keys: [FileRequest: UInt32] = [:]
    /// By identity, for all processes that have mapped the file.
    private var shared: [FileIdentity: UInt32] = [:]
    private var active: Set<UInt32> = []
    /// Places that wait for an answer.
    private var asked: Set<SymbolPlace> = []
    private var inquiries: [Inquiry] = []
    private var answers: [SymbolPlace: Answer] = [:]
    private var nameBytes = 0
    private var offences = Offences()
    private var nextID: UInt32 = 1
    private var nextKey: UInt32 = 1
    private var restarts = RestartBudget()

    private var pair: HelperPair?
    /// When each has last given a sign of life, CLOCK_MONOTONIC nanoseconds.
    private var heard: (opener: UInt64, reader: UInt64) = (0, 0)
    private var ended = EndedHelpers()
    /// Why they could not be started, the last time.
    private var unstarted: HelperFault?
    /// How the two are confined that have answered.
    private(set) var confinement: [HelperConfinement] = []
    /// Why no names can be had at all; nil if nothing is known to be wrong.
    var fault: String? { (unstarted ?? ended.fault)?.text }

    /// Files that are being opened or read at once.
    private static let window = 8
    private static let inquiryWindow = 32
    /// The same for each user, while others wait.
    private static let (sharedWindow, sharedInquiryWindow) = (2, 4)

    /// Asks servers for debug files; nil if nobody wants that.
    private(set) var fetcher: DebugFetcher?

    private var turns: ReaderTurns
    /// Users whose files have delayed or ended the reader.
    private var delays = UserDelays()
    private var users: UserOfProcess
    private var openerClock = OpenerClock()
    /// The reader's processor time when it last answered.
    private var readerTime: UInt64 = 0
    /// One of them has ever answered: those that end before that have no process to blame.
    private var (hasOpened, hasNamed) = (false, false)

    /// - Parameters:
    ///   - sharesByUser: the system is observed: what names may cost is bounded for each user.
    ///   - user: of a process; nil where it has gone.
    init(
        fetching: DebugFetcher? = nil, sharesByUser: Bool = false,
        user: @escaping (UInt32) -> ReaderTurns.User = ProcReader.user
    ) {
        fetcher = fetching
        turns = ReaderTurns(isBounded: sharesByUser)
        users = UserOfProcess(look: user)
        startPair()
    }

    deinit { stop() }

    // MARK: what is asked

    /// The number of a file; nil where there are too many.
    ///
    /// - Parameter wantsDebug: its debug information, too.
    func key(_ request: FileRequest, wantsDebug: Bool) -> UInt32? {
        if request.kind == .mapped, let identity = request.identity, let key = shared[identity] {
            if let file = files[key], !file.isBlamed, isOffender(file.request.pid), !isOffender(request.pid) {
                // Whose other files were slow takes no names away from a process that has mapped this one, too.
                files[key]!.request = request
                files[key]!.user = users.of(UInt32(bitPattern: request.pid), vms_monotonic_ns())
                if case .failed(.missing) = file.state { files[key]!.state = .idle }
            }
            let now = vms_monotonic_ns()
            let isWaiting = files[key].map { $0.state == .idle && isLeftAlone($0.user, now) } ?? false
            if let file = files[key], !file.isBlamed, isWaiting || file.state.isFailed && file.askers.allows(request.pid, now) {
                // Another process may still lead to it: that one did not, or is left alone, is its own failure, and not the
                // file's.
                files[key]!.request = request
                files[key]!.user = users.of(UInt32(bitPattern: request.pid), now)
                files[key]!.askers.note(request.pid, now)
                files[key]!.state = .idle
            }
            return key
        }
        if let key = keys[request] { return key }
        if isFull, isIdle { startOver() }
        guard files.count < SymbolLimits.files else {
            losses.beyondBounds += 1
            return nil
        }
        let key = nextKey
        nextKey += 1
        let now = vms_monotonic_ns()
        files[key] = File(request: request, user: users.of(UInt32(bitPattern: request.pid), now), wantsDebug: wantsDebug)
        files[key]!.askers.note(request.pid, now)
        keys[request] = key
        if request.kind == .mapped, let identity = request.identity { shared[identity] = key }
        return key
    }

    private func isOffender(_ pid: Int32) -> Bool { offences.areTooMany(pid, vms_monotonic_ns()) }

    /// Whether the files of a user's processes are left alone now.
    private func isLeftAlone(_ user: ReaderTurns.User, _ now: UInt64) -> Bool {
        !delays.isEmpty && delays.areTooMany(user, now) || turns.isUsedUp(user, now) || ended.areTooMany(of: user)
    }

    /// The answer, if it is known; else it is asked for, and `advance` will tell.
    ///
    /// - Parameter pid: the process in whose stack it is.
    func answer(_ place: SymbolPlace, for pid: Int32) -> Answer? {
        if let known = answers[place] { return known }
        guard let file = files[place.key] else { return Answer.none(.missing) }
        if case .failed(let why) = file.state { return Answer.none(why) }
        guard !isOffender(file.request.pid) else { return Answer.none(.missing) }
        let now = vms_monotonic_ns()
        if asked.contains(place) { return nil }
        let user = users.of(UInt32(bitPattern: pid), now)
        guard !isLeftAlone(user, now) else {
            losses.shares += 1
            return Answer.none(.missing)
        }
        if pair == nil, takeRestart(now) { start() }
        guard pair != nil else { return Answer.none(.missing) }
        guard answers.count < SymbolLimits.places, nameBytes < SymbolLimits.names else {
            losses.beyondBounds += 1
            return Answer.none(.missing)
        }
        asked.insert(place)
        files[place.key]!.wanted[user, default: []].append(place.request)
        active.insert(place.key)
        return nil
    }

    private var isFull: Bool {
        files.count >= SymbolLimits.files || answers.count >= SymbolLimits.places || nameBytes >= SymbolLimits.names
    }

    var isIdle: Bool { active.isEmpty && inquiries.isEmpty }

    /// For poll(2).
    var sockets: [Int32] { pair.map { [$0.opener.socket, $0.reader.socket] } ?? [] }

    // MARK: progress

    /// Sends what there is room for, takes what has come, and ends what takes too long. Returns the places that
    /// have an answer now, of which those without one have none.
    func advance(_ now: UInt64) -> [(SymbolPlace, Answer)] {
        var found: [(SymbolPlace, Answer)] = []
        guard !isIdle else { return found }
        takeFetched(now)
        receive(now, &found)
        watch(now, &found)
        send(now, &found)
        return found
    }

    /// Nothing more is waited for.
    func giveUp() -> [(SymbolPlace, Answer)] {
        var found: [(SymbolPlace, Answer)] = []
        fetcher?.stop()
        for inquiry in inquiries { settle(inquiry.key, inquiry.places, .none(.missing), &found) }
        for key in active {
            for places in files[key]?.wanted.values.map({ $0 }) ?? [] { settle(key, places, .none(.missing), &found) }
            files[key]?.wanted = [:]
        }
        losses.late += found.count
        inquiries = []
        active = []
        return found
    }

    private func settle(_ key: UInt32, _ places: [NameRequest], _ answer: Answer, _ found: inout [(SymbolPlace, Answer)]) {
        for place in places {
            let place = SymbolPlace(key: key, request: place)
            asked.remove(place)
            found.append((place, answer))
        }
    }

    /// All that is wanted of a file gets no name, now and later.
    private func fail(_ key: UInt32, _ why: Opening, _ found: inout [(SymbolPlace, Answer)]) {
        guard let file = files[key] else { return }
        if why == .another { losses.another += 1 }
        if why == .denied { losses.denied += 1 }
        if why == .changed {
            losses.changed += 1
            // Those asked for earlier are of what the file was.
            answers = answers.filter { $0.key.key != key }
        }
        let asked = inquiries.filter { $0.key == key }.flatMap(\.places)
        inquiries.removeAll { $0.key == key }
        settle(key, file.wanted.values.flatMap(\.self) + asked, .none(why), &found)
        files[key]?.wanted = [:]
        files[key]?.state = .failed(why)
        active.remove(key)
    }

    private func send(_ now: UInt64, _ found: inout [(SymbolPlace, Answer)]) {
        guard pair != nil else { return giveUpAll(&found) }
        // In the order of their appearance, and the users in turn.
        var keys: [ReaderTurns.User: [UInt32]] = [:]
        for key in active.sorted() {
            guard let file = files[key] else { continue }
            if isOffender(file.request.pid) {
                fail(key, .missing, &found)
            } else if case .failed(let why) = file.state {
                fail(key, why, &found)
            } else {
                for user in file.wanted.keys { keys[user, default: []].append(key) }
            }
        }
        for user in turns.order(Array(keys.keys), now) {
            if isLeftAlone(user, now) {
                for key in keys[user]! { drop(key, user, &found) }
            } else if !send(keys[user]!, of: user, isAlone: keys.count == 1, now, &found) {
                return
            }
        }
    }

    /// No names are looked for now that a user's processes want of a file; others may.
    private func drop(_ key: UInt32, _ user: ReaderTurns.User, _ found: inout [(SymbolPlace, Answer)]) {
        guard let places = files[key]?.wanted.removeValue(forKey: user) else { return }
        losses.shares += places.count
        settle(key, places, .none(.missing), &found)
        if files[key]!.wanted.isEmpty { active.remove(key) }
    }

    /// Returns false where a socket has no room.
    private func send(
        _ keys: [UInt32], of user: ReaderTurns.User, isAlone: Bool, _ now: UInt64, _ found: inout [(SymbolPlace, Answer)]
    ) -> Bool {
        guard let pair else { return false }
        let underWay = inquiries.filter { $0.user == user }
        // Files that are being opened, or may have to be read, and names: of both the reader has one after the other.
        var busy = active.count { files[$0]!.state.isOpening && files[$0]!.user == user } + Set(underWay.map(\.key)).count
        var room = turns.names(user, now) - underWay.reduce(0) { $0 + $1.places.count }
        var count = underWay.count
        // The process in whose name they were asked for is left alone, and would have to lead to them.
        var dropped: [UInt32] = []
        defer { for key in dropped { drop(key, user, &found) } }
        for key in keys {
            guard var file = files[key] else { continue }
            switch file.state {
            case .failed, .opening, .fetching: continue
            case .idle where isLeftAlone(file.user, now): dropped.append(key)
            case .idle:
                guard busy < (isAlone ? Self.window : Self.sharedWindow) else { continue }
                let bytes = HelperMessage.open(key: key, file.request).bytes
                guard vms_send(pair.opener.socket, bytes, bytes.count, -1, false) == 0 else { return false }
                busy += 1
                file.state = .opening(since: now)
                files[key] = file
            case .open:
                while let wanted = file.wanted[user], room > 0 || count == 0,
                    count < (isAlone ? Self.inquiryWindow : Self.sharedInquiryWindow)
                {
                    let places = Array(wanted.prefix(min(HelperMessage.placeLimit, max(room, 1))))
                    let message = HelperMessage.lookUp(id: nextID, key: key, file.depth, places).bytes
                    guard vms_send(pair.reader.socket, message, message.count, -1, false) == 0 else { break }
                    inquiries.append(Inquiry(id: nextID, key: key, places: places, user: user, since: now))
                    nextID &+= 1
                    (room, count) = (room - places.count, count + 1)
                    file.wanted[user] = places.count < wanted.count ? Array(wanted.dropFirst(places.count)) : nil
                }
                files[key] = file
                if file.wanted.isEmpty { active.remove(key) }
            }
        }
        return true
    }

    private func receive(_ now: UInt64, _ found: inout [(SymbolPlace, Answer)]) {
        while let socket = pair?.opener.socket, case .opened(let key, let result)? = message(socket) {
            if turns.isBounded, let pair, let file = files[key], case .opening(let since) = file.state {
                let waited = openerClock.waited(pair.opener.pid, since: max(since, heard.opener), now)
                turns.charge(file.user, waited, names: nil, now)
            }
            heard.opener = now
            hasOpened = true
            note(.opener, pair?.opener.pid)
            guard files[key]?.state.isOpening == true else { continue }
            if result == .opened { files[key]?.state = .open } else { fail(key, result, &found) }
        }
        while let socket = pair?.reader.socket, let message = message(socket) {
            heard.reader = now
            note(.reader, pair?.reader.pid)
            if case .lacks(let key, let id) = message, fetcher != nil { files[key]?.buildID = id }
            guard case .names(let id, let names) = message else { continue }
            guard let at = inquiries.firstIndex(where: { $0.id == id }) else { continue }
            let inquiry = inquiries.remove(at: at)
            charge(inquiry, now)
            guard let names, names.count == inquiry.places.count else {
                again(inquiry, &found)
                continue
            }
            if fetch(inquiry) { continue }
            let isPerfMap = files[inquiry.key]?.request.kind == .perfMap
            for (place, name) in zip(inquiry.places, names) {
                let place = SymbolPlace(key: inquiry.key, request: place)
                let answer = Answer.name(name)
                asked.remove(place)
                found.append((place, answer))
                // Code that is made at run time moves.
                if !isPerfMap {
                    answers[place] = answer
                    nameBytes += name.name?.utf8.count ?? 0
                }
            }
        }
    }

    /// Books the reader's time since its last answer.
    private func charge(_ inquiry: Inquiry, _ now: UInt64) {
        let time = pair.map { vms_process_time($0.reader.pid) } ?? 0
        let isRead = files[inquiry.key]?.isRead == true
        turns.charge(inquiry.user, time - min(time, readerTime), names: isRead ? inquiry.places.count : nil, now)
        files[inquiry.key]?.isRead = true
        (readerTime, hasNamed) = (time, true)
    }

    /// Looks how one is confined that has answered, once.
    private func note(_ role: HelperConfinement.Role, _ pid: Int32?) {
        guard let pid, !confinement.contains(where: { $0.role == role }) else { return }
        if let found = HelperConfinement(role, pid: pid) { confinement.append(found) }
    }

    // MARK: debug files from servers

    /// Whether names are put off until a server has been asked for the debug file.
    private func fetch(_ inquiry: Inquiry) -> Bool {
        guard let fetcher, let file = files[inquiry.key], let id = file.buildID, !file.wasFetched else { return false }
        if file.state != .fetching {
            guard fetcher.ask(inquiry.key, id) else {
                files[inquiry.key]!.wasFetched = true
                return false
            }
            files[inquiry.key]!.state = .fetching
        }
        files[inquiry.key]!.wanted[inquiry.user, default: []] += inquiry.places
        active.insert(inquiry.key)
        return true
    }

    private func takeFetched(_ now: UInt64) {
        for (key, file) in fetcher?.advance(now) ?? [] where files[key] != nil {
            files[key]!.wasFetched = true
            files[key]!.request.fetched = file
            // The reader reads it once more, with what has come.
            if files[key]!.state == .fetching { files[key]!.state = .idle }
        }
    }

    /// The reader had no room for the file any more.
    private func again(_ inquiry: Inquiry, _ found: inout [(SymbolPlace, Answer)]) {
        guard var file = files[inquiry.key], file.reopened < 4 else {
            settle(inquiry.key, inquiry.places, .none(.missing), &found)
            return
        }
        file.reopened += 1
        file.state = .idle
        file.wanted[inquiry.user, default: []] += inquiry.places
        file.isRead = false
        files[inquiry.key] = file
        active.insert(inquiry.key)
    }

    /// Nil if nothing has come. What can't be read ends a helper.
    private func message(_ socket: Int32) -> HelperMessage? {
        switch HelperPair.receive(socket, limit: HelperMessage.limit) {
        case .nothing: return nil
        case .message(let bytes):
            if let message = HelperMessage(bytes) { return message }
        case .end: break
        }
        hasBroken = true
        return nil
    }

    /// One of the two has ended, or talks nonsense.
    private var hasBroken = false

    // MARK: what goes wrong

    private func watch(_ now: UInt64, _ found: inout [(SymbolPlace, Answer)]) {
        ended.reap()
        for _ in 0 ..< ended.takeForgiven() { restarts.giveBack() }
        var isLate = false
        var helper: (pid: Int32, user: UInt32?)?
        var blamed: UInt32?
        // The opener takes one after the other.
        let opening = active.compactMap { key -> (since: UInt64, key: UInt32)? in
            if case .opening(let since)? = files[key]?.state { (since, key) } else { nil }
        }
        if let (since, first) = opening.min(by: { $0 < $1 }),
            now > max(since, heard.opener) + SymbolLimits.openingTime
        {
            (isLate, blamed) = (true, first)
            if hasOpened { helper = pair.map { ($0.opener.pid, files[first]!.user) } }
            delays.note(files[first]!.user, now)
            fail(first, .missing, &found)
        }
        if !isLate, let first = inquiries.first {
            if hasBroken || now > max(first.since, heard.reader) + SymbolLimits.readingTime {
                (isLate, blamed) = (true, first.key)
                // It costs nothing more when it has ended, and its user's files are left alone if that comes again.
                if hasNamed { helper = pair.map { ($0.reader.pid, first.user) } }
                delays.note(first.user, now)
                // Once more without debug information and without making names readable, which is what may take long.
                if files[first.key]?.isPlain == true {
                    fail(first.key, .missing, &found)
                } else {
                    files[first.key]?.isPlain = true
                }
            }
        }
        guard isLate || hasBroken else { return }
        losses.late += 1
        if let blamed, let pid = files[blamed]?.request.pid {
            offences.note(pid, now)
            files[blamed]!.isBlamed = true
        }
        restart(now, blamed: helper, &found)
    }

    private func restart(_ now: UInt64, blamed: (pid: Int32, user: UInt32?)?, _ found: inout [(SymbolPlace, Answer)]) {
        stop(blamed: blamed)
        hasBroken = false
        for inquiry in inquiries {
            files[inquiry.key]?.wanted[inquiry.user, default: []] += inquiry.places
            active.insert(inquiry.key)
        }
        inquiries = []
        for key in files.keys {
            files[key]!.isRead = false
            switch files[key]!.state {
            case .opening, .open: files[key]!.state = .idle
            default: break
            }
        }
        guard takeRestart(now) else { return giveUpAll(&found) }
        start()
    }

    private func takeRestart(_ now: UInt64) -> Bool {
        for _ in 0 ..< ended.takeForgiven() { restarts.giveBack() }
        return restarts.take(now, ended: ended.count)
    }

    private func startPair() {
        (unstarted, readerTime, openerClock) = (nil, 0, OpenerClock())
        do {
            pair = try HelperPair(reader: SymbolHelper.reader)
        } catch {
            unstarted = error
        }
    }

    private func start() {
        startPair()
        heard = (vms_monotonic_ns(), vms_monotonic_ns())
    }

    /// Forgets all files, where there are too many: an observation of the whole system goes on for months.
    private func startOver() {
        stop()
        (files, keys, shared, answers, nameBytes) = ([:], [:], [:], [:], 0)
        start()
    }

    private func giveUpAll(_ found: inout [(SymbolPlace, Answer)]) {
        losses.broken = true
        found += giveUp()
        active = []
    }

    // MARK: processes

    private func stop(blamed: (pid: Int32, user: UInt32?)? = nil) {
        if let pair { ended.add(pair, blamed: blamed) }
        pair = nil
    }
}

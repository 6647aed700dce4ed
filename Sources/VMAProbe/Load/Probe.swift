import CLibbpf
import CSystem
import CVMAWire
import Glibc
import VMACore
import VMAWire

/// A live observation's kernel side: the programs, the ring, snapshots, stacks.
public final class Probe {
    public let source: Source
    public let kernel: Kernel
    public let plan: AttachPlan
    /// What the plan does without, since the kernel has refused it.
    let refused: AttachRefusals
    /// Whether `tasks` can be asked for.
    var countsProcesses: Bool { ways.taken.stock == .iterator }
    let loader: BPFLoader
    /// How the programs were loaded, and why not in a better way.
    public let ways: Ways
    private let snapshots: SnapshotReader
    /// Snapshots come through the ring.
    private var walks: Bool { ways.taken.snapshot == .walk }
    private var ring: OpaquePointer?
    var decoder = WireDecoder()
    /// The unwinding of copied stacks; nil where stacks are not copied.
    private var copies: StackCopies?
    /// Stacks are copied, and unwound by call-frame information; else frame pointers are followed.
    var copiesStacks: Bool { copies != nil }
    /// Where code lies in processes, where all are watched.
    public private(set) var maps: MapsSymbolizer?
    /// Can be read when a call was refused, where all are watched; -1 without.
    public private(set) var alarm: Int32 = -1
    /// Calls that were refused, and for which there has been no room yet, by address space: as `counts` found them.
    public internal(set) var untold: [UntoldRefusals] = []
    private var deliver: (Event) -> Void = { _ in }
    private var missedRuns: UInt64 = 0
    /// Events that came while a snapshot was read.
    private var waiting: [Event] = []
    /// Records left in this round: a busy target could keep us from ever returning.
    private var budget = 0
    /// When this round ends at the latest, and nanoseconds that one may take.
    private var roundEnd = UInt64.max
    private static let longestRound: UInt64 = 100_000_000
    private var isDiscarding = false
    /// The last counts of address spaces that have ended (`takeTallies`).
    var tallies: [(mm: MMID, counts: SectionCounts)] = []
    /// The kernel's pointers to what `counts` has found.
    var flowKeys: [MMID: UInt64] = [:]
    private static let recordsPerRound = 20_000
    /// Nanoseconds that a round may wait for stacks, during which it empties the ring.
    private static let longestWait: UInt64 = 5_000_000
    /// Records behind a copy of a stack that is being unwound.
    private let backlog = Backlog()
    private var isUnwinding = false
    /// Bytes of all records so far.
    public private(set) var receivedBytes = 0
    /// Forgets what nothing has any more, when all events have been taken.
    public func keep(_ kept: KeptNumbers) { decoder.keep(kept) }
    /// Whether so many objects have numbers that those are to be forgotten that nothing has any more.
    public var isCrowded: Bool { decoder.isCrowded }
    /// Whether there are so many, files and names, too, that this is to be done before all events have been taken.
    public var isOvercrowded: Bool { decoder.isOvercrowded }

    /// Which file it is that was told, for whoever looks for its symbols.
    public func identity(_ id: FileID) -> FileIdentity? {
        decoder.fileNumbers[id].map { FileIdentity($0) }
    }

    /// The first record that could not be read, in words.
    public private(set) var damage: String?

    public struct Options: Sendable {
        public var followsChildren = false
        public var wantsStacks = true
        /// Stacks are unwound from copies; else by frame pointers.
        public var copiesStacks = true
        /// Counts the present pages of ranges of any size; else of what is large no more than costs a tenth of a
        /// millisecond.
        public var countsAllPages = false
        /// Copies stacks of known paths, too, to see whether they are the same.
        public var checksPaths = false
        /// Size of the ring buffer, a power of two of at least a page; nil for the default.
        public var ringBytes: UInt32?
        /// For `SystemProbe`.
        public var countsProcesses = false
        /// `Probe.ways` has the verifier's words of what was refused, which costs time.
        public var explains = false

        public init(
            followsChildren: Bool = false, wantsStacks: Bool = true, copiesStacks: Bool = true, ringBytes: UInt32? = nil,
            countsProcesses: Bool = false, explains: Bool = false
        ) {
            self.countsProcesses = countsProcesses
            self.explains = explains
            self.followsChildren = followsChildren
            self.wantsStacks = wantsStacks
            self.copiesStacks = copiesStacks
            self.ringBytes = ringBytes
        }
    }

    /// Loads and attaches everything; nothing is observed until `track` or `expect`. Where the kernel refuses a probe, the
    /// next candidate for its role is taken.
    public static func prepare(_ source: Source, _ kernel: Kernel, _ options: Options) throws(ProbeError) -> Probe {
        try AttachRefusals.settle { refused throws(ProbeError) in try Probe(source, kernel, options, without: refused) }
    }

    private init(_ source: Source, _ kernel: Kernel, _ options: Options, without refused: AttachRefusals) throws(ProbeError) {
        self.source = source
        self.kernel = kernel
        self.refused = refused
        plan = kernel.plan(source, without: refused)
        guard kernel.hasBTF else {
            throw .unsupported("this kernel has no BTF (/sys/kernel/btf/vmlinux): rebuild with CONFIG_DEBUG_INFO_BTF")
        }
        if let text = plan.missingText { throw .unsupported("no \(source.rawValue) here: \(text)") }
        var configuration = Self.configuration(plan, kernel)
        configuration.follow_children = options.followsChildren ? 1 : 0
        configuration.want_stacks = options.wantsStacks ? 1 : 0
        let copies = options.wantsStacks && options.copiesStacks
        if options.countsAllPages { configuration.count_tables = 4096 }
        configuration.check_paths = options.checksPaths ? 1 : 0
        configuration.copy_bytes = copies ? UInt32(StackCopies.firstBytes) : 0
        (loader, ways) = try BPFLoader.load(
            plan, and: [Self.answers, Self.memoryFinder], readsLayouts: true, counts: options.countsProcesses, on: kernel,
            configuration: configuration,
            ringBytes: options.ringBytes, explains: options.explains)
        if copies { self.copies = StackCopies(try loader.memory(of: "paths", bytes: PathTree.bytes)) }
        snapshots = SnapshotReader(loader: loader)
        findMemory()
        try attach()
        try openRing()
    }

    /// The configuration that a plan needs, whoever is observed.
    static func configuration(_ plan: AttachPlan, _ kernel: Kernel) -> vme_config {
        var configuration = vme_config()
        configuration.read_before = plan.source == .tracepoints ? 1 : 0
        configuration.late_pgoff = kernel.hasFunction("__vma_adjust") ? 1 : 0
        configuration.outcome_by_rows = plan.readsOutcomes ? 1 : 0
        configuration.count_tables = 64
        return configuration
    }

    /// What of the plan is not attached yet.
    ///
    /// - Parameter isMeant: the points that are meant.
    func attach(_ isMeant: (AttachPoint) -> Bool = { _ in true }) throws(ProbeError) {
        try loader.attach(plan.points.filter { isMeant($0) && !loader.isAttached($0.program) }, on: kernel)
    }

    /// Loads what counts every process's sections, and tells some of them, from `watch` on; and what counts
    /// processes.
    ///
    /// - Parameters:
    ///   - source: with hooks attempts are counted one by one.
    ///   - refused: what `watch` could not attach on this kernel (`AttachRefusals.settle`).
    public init(
        everyoneOn kernel: Kernel, _ source: Source, ringBytes: UInt32? = nil, explains: Bool = false,
        without refused: AttachRefusals
    ) throws(ProbeError) {
        self.source = source
        self.kernel = kernel
        self.refused = refused
        plan = kernel.planForEveryone(countsAttempts: source == .hooks, without: refused)
        if let text = plan.missingText { throw .unsupported(text) }
        (loader, ways) = try BPFLoader.load(
            plan, and: [Self.answers], readsLayouts: true, counts: true, on: kernel,
            configuration: Self.everyone(plan, kernel), ringBytes: ringBytes, explains: explains)
        snapshots = SnapshotReader(loader: loader)
        copies = StackCopies(try loader.memory(of: "paths", bytes: PathTree.bytes), sharesByUser: true)
        let maps = MapsSymbolizer()
        self.maps = maps
        unwind(with: maps.maps)
        try openRing()
        alarm = vms_ring_alarm(try loader.map("events"))
    }

    /// Loads what reads one layout, and attaches nothing.
    public init(snapshotOn kernel: Kernel, countsProcesses: Bool = false, explains: Bool = false) throws(ProbeError) {
        source = .tracepoints
        self.kernel = kernel
        refused = AttachRefusals()
        plan = AttachPlan(.tracepoints, kernel)
        // Only the paths of files come through the ring, and the rows of a walk, which are taken out after each part.
        (loader, ways) = try BPFLoader.load(
            readsLayouts: true, counts: countsProcesses, on: kernel, ringBytes: 1 << 20, explains: explains)
        snapshots = SnapshotReader(loader: loader)
        try openRing()
    }

    deinit {
        if let ring { vms_ring_close(ring) }
        if alarm >= 0 { close(alarm) }
    }

    private func openRing() throws(ProbeError) {
        let callback: vms_record_fn = { context, data, size in
            let probe = Unmanaged<Probe>.fromOpaque(context!).takeUnretainedValue()
            if !probe.isDiscarding { probe.arrive(UnsafeRawBufferPointer(start: data, count: size)) }
            probe.budget -= 1
            // A section of a hundred thousand VMAs takes as long as many thousand others.
            if probe.budget % 64 == 0, vms_monotonic_ns() > probe.roundEnd { probe.budget = 0 }
            return probe.budget > 0 ? 0 : -EAGAIN  // ends this round
        }
        let events = try loader.map("events")
        ring = vms_ring_open(events, loader.entries("events"), callback, Unmanaged.passUnretained(self).toOpaque())
        guard ring != nil else { throw .bpf("opening the ring buffer", errno) }
    }

    // MARK: events

    private func arrive(_ record: UnsafeRawBufferPointer) {
        if isUnwinding || !backlog.isEmpty { backlog.append(record) } else { receive(record) }
    }

    /// Takes what is in the ring, and goes on with what waits, as far as stacks have been unwound. Returns whether
    /// nothing waits any more.
    private func consume() -> Bool {
        vms_ring_consume(ring)
        // More than can have come meanwhile, so that what waits grows less.
        for _ in 0 ..< 2 * Self.recordsPerRound {
            if isUnwinding, !finishStack() { return false }
            guard !backlog.isEmpty else { return true }
            backlog.takeFirst(receive)
        }
        return false
    }

    /// Takes the stack that is being unwound, if it is known now.
    private func finishStack() -> Bool {
        guard let copies, let found = copies.result(isHurried: backlog.size > SymbolLimits.backlog) else { return copies == nil }
        isUnwinding = false
        let named = decoder.name(copy: found.key, found.addresses)
        if let event = named.event { deliver(event) }
        copies.learn(named.stack, known: found.known)
        return true
    }

    /// Waits for the unwinder, but not for long: the ring is to be emptied.
    private func waitForStack() {
        let sockets = (copies?.service.sockets ?? []) + [-1, -1]
        _ = vms_wait(sockets[0], sockets[1], 1)
    }

    private func receive(_ record: UnsafeRawBufferPointer) {
        receivedBytes += record.count
        let missing = decoder.missing(before: record)
        if missing > 0 { deliver(.lost(missing)) }
        if let tally = decoder.tally(record) { return tallies.append(tally) }
        if let piece = decoder.copyPiece(record) { return receive(piece) }
        do {
            let event = try decoder.decode(record)
            deliver(event)
            if let copies, maps == nil, case .rows(let rows) = event, rows.reason != .audit {
                copies.open(rows.vmas, tgid: rows.origin.tgid)
            }
        } catch {
            damage = damage ?? "\(error)"
            deliver(.lost(1))
        }
    }

    private func receive(_ piece: CopyPiece) {
        switch copies?.take(piece) {
        case .known(let stack): decoder.name(copy: piece.key, stack)
        case .begun:
            isUnwinding = true
            _ = finishStack()
        case .nothing, nil: break
        }
    }

    /// While records are read, facts about the processes come from `observer`.
    public func unwind(with observer: Observer) {
        copies?.processes = StackCopies.Processes(
            vma: { [unowned observer] mm, _, address in observer.image(mm)?.layout.vma(containing: address) },
            isSure: { [unowned observer] in observer.image($0)?.isComplete ?? false }, refresh: { _ in true },
            path: { [unowned observer] in observer.files[$0] }, identity: { [unowned self] in self.identity($0) })
    }

    /// Of processes that are not followed, what is mapped is read when a stack comes.
    func unwind(with maps: ProcessMaps) {
        copies?.processes = StackCopies.Processes(
            vma: { _, tgid, address in maps.code(tgid, at: address)?.vma }, isSure: { _ in true },
            refresh: { maps.refresh($0) }, path: { maps.path($0) }, identity: { maps.identity($0) })
    }

    /// After this time (CLOCK_MONOTONIC nanoseconds) no stack is waited for.
    public var stackDeadline: UInt64 {
        get { copies?.service.deadline ?? .max }
        set { copies?.service.deadline = newValue }
    }

    /// Stacks of which nothing is known since unwinding them took too long.
    public var lateStacks: Int { copies?.service.losses.late ?? 0 }
    /// Why no process unwinds stacks, in words; nil if one does.
    public var unwindProblem: String? { copies?.service.problem }

    /// Sections and attempts of whose stack nothing is known: it was lost, or not copied to spare the ring.
    public var unknownStacks: Int { decoder.unknownStacks }

    /// The results of copying stacks, in words.
    public var copiesText: String? { copies.map { "\($0.figures) \($0.service.losses) evicted \($0.evicted)" } }

    /// Opens the files with code that a process has mapped: later it may be gone.
    public func openCode(_ vmas: [VMA], _ pid: Int32) { copies?.open(vmas, tgid: UInt32(pid)) }

    /// Tells of runs of our programs that the kernel has skipped since the last call. Nothing in
    /// the ring shows them.
    public func countSkippedRuns(_ body: (Event) -> Void) {
        let missed = loader.missedRuns
        if missed > missedRuns { body(.lost(missed - missedRuns)) }
        missedRuns = missed
    }

    /// Delivers what has come since the last call, in the kernel's order. Returns false if it
    /// stopped before the ring was empty.
    @discardableResult
    public func drain(_ body: (Event) -> Void) -> Bool {
        var isEmpty = false
        withoutActuallyEscaping(body) { body in
            deliver = body
            waiting.forEach(body)
            waiting = []
            budget = Self.recordsPerRound
            let now = vms_monotonic_ns()
            let end = now + Self.longestWait
            roundEnd = now + Self.longestRound
            defer { roundEnd = .max }
            while true {
                isEmpty = consume() && budget > 0
                guard isUnwinding, budget > 0, vms_monotonic_ns() < end else { break }
                waitForStack()
            }
            deliver = { _ in }
        }
        return isEmpty
    }

    /// Empties the ring of what nobody wants.
    public func discard() {
        budget = .max
        isDiscarding = true
        vms_ring_consume(ring)
        isDiscarding = false
    }

    /// Tells of records that were lost before now, when nothing has come since that would show them.
    /// The ring has to be empty.
    public func countLostRecords(_ body: (Event) -> Void) throws(ProbeError) {
        let sequence = try loader.sequence()
        // A numbered record may still be on its way, for as long as its processor does something else.
        for _ in 0 ..< 50 where decoder.isMissing(before: sequence) {
            usleep(2000)
            // Whoever fills the ring meanwhile does not keep us here.
            let end = vms_monotonic_ns() + 100_000_000
            while !drain(body), vms_monotonic_ns() < end {}
        }
        let missing = decoder.missing(atEnd: sequence)
        if missing > 0 { body(.lost(missing)) }
    }

    /// Stops listening and delivers what happened until now, and what is missing at its end.
    ///
    /// The programs are detached one after the other, for which some kernels take a second. What a process does
    /// meanwhile is told in part (an attempt without the commit that carries it out), so it is left out.
    public func finish(_ deliver: (Event) -> Void) throws(ProbeError) {
        let end = vms_monotonic_ns()
        func body(_ event: Event) {
            if event.time ?? 0 <= end { deliver(event) }
        }
        countSkippedRuns(body)
        loader.detach()
        usleep(1000)  // a program may be running still
        while !drain(body) {}
        try countLostRecords(body)
        countSkippedRuns(body)
    }

    // MARK: whom to observe

    /// Observes what the process `tgid` becomes by its next exec.
    public func expect(_ tgid: UInt32) throws(ProbeError) {
        var key = tgid
        var one: UInt8 = 1
        guard bpf_map_update_elem(try loader.map("targets"), &key, &one, 0) == 0 else {
            throw .bpf("naming the process to observe", errno)
        }
    }

    /// Observes a running process from now on. Returns its address space; its rows are to be
    /// read after this, so that no change falls between.
    public func track(_ pid: Int32) throws(ProbeError) -> MMID {
        guard let found = try read(pid) else {
            throw .notFound("process \(pid) has no address space: a kernel thread or a zombie")
        }
        try expect(UInt32(pid))
        var mm = found.mm
        var owner = vme_owner()
        owner.tgid = UInt32(pid)
        var key = vme_sieve_key(mm), passes: UInt64 = 1
        guard bpf_map_update_elem(try loader.map("sieve"), &key, &passes, 0) == 0,
            bpf_map_update_elem(try loader.map("tracked"), &mm, &owner, 0) == 0
        else {
            throw .bpf("naming the address space to observe", errno)
        }
        return decoder.interners.mms.id(mm)
    }

    /// The address space of a process and its VMAs as they stand, or nil if it has none. The
    /// leader of the threads may have ended before the others: then one of them has it. Not
    /// taken under a lock: consistent if `isQuiet`, which says that the process changed nothing
    /// meanwhile, or with the events that came meanwhile put on top.
    public func snapshot(_ pid: Int32) throws(ProbeError) -> (mm: MMID, vmas: [VMA], isQuiet: Bool)? {
        guard let found = try read(pid) else { return nil }
        return (decoder.interners.mms.id(found.mm), found.vmas, found.isQuiet)
    }

    /// The VMAs of a process as they stand, with ids that mean something among themselves only: whoever
    /// looks at all processes for months does not keep a name for all that it has seen. Does not wait
    /// for a process that holds its mmap_lock.
    func vmas(_ pid: Int32) throws(ProbeError) -> [VMA]? {
        if walks { return try read(pid)?.vmas }
        var interners = Interners()
        var found = try snapshots.read(pid, patience: 2, &interners)
        if found.mm == 0 {
            let threads = ProcFile.entries("/proc/\(pid)/task").compactMap { Int32($0) }
            guard let thread = threads.first(where: { $0 != pid }) else { return nil }
            found = try snapshots.read(thread, patience: 2, &interners)
        }
        return found.mm == 0 ? nil : found.vmas
    }

    /// Each process with its address space.
    ///
    /// - Parameter settle: takes in what has come until they were read. Who had an address space's place
    ///   before has to be known to be gone, before its number stands for another.
    func tasks(_ settle: () -> Void) throws(ProbeError) -> [(task: vme_task, mm: MMID)] {
        let tasks = try StockReader(loader: loader).read()
        settle()
        return tasks.map { ($0, decoder.interners.mms.id($0.mm)) }
    }

    private typealias Found = (mm: UInt64, vmas: [VMA], isQuiet: Bool)

    private func read(_ pid: Int32) throws(ProbeError) -> Found? {
        if let found = try readThread(pid) { return found }
        for thread in ProcFile.entries("/proc/\(pid)/task").compactMap({ Int32($0) }) where thread != pid {
            if let found = try? readThread(thread) { return found }
        }
        return nil
    }

    private func readThread(_ tid: Int32) throws(ProbeError) -> Found? {
        if walks { return try walk(tid) }
        let found = try snapshots.read(tid, &decoder.interners)
        return found.mm == 0 ? nil : (found.mm, found.vmas, found.isQuiet)
    }

    /// The rows come through the ring, among other events, which wait for the next drain.
    private func walk(_ tid: Int32) throws(ProbeError) -> Found? {
        for _ in 0 ..< SnapshotReader.execs {
            var found: Found = (0, [], true)
            var progress: Set<UInt64> = []
            var (from, standstill) = (UInt64(0), 0)
            var request = vme_snapshot()
            repeat {
                request = try snapshots.walk(tid, from: from)
                if request.mm == 0, found.mm == 0 { return nil }
                if found.mm == 0 { found.mm = request.mm }
                // After an exec it is another one than that of the parts before.
                if request.error != 0 || request.mm != found.mm { break }
                progress.insert(request.sections)
                try receiveWalk(request, into: &found.vmas)
                standstill = request.from > from ? 0 : standstill + 1
                from = request.from
            } while request.more != 0 && standstill < Self.walkTries
            if standstill >= Self.walkTries { throw .failed("the VMAs of process \(tid) change too fast to be read") }
            if request.error != 0 || request.mm != found.mm { continue }
            found.isQuiet = SnapshotReader.isQuiet(progress)
            return found
        }
        throw .failed("process \(tid) calls exec again and again: its VMAs can't be read")
    }

    /// How often a part may be requested again: the tree changed meanwhile, or the ring was full.
    private static let walkTries = 1000
    /// The kernel keeps the ring's records in order, so those of a walk may wait for one that another processor
    /// has not finished.
    private static let walkPatience = 5000

    private func receiveWalk(_ request: vme_snapshot, into vmas: inout [VMA]) throws(ProbeError) {
        let mm = decoder.interners.mms.id(request.mm)
        var missing = Int(request.count)
        var parts: [Rows] = []
        for round in 0 ..< Self.walkPatience {
            if round > 0 { usleep(200) }
            deliver = { event in
                if case .rows(let rows) = event, rows.reason == .snapshot {
                    missing -= 1
                    parts.append(rows)
                } else {
                    self.waiting.append(event)
                }
            }
            budget = .max
            _ = consume()
            deliver = { _ in }
            if missing <= 0 { break }
        }
        guard missing == 0, parts.allSatisfy({ $0.origin.mm == mm }) else {
            throw .failed("the rows of a task walk did not arrive through the ring")
        }
        // Rows that could not be read completely are requested again.
        for rows in parts where !rows.truncated {
            vmas.append(contentsOf: rows.vmas.drop { $0.start < vmas.last?.end ?? 0 })
        }
    }
}

/// Turns the stream of events into layouts, verdicts and the ledger. Live observation and replay of a recording make
/// the same calls.
public final class Observer {
    /// The merge rules of the observed kernel.
    public let judge: Judge
    /// VMAs that a process may have (`vm.max_map_count`); nil if unknown.
    private let limit: Int?
    var population = Population()

    /// The missed merges.
    public private(set) var ledger = Ledger()
    /// What the numbers of boundaries and gaps in layouts stand for.
    public private(set) var causes = Causes()
    /// The calls that the kernel refused.
    public private(set) var refusals = RefusalLedger()
    /// The stacks of refusals whose frames were requested, by address space.
    private var refusalStacks: Set<UInt64> = []
    /// The stacks in words, as far as they were requested and resolved.
    public private(set) var frames = FrameTable()
    /// Kept only if it is asked for.
    public private(set) var timeline: Timeline?
    /// Asked in every section: to compare `timeline` with nil copies it.
    private var keepsTimeline = false
    /// The paths of mapped files, as in `/proc/PID/maps`.
    public internal(set) var files: [FileID: String] = [:]
    /// The ids of the newest file and the newest name, and how many are kept before those are forgotten that nothing has.
    var (newestFile, newestName) = (FileID(0), UInt32(0))
    var (fileLimit, nameLimit) = (Observer.fewFiles, Observer.fewFiles)
    /// The numbers that something still has: all others may be forgotten.
    public internal(set) var kept = KeptNumbers()
    /// The texts of names given by prctl(PR_SET_VMA).
    public internal(set) var names: [UInt32: String] = [:]

    /// Events that came from records of BPF programs.
    public private(set) var received: UInt64 = 0
    /// How many boundaries and gaps events have had gone through, beyond the VMAs that they contain. A recording of a
    /// few bytes can ask for many.
    public internal(set) var effort = 0
    /// Records that never arrived, as far as that is known.
    public private(set) var lost: UInt64 = 0
    /// Write sections whose attempts could not be concluded: they had changed too many VMAs at once, or were made by
    /// calls that are not judged (of 32-bit code, and process_madvise).
    public var unjudged: Int { unjudgedBy.values.reduce(0, +) }
    /// The same, by the reason.
    public private(set) var unjudgedBy: [Unjudged: Int] = [:]
    /// Attempts in which the kernel did what the rules predict.
    public private(set) var agreed = 0
    /// Attempts for which the prediction was compared with what the kernel did.
    public private(set) var checked = 0
    /// The comparisons of layouts with the kernel's VMAs.
    public private(set) var audit = Audit()
    /// The part of `audit` that a loss which is not known yet would take back.
    private var unsettled = Audit()
    /// The first disagreements between prediction and kernel, in words.
    public private(set) var disagreements: [String] = []
    /// Attempts in which the kernel did something else: it has a rule that vmascope does not know.
    public var unexplained: Int { checked - agreed }

    /// Stacks whose frames are wanted and have not been requested.
    private var newStacks: [(image: Image, stack: StackID)] = []
    /// Address spaces whose layout is in doubt and has to be read anew.
    public private(set) var stale: Set<MMID> = []

    /// Whether attempts come from the hooks, or are concluded from the write sections.
    private let isHooked: Bool
    /// Whether attempts wait for `settle`, since a loss before them may become known later.
    private let waits: Bool
    private(set) var waiting: [Judged] = []
    private var hooks: HookAttempts
    private let rules: SectionAttempts.Rules
    private static let disagreementLimit = 20
    /// The last counts that are kept of a section: each attempt has at most eight, and looks at these.
    private static let countLimit = 256
    /// Memory for so many attempts that wait is kept.
    private static let waitingRoom = 4096
    /// Limits in bytes of a file's path (PATH_MAX), of a name given by prctl(2), and of a thread's name: only
    /// recordings can have longer ones.
    private static let (pathLimit, nameBytes, commandLimit) = (4096, 256, 256)

    /// - Parameters:
    ///   - judge: the merge rules of the kernel that is observed.
    ///   - isHooked: attempts come from the merging functions themselves, not from sections.
    ///   - waits: whether the source can lose events that only a later `.lost` tells of.
    ///   - limit: `vm.max_map_count`; nil where it is not known.
    public init(judge: Judge, isHooked: Bool, waits: Bool = false, limit: Int? = nil) {
        self.judge = judge
        hooks = HookAttempts(judge.model)
        rules = SectionAttempts.Rules(judge.model)
        self.isHooked = isHooked
        // The hooks tell of a loss with the next record; only a damaged recording says otherwise.
        self.waits = waits && !isHooked
        self.limit = limit
    }

    /// From now on. What happens is kept with its time, within bounds.
    public func keepTimeline() {
        timeline = Timeline()
        keepsTimeline = true
        refusals.keepsMoments = true
    }

    /// All address spaces that were seen, in the order of their appearance, ended ones included.
    public var images: [Image] { population.images }
    /// The sums over address spaces that ended long ago, if there were too many to keep.
    public var others: Image? { population.others }
    /// How many address spaces those are.
    public var othersCount: Int { population.othersCount }

    /// The living address space with this id, or nil.
    public func image(_ mm: MMID) -> Image? { population.image(mm) }

    /// Takes the next event of the stream.
    public func apply(_ event: Event) {
        if event.isRecord { received += 1 }
        switch event {
        case .rows(let rows): apply(rows)
        case .section(let section): apply(section)
        case .attempt(let attempt): enter(attempt)
        case .commit(let origin, let range): hooks.commit(origin, range)
        case .fork(let life):
            let child = population.image(for: life.origin.mm, tgid: life.origin.tgid)
            child.command = life.command.cut(to: Self.commandLimit)
            // It begins once; only a damaged recording says so again.
            if child.isComplete { break }
            if let parent = image(life.parent) {
                child.layout.inheritCauses(of: parent.layout)
                inherit(child, parent)
            }
            begin(child, at: life.origin.time)
        case .exec(let life):
            leaveUnseenEnd(of: life.origin.mm)
            let image = population.image(for: life.origin.mm, tgid: life.origin.tgid)
            image.command = life.command.cut(to: Self.commandLimit)
        case .exit(let life): exit(life)
        case .file(let id, let path):
            files[id] = path.cut(to: Self.pathLimit)
            newestFile = max(newestFile, id)
            if files.count > fileLimit { forgetUnused() }
        case .name(let id, let text):
            names[id] = text.cut(to: Self.nameBytes)
            newestName = max(newestName, id)
            if names.count > nameLimit { forgetUnused() }
        case .stack: break
        case .refusal(let refusal):
            note(refusal)
            noteMoments()
        case .answer(let origin, let result):
            refusals.answer(origin, result)
            noteMoments()
        case .counted(let origin, let count):
            guard let image = image(origin.mm) else { break }
            if image.counts.count >= 2 * Self.countLimit { image.counts.removeFirst(Self.countLimit) }
            image.counts.append(count)
        case .lost(let count): lose(count)
        case .settled: settle()
        case .adopted(let mm, let tgid, let command): adopt(mm: mm, tgid: tgid, command: command)
        case .aged(let mm, let time): image(mm)?.age = Double(time) / 1e9
        case .snapshot(let mm, let vmas, let time): resync(mm: mm, vmas, asOf: time)
        case .compared(let mm, let vmas): check(mm: mm, vmas)
        case .pages: break  // of recordings before proposals were judged as the kernel would have
        case .frames(let mm, let stack, let text): frames[mm, stack] = text
        case .released: releaseLayouts()
        }
    }

    /// What the observer wants from its caller. Each stack is requested once; the other requests stand until the
    /// event that answers them has come.
    public struct Requests {
        /// Resolve these into `.frames`, while the process lives.
        public var stacks: [(image: Image, stack: StackID)]
        /// Read these layouts anew: `.snapshot`.
        public var stale: Set<MMID>
        /// Feed `.settled` when all losses up to now are known.
        public var settling: Bool
        /// Feed `.released`.
        public var release: Bool
        /// Do so even if frames of the stacks that were requested are not known yet: much memory waits for it.
        public var isReleaseDue: Bool
    }

    /// The requests that stand now; the stacks among them are requested only once.
    public func takeRequests() -> Requests {
        defer { newStacks = [] }
        return Requests(
            stacks: newStacks, stale: stale,
            settling: !(waiting.isEmpty && unsettled == Audit() && population.isSettled),
            release: population.hasGone, isReleaseDue: population.isOverdue)
    }

    /// The number of VMAs that are kept in layouts and open sections; each attempt that waits counts as four, and each
    /// address space as 24. Takes time in proportion to the number of address spaces.
    public var keptVMAs: Int {
        images.reduce(4 * waiting.count) { $0 + $1.keptVMAs }
    }

    private func noteMoments() {
        guard keepsTimeline else { return }
        for moment in refusals.takeMoments() {
            if let image = image(moment.key.mm) { timeline?.own(image) }
            timeline?.note(.refusal(moment.key), at: moment.origin.time, thread: moment.origin.tid, moment.range)
        }
    }

    private func note(_ refusal: Refusal) {
        let image = population.image(for: refusal.origin.mm, tgid: refusal.origin.tgid)
        var refusal = refusal
        refusal.stack = frames.admit(refusal.stack, of: image.mm)
        refusals.note(refusal, image.isComplete && !stale.contains(image.mm) ? image.layout : nil)
        let key = UInt64(image.mm) << 32 | UInt64(refusal.stack)
        if refusal.stack != 0, refusal.stack != FrameTable.others, refusalStacks.insert(key).inserted {
            newStacks.append((image, refusal.stack))
        }
    }

    private func lose(_ count: UInt64) {
        lost += count
        // A section under way may have lost its beginning or its outcome: none of its attempts counts.
        hooks = HookAttempts(judge.model)
        for image in population.takeTouched() {
            stale.insert(image.mm)
            image.open = OpenSections()
            image.whatIf = WhatIfState()
            image.tried = []
            image.counts = []
        }
        waiting = []
        // Nor does a comparison count that may have been made without what is missing.
        audit.checked -= unsettled.checked
        audit.equal -= unsettled.equal
        audit.differences.removeLast(unsettled.differences.count)
        unsettled = Audit()
    }

    /// Nothing was lost up to now: what has been seen is final.
    func settle() {
        unsettled = Audit()
        for judged in waiting { count(judged.attempt, judged.verdict) }
        waiting.removeAll(keepingCapacity: waiting.count < Self.waitingRoom)
        population.settle()
    }

    func adopt(mm: MMID, tgid: UInt32, command: String) {
        let image = population.image(for: mm, tgid: tgid)
        image.tgid = tgid
        image.command = command.cut(to: Self.commandLimit)
    }

    func resync(mm: MMID, _ vmas: [VMA], asOf time: UInt64 = 0) {
        guard let image = image(mm) else { return }
        let first = !image.isComplete
        replaceLayout(of: image, with: vmas)
        image.whatIf = WhatIfState()
        image.knownSince = time
        if first { begin(image, at: time) } else { audit.resynced += 1 }
        stale.remove(mm)
    }

    /// Whether a layout equals what was read from the kernel while nothing happened, but for mappings that have grown at
    /// page faults.
    public func matches(mm: MMID, _ vmas: [VMA]) -> Bool {
        image(mm)?.comparison(with: vmas, in: .all).differences.isEmpty ?? false
    }

    /// Counts a comparison with VMAs that were read from the kernel while nothing happened, and takes these VMAs
    /// over: page faults assign anon_vmas, and on some kernels grow stacks, without an event.
    func check(mm: MMID, _ vmas: [VMA]) {
        guard let image = image(mm), image.isComplete, !stale.contains(mm) else { return }
        let found = compare(image, vmas, in: .all)
        replaceLayout(of: image, with: vmas)
        if !found.isEqual { follow(.all, image) }
    }

    // MARK: layouts

    /// - Parameter rows: with which it goes on to begin; nil where all of it is there.
    private func begin(_ image: Image, at time: UInt64, with rows: Rows? = nil) {
        image.isComplete = true
        // A record more for each VMA must not have all of them gone through each time.
        let part = rows.flatMap { rows in rows.vmas.first.map { AddressRange($0.start, rows.vmas.last!.end) } }
        image.layout.charge(rows?.range.union(part ?? .empty) ?? .all, to: Causes.unknown)
        image.startCount = image.layout.count
        image.peakCount = image.layout.count
        image.history.note(image.layout.count, at: time)
    }

    /// The causes of boundaries that remain stay known.
    private func replaceLayout(of image: Image, with vmas: [VMA]) {
        image.layout.overwrite(.all, with: vmas)
        image.layout.charge(.all, to: Causes.unknown)
    }

    /// Where an address space begins, another one with the same id may have ended, and the record of its end was
    /// lost.
    private func leaveUnseenEnd(of mm: MMID) {
        guard image(mm)?.isComplete == true else { return }
        _ = population.exit(mm)
        stale.remove(mm)
    }

    private func apply(_ rows: Rows) {
        let isNew = rows.reason == .forked || rows.reason == .image
        if isNew, rows.range.start == 0 { leaveUnseenEnd(of: rows.origin.mm) }
        // The rows before these were lost before anyone knew which address space they belong to.
        if isNew, rows.range.start != 0, image(rows.origin.mm) == nil { stale.insert(rows.origin.mm) }
        let image = population.image(for: rows.origin.mm, tgid: rows.origin.tgid)
        image.changes += 1
        switch rows.reason {
        case .audit:
            image.audited.append(contentsOf: rows.vmas)
            image.auditedRange = image.auditedRange.union(rows.range)
            return
        case .before:
            if keepsTimeline { timeline?.begin(rows.origin) }
            if !isHooked { image.open.take(rows) }
            // As a rule a section finds what the last one left, and there is nothing to do.
            if image.layout.holds(rows.vmas, in: rows.range), !rows.truncated { return }
            expect(image, rows)
        case .after:
            if !isHooked || hooks.wantRows(of: rows.origin.tid) { image.open.take(rows) }
        case .forked, .image, .snapshot, .grown:
            break
        }
        image.keepPeak(before: rows.range, rows.vmas)
        image.layout.overwrite(rows.range, with: rows.vmas)
        if image.whatIf.hasBegun, rows.reason != .after { follow(rows.range, image) }
        if rows.reason == .image { begin(image, at: rows.origin.time, with: rows) }
        if rows.truncated { stale.insert(image.mm) }
    }

    /// A section finds what the last section left, or a change was missed.
    private func expect(_ image: Image, _ rows: Rows) {
        guard image.isComplete, !stale.contains(image.mm), rows.origin.time > image.knownSince else { return }
        let found = image.comparison(with: rows.vmas, in: rows.range)
        guard !found.isEqual else { return }
        audit.resynced += 1
        note(differences: found.differences)
    }

    private func apply(_ section: Section) {
        let image = population.image(for: section.origin.mm, tgid: section.origin.tgid)
        if section.incomplete { stale.insert(image.mm) }
        image.open.end(of: section.origin.tid) { open in
            let isPartial = section.incomplete || open.isCut
            if isHooked {
                if isPartial, hooks.needRows(of: section.origin.tid) { noteUnjudged(section, open.isCut) }
                note(hooks.end(section.origin, after: open.after))
            } else if open.hasBegun, section.syscall.isNative, SectionAttempts.areMade(by: section.syscall.operation) {
                guard !isPartial else { return noteUnjudged(section, open.isCut) }
                let before = open.before.uniqued()
                SectionAttempts(rules: rules, section: section, before: before, after: open.after.uniqued())
                    .forEach(withLone: { image.whatIf.hasBegun }) { note($0, before) }
            } else if image.isComplete, section.changesUnjudged(image) {
                noteUnjudged(section, false)
            }
        }
        charge(section, image)
        settleWhatIf(section, image)
        image.peakCount = max(image.peakCount, image.layout.count)
        image.history.note(image.layout.count, at: section.origin.time)
        guard keepsTimeline else { return }
        timeline?.end(section)
        if timeline?.wants(image, at: section.origin.time) == true {
            timeline?.note(image.boundaries(judge), of: image, at: section.origin.time)
        }
    }

    private func noteUnjudged(_ section: Section, _ isCut: Bool) {
        unjudgedBy[Unjudged(section, isCut: isCut), default: 0] += 1
    }

    /// Charges the boundaries that a section has made to its operation and its caller.
    private func charge(_ section: Section, _ image: Image) {
        // Most sections leave no boundary, and are no reason to keep a stack.
        let stack = section.ranges.isEmpty ? section.stack : frames.admit(section.stack, of: image.mm)
        let cause = causes.id(Cause(section.syscall.isNative ? section.syscall.operation : .other, stack: stack))
        for range in section.ranges { effort &+= image.layout.charge(range, to: cause) }
    }

    private func exit(_ life: Life) {
        guard let image = population.exit(life.origin.mm) else { return }
        if image.isComplete, !stale.contains(image.mm), !image.auditedRange.isEmpty,
            compare(image, image.audited, in: image.auditedRange).differences.isEmpty
        {
            // Page faults and forks have changed anon_vmas and grown stacks without an event.
            image.layout.overwrite(image.auditedRange, with: image.audited)
        }
        if image.command.isEmpty { image.command = life.command.cut(to: Self.commandLimit) }
        image.audited = []
        image.open = OpenSections()
        stale.remove(image.mm)
        // Whatever the time of the last look was: what is shown last is what there was last.
        if keepsTimeline { timeline?.note(image.boundaries(judge), of: image, at: life.origin.time) }
        leave(image)
    }

    /// Drops the layouts of address spaces that have ended, except the largest, and also their figures where too many
    /// have ended. What is wanted of them is requested one call before.
    func releaseLayouts() {
        population.releaseLayouts(judge)
        let folded = population.fold(judge)
        if !folded.isEmpty {
            ledger.rename(folded) { key in
                var key = key
                key.stack = frames.fold(key.mm, key.stack)
                key.mm = 0
                return key
            }
            refusalStacks = refusalStacks.filter { !folded.contains(MMID($0 >> 32)) }
            refusals.rename(folded) { key in
                var key = key
                (key.mm, key.stack) = (0, 0)
                return key
            }
            frames.remove(folded)
        }
        var rows = 0
        for image in population.takeGone() {
            wantStacks(of: image)
            rows += image.keptRows
            if rows > Population.rowLimit { image.forgetBoundaries() }
        }
    }

    /// Requests the frames of the stacks that left boundaries which stand now, or stood at the end or at the peak.
    public func wantStacks(of image: Image) {
        var wanted: Set<StackID> = []
        for row in image.boundaries(judge).rows + image.boundariesAtPeak(judge).boundaries.rows {
            guard let cause = causes[row.kind.cause], cause.stack != 0, frames[image.mm, cause.stack].isEmpty,
                wanted.insert(cause.stack).inserted
            else { continue }
            newStacks.append((image, cause.stack))
        }
    }

    private func compare(_ image: Image, _ kernel: [VMA], in range: AddressRange) -> LayoutComparison {
        let found = image.comparison(with: kernel, in: range)
        if found.differences.isEmpty, found.grown > 0 {
            audit.resynced += 1
            return found
        }
        var compared = Audit()
        compared.checked = 1
        compared.equal = found.isEqual ? 1 : 0
        compared.differences = Array(found.differences.prefix(Audit.differenceLimit - audit.differences.count))
        audit.add(compared)
        unsettled.add(compared)
        return found
    }

    private func note(differences: [String]) {
        // In front of the differences that may be taken back.
        let room = Audit.differenceLimit - audit.differences.count
        audit.differences.insert(
            contentsOf: differences.prefix(room), at: audit.differences.count - unsettled.differences.count)
    }

    // MARK: attempts

    struct Judged {
        var attempt: MergeAttempt
        var verdict: Verdict
    }

    /// A layout that was read from outside is ahead of attempts made meanwhile. Which VMAs such an attempt has split
    /// is unknown, so it is not judged.
    private func enter(_ attempt: HookedAttempt) {
        if keepsTimeline { timeline?.begin(attempt.origin) }
        let image = image(attempt.origin.mm)
        if let image, attempt.origin.time < image.knownSince { return note(hooks.skip(attempt.origin)) }
        note(hooks.enter(attempt, image?.layout))
    }

    private func note(_ attempts: [MergeAttempt]) {
        for attempt in attempts { note(attempt) }
    }

    private func note(_ attempt: MergeAttempt, _ before: [VMA] = []) {
        let image = image(attempt.origin.mm)
        // Concluded from rows, what has no neighbour is no attempt; but it changes the proposals' layouts, if there are
        // any, and the pages of touched memory that is moved count.
        let counts = isHooked || attempt.hasNeighbour || attempt.movesFaulted
        guard counts || image?.whatIf.hasBegun == true else { return }
        let verdict = judge(attempt, image, before: before)
        guard counts else { return }
        if let image, !image.counts.isEmpty { attempt.counts = image.counts }
        if waits { waiting.append(Judged(attempt: attempt, verdict: verdict)) } else { count(attempt, verdict) }
    }

    private func count(_ attempt: MergeAttempt, _ verdict: Verdict) {
        guard let image = population.owner(attempt.origin.mm) else { return }
        // Concluded from rows, a move without a neighbour is no attempt; but its pages are moved.
        if !isHooked, !attempt.hasNeighbour { return image.tally.addMove(attempt, verdict) }
        checked += 1
        if verdict.agreed {
            agreed += 1
        } else if disagreements.count < Self.disagreementLimit {
            disagreements.append("\(image.command)[\(image.tgid)] \(attempt.disagreement(verdict))")
        }
        image.tally.add(attempt, verdict, isNearLimit: limit.map { image.layout.count > $0 / 2 } ?? false)
        for side in verdict.sides where side.missed {
            let stack = frames.admit(attempt.stack, of: image.mm)
            let key = Ledger.Key(
                mm: image.mm, operation: attempt.operation, side: side.side, blockers: side.blockers,
                detail: judge.detail(side, of: attempt), answers: side.answers, stack: stack)
            if keepsTimeline {
                timeline?.note(
                    .miss(key), at: attempt.origin.time, thread: attempt.origin.tid,
                    AddressRange(attempt.proposed.start, attempt.proposed.end))
            }
            let isNew = ledger.add(
                key,
                Ledger.Example(
                    time: attempt.origin.time, proposed: attempt.proposed,
                    prev: attempt.prev?.vma, next: attempt.next?.vma))
            if isNew, key.stack != 0, key.stack != FrameTable.others { newStacks.append((image, key.stack)) }
        }
    }
}

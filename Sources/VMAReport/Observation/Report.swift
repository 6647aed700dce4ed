import VMACore

/// The results of an observation, ready to be printed: plain values that every output format reads, in the order in
/// which they are shown.
public struct Report: Sendable {
    /// The version of the vmascope that observed; at most 256 bytes, as the other texts from the head of a recording.
    public var version: String
    /// Where it observed.
    public var host: Host
    /// The start of the observation in ISO 8601.
    public var started: String
    /// The start of the observation, in nanoseconds of CLOCK_MONOTONIC.
    public var startTime: UInt64
    /// The length of the observation in seconds.
    public var seconds: Double
    /// Events that came from records of BPF programs.
    public var received: UInt64
    /// Records that never arrived.
    public var lost: UInt64
    /// Write sections whose attempts are not in the counts (`Observer.unjudged`).
    public var unjudged: Int { unjudgedBy.values.reduce(0, +) }
    /// The same, by the reason.
    public var unjudgedBy: [Unjudged: Int]
    /// Attempts for which the prediction was compared with what the kernel did.
    public var checked: Int
    /// Attempts in which the two were equal.
    public var agreed: Int
    /// The first disagreements between prediction and kernel, in words; at most 20.
    public var disagreements: [String]
    /// The comparisons of layouts with the kernel's VMAs.
    public var audit: Audit
    /// The attempts, merges and misses of all processes together.
    public var totals: Tally
    /// Times that a stack was counted as one of the others, for which there was no room (`FrameTable`).
    public var otherStacks: Int
    /// The address spaces that were seen, in the order of their appearance, and behind them the sums over those that
    /// are not kept one by one (`image` is 0).
    public var processes: [Process]
    /// How many address spaces those are.
    public var putTogether: Int
    /// Missed sides, most frequent first.
    public var missed: [Miss]
    /// The boundaries and gaps that stand now, or stood at the end; most frequent first.
    public var standing: [Standing]
    /// The boundaries and gaps at the peaks of the processes, as far as their layouts are kept.
    public var standingAtPeak: [Standing]
    /// Calls that the kernel refused, most frequent first.
    public var refused: [Refused]
    /// What the ids in VMAs stand for.
    public var labels: Labels
    /// When what happened; nil if nobody has asked for it.
    public var timeline: Timeline?
    /// The stacks in words.
    public var frames: FrameTable
    /// What judged: `seams` asks it for the boundaries of one layout, and remedies for its kernel model.
    let judge: Judge

    /// For each VMA of the process's layout, in order, the blockers between it and the next; empty where the two could
    /// merge, nil where a gap follows, or nothing.
    public func seams(of process: Process) -> [Blockers?] {
        var seams = [Blockers?](repeating: nil, count: process.layout.count)
        process.layout.forEachBoundary { index, left, right, _ in seams[index] = judge.boundary(left, right).blockers }
        return seams
    }

    /// The machine of the observation.
    public struct Host: Sendable {
        /// The release of the kernel (`uname -r`).
        public var kernel: String
        /// `hooks` or `tracepoints`.
        public var source: String
        /// The kernel's merge rules in words (`KernelModel.name`).
        public var mergeRules: String

        /// The machine in words: `uname -r`, `hooks` or `tracepoints`, and `KernelModel.name`.
        public init(kernel: String, source: String, mergeRules: String) {
            self.kernel = kernel
            self.source = source
            self.mergeRules = mergeRules
        }
    }

    /// The figures of one address space of a process.
    public struct Process: Sendable {
        /// The address space: a pid has another one after each exec.
        public var image: MMID
        /// The process id in the first pid namespace; 0 for the sums over several.
        public var pid: UInt32
        /// The name of the process (comm); `(n others)` for the sums over n.
        public var command: String
        /// The address space has ended.
        public var exited: Bool
        /// The number of VMAs when the layout became known.
        public var start: Int
        /// The number of VMAs now, or at the end.
        public var now: Int
        /// The highest number of VMAs at the end of a write section.
        public var peak: Int
        /// VMAs that the process may have (`vm.max_map_count`); nil if that could not be read.
        public var limit: Int?
        /// The attempts, merges and misses.
        public var tally: Tally
        /// The boundaries and gaps now, or at the end; without rows, which are in `standing`.
        public var boundaries: Boundaries
        /// The boundaries and gaps when there were `keptPeak` VMAs.
        public var boundariesAtPeak: Boundaries
        /// For how many VMAs `boundariesAtPeak` holds: `peak`, or little less, or `now`.
        public var keptPeak: Int
        /// VMAs over time; times are in nanoseconds of CLOCK_MONOTONIC, as `Report.startTime`.
        public var history: History
        /// The layout now, or at the end; empty where it is not kept any more.
        public var layout: Layout
        /// The trend of the number of VMAs; nil where there is none, or the process has exited.
        public var trend: Trend?
        /// Calls that the kernel refused.
        public var refused: Int

        /// VMAs if the boundaries were gone that the series would have merged.
        public var atBest: Int { now - boundaries.best }

        /// Seconds until mmap fails with ENOMEM if the growth goes on: 0 at the limit. Nil if the limit is not
        /// reached, if that can't be foreseen, or if the process has exited.
        public var secondsToLimit: Double? {
            guard let limit, !exited else { return nil }
            return now >= limit ? 0 : trend?.seconds(from: now, to: limit)
        }
    }

    /// Boundaries, or gaps, of one process that are alike: the same blockers, left by the same code.
    public struct Standing: Sendable {
        /// A gap: the two VMAs do not touch, and there are no blockers.
        public var isGap: Bool
        /// The address space (`Process.image`).
        public var image: MMID
        /// The process id in the first pid namespace.
        public var pid: UInt32
        /// The name of the process (comm).
        public var command: String
        /// The operation that left it; nil if it stood before the observation, or exec made it.
        public var operation: Operation?
        /// All rules that keep the two apart; empty where no rule does, and for a gap.
        public var blockers: Blockers
        /// The exact difference in words, where the blockers leave it open; else nil.
        public var detail: String?
        /// The exact difference, with its direction.
        public var difference: Difference
        /// The proposals' answers; empty unless pgoff and anon_vma alone keep the two apart.
        public var answers = WhatIfAnswers()
        /// Whether the answers are those to an attempt that was made; else they are those to one made now.
        public var wasTried = false
        /// The answers of the 2022 series if somebody changed the left VMA now, or the right one; nil unless pgoff
        /// and anon_vma alone keep the two apart.
        public var ifChanged: (left: WhatIf?, right: WhatIf?) = (nil, nil)
        /// The answer of the 2022 series; nil unless pgoff and anon_vma alone keep the two apart.
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// How many boundaries or gaps are alike.
        public var count: Int
        /// The left VMA of the first pair.
        public var left: VMA
        /// The right VMA of the first pair.
        public var right: VMA
        /// The stack of the call that left it, innermost frame first; empty if there is none.
        public var stack: [String]
    }

    /// Missed sides of one process that are alike: the same operation, blockers and stack.
    public struct Miss: Sendable {
        /// The address space (`Process.image`).
        public var image: MMID
        /// The process id in the first pid namespace.
        public var pid: UInt32
        /// The name of the process (comm).
        public var command: String
        /// The operation that made the attempts.
        public var operation: Operation
        /// The side on which the neighbour lies that the range did not merge with.
        public var side: Side
        /// All rules that refuse the merge; empty where no rule does, which is an unexplained miss.
        public var blockers: Blockers
        /// The exact difference in words, where the blockers leave it open; else nil.
        public var detail: String?
        /// The proposals' answers; empty unless pgoff and anon_vma alone refuse.
        public var answers = WhatIfAnswers()
        /// The answer of the 2022 series; nil unless pgoff and anon_vma alone refuse.
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// How many missed sides are alike.
        public var count: Int
        /// When the first of them was missed, in seconds since the start of the observation.
        public var time: Double
        /// The range that the first of them proposed.
        public var proposed: VMA
        /// Its neighbour below; nil where prev is no side.
        public var prev: VMA?
        /// Its neighbour above; nil where next is no side.
        public var next: VMA?
        /// The stack of the call, innermost frame first; empty if there is none.
        public var stack: [String]
    }

    /// - Parameters:
    ///   - observer: that has taken in all events.
    ///   - version: of the vmascope that observed.
    ///   - host: where it observed.
    ///   - started: date and time of the start, as ISO 8601 has it.
    ///   - startTime: the start of the observation, in nanoseconds of CLOCK_MONOTONIC.
    ///   - seconds: how long the window is.
    ///   - limit: `vm.max_map_count`; nil where it is not known.
    public init(
        _ observer: Observer, version: String, host: Host, started: String, startTime: UInt64,
        seconds: Double, limit: Int?
    ) {
        // These texts may come from a stranger's recording.
        func clean(_ text: String) -> String { Fit.printable(text.cut(to: Self.headerLimit)) }
        self.version = clean(version)
        self.host = Host(kernel: clean(host.kernel), source: clean(host.source), mergeRules: clean(host.mergeRules))
        self.started = clean(started)
        self.startTime = startTime
        self.seconds = seconds
        received = observer.received
        unjudgedBy = observer.unjudgedBy
        lost = observer.lost
        checked = observer.checked
        agreed = observer.agreed
        disagreements = observer.disagreements
        audit = observer.audit
        timeline = observer.timeline
        frames = observer.frames
        labels = Labels(files: observer.files, names: observer.names, flags: observer.judge.model.flagNames)
        judge = observer.judge

        var totals = Tally()
        var owners: [MMID: Image] = [:]
        var (standing, standingAtPeak) = (StandingRows(), StandingRows())
        let judge = observer.judge
        let refusedIn = observer.refusals.rows.reduce(into: [MMID: Int]()) { $0[$1.key.mm, default: 0] += $1.count }
        processes = (observer.images + (observer.others.map { [$0] } ?? [])).map { image in
            let boundaries = image.boundaries(judge, keeps: false)
            totals.add(image.tally)
            owners[image.mm] = image
            let (keptPeak, boundariesAtPeak) = image.boundariesAtPeak(judge, keeps: false, now: boundaries)
            standing.add(boundaries, image, observer)
            standingAtPeak.add(boundariesAtPeak, image, observer)
            let end = Self.end(startTime, seconds)
            return Process(
                image: image.mm, pid: image.tgid, command: image.command, exited: image.hasExited,
                start: image.startCount, now: image.count, peak: image.peakCount, limit: limit,
                tally: image.tally, boundaries: boundaries.sums, boundariesAtPeak: boundariesAtPeak.sums, keptPeak: keptPeak,
                history: image.history, layout: image.layout,
                trend: image.hasExited
                    ? nil : Trend(image.history.points, until: end, past: image.age.map { Trend.Past(seconds: $0, most: 0) }),
                refused: refusedIn[image.mm] ?? 0)
        }
        self.totals = totals
        otherStacks = observer.frames.othersCount
        putTogether = observer.othersCount
        self.refused = observer.refusals.rows.map { row in
            let image = owners[row.key.mm]
            func seconds(_ time: UInt64) -> Double { time > startTime ? Double(time - startTime) / 1e9 : 0 }
            return Refused(
                image: row.key.mm, pid: image?.tgid ?? row.tgid, command: image?.command ?? Self.othersName,
                operation: row.key.operation,
                verdict: row.key.verdict, count: row.count, first: seconds(row.first), last: seconds(row.last),
                stack: observer.frames[row.key.mm, row.key.stack])
        }.ranked(by: \.count)
        self.standing = standing.all.ranked(by: \.count)
        self.standingAtPeak = standingAtPeak.all.ranked(by: \.count)

        missed = observer.ledger.rows.map { row in
            let image = owners[row.key.mm]
            return Miss(
                image: row.key.mm, pid: image?.tgid ?? 0, command: image?.command ?? Self.othersName,
                operation: row.key.operation,
                side: row.key.side, blockers: row.key.blockers, detail: row.key.detail,
                answers: row.key.answers, count: row.count,
                time: row.example.time > startTime ? Double(row.example.time - startTime) / 1e9 : 0,
                proposed: row.example.proposed, prev: row.example.prev, next: row.example.next,
                stack: observer.frames[row.key.mm, row.key.stack])
        }.ranked(by: \.count)
        var room = StackRoom()
        for index in missed.indices { room.fit(&missed[index].stack) }
        for index in self.standing.indices { room.fit(&self.standing[index].stack) }
        for index in self.standingAtPeak.indices { room.fit(&self.standingAtPeak[index].stack) }
        for index in refused.indices { room.fit(&refused[index].stack) }
    }

    /// What the rows' stacks may have together. Each row has its own, and a long one can be that of thousands of rows.
    private struct StackRoom {
        /// In bytes.
        private var left = 32 << 20
        /// Innermost frames of a stack for which there is no room.
        private static let few = 4

        mutating func fit(_ stack: inout [String]) {
            let bytes = stack.reduce(0) { $0 + $1.utf8.count + 8 }
            if bytes <= left { return left -= bytes }
            if stack.count > Self.few { stack = stack.prefix(Self.few) + [CallPath.unseenFrame] }
        }
    }
}

/// The rows of boundaries and gaps of all processes: each row of a process, until there are too many. From then on
/// those that are alike are one row of all other processes.
private struct StandingRows {
    private(set) var all: [Report.Standing] = []
    private var places: [Kind: Int] = [:]

    private struct Kind: Hashable {
        var isGap: Bool
        var operation: Operation?
        var blockers: Blockers
        var answers: WhatIfAnswers
        var wasTried: Bool
    }

    /// Each takes some 500 bytes.
    private static let limit = 40_000

    mutating func add(_ boundaries: Boundaries, _ image: Image, _ observer: Observer) {
        for row in boundaries.rows {
            if all.count < Self.limit {
                all.append(Report.Standing(row, image, observer))
                continue
            }
            let operation = observer.causes[row.kind.cause]?.operation
            let kind = Kind(
                isGap: row.kind.isGap, operation: operation, blockers: row.kind.blockers, answers: row.kind.answers,
                wasTried: row.kind.wasTried)
            if let place = places[kind] {
                all[place].count += row.count
            } else {
                var other = Report.Standing(row, image, observer)
                (other.image, other.pid, other.command, other.stack) = (0, 0, Report.othersName, [])
                (other.detail, other.difference, other.ifChanged) = (nil, Difference(), (nil, nil))
                places[kind] = all.count
                all.append(other)
            }
        }
    }
}

extension Report.Standing {
    init(_ row: Boundaries.Row, _ image: Image, _ observer: Observer) {
        let cause = observer.causes[row.kind.cause]
        self.init(
            isGap: row.kind.isGap, image: image.mm, pid: image.tgid, command: image.command, operation: cause?.operation,
            blockers: row.kind.blockers, detail: observer.judge.detail(row.kind.blockers, row.left, row.right),
            difference: row.kind.difference, answers: row.kind.answers, wasTried: row.kind.wasTried,
            ifChanged: (row.kind.left, row.kind.right), count: row.count, left: row.left, right: row.right,
            stack: cause.map { observer.frames[image.mm, $0.stack] } ?? [])
    }
}

extension Report {
    /// The most bytes of each text at the head of a recording.
    private static let headerLimit = 256
    /// The name of those whose misses, boundaries, or refused calls are in rows of all together.
    fileprivate static let othersName = "(others)"

    /// The end of the observation, in nanoseconds of CLOCK_MONOTONIC.
    public var endTime: UInt64 { Self.end(startTime, seconds) }

    fileprivate static func end(_ start: UInt64, _ seconds: Double) -> UInt64 {
        let length = seconds.isFinite ? min(max(0, seconds) * 1e9, 9e18) : 0
        let (end, overflow) = start.addingReportingOverflow(UInt64(length))
        return overflow ? .max : end
    }
}

extension Blockers {
    /// The key in `missed_by`. A side that stayed apart although no rule forbids the merge has the key `unexplained`:
    /// this kernel has a rule that vmascope does not know.
    public var key: String { isEmpty ? "unexplained" : slugs.joined(separator: "+") }
}

/// The layout of a process as it stands (`vmascope layout`).
public struct LayoutReport: Sendable {
    /// Two VMAs of the layout that touch.
    public struct Boundary: Sendable {
        /// The index of the left VMA in `vmas`.
        public var index: Int
        /// All rules that keep the two apart; empty where no rule does.
        public var blockers: Blockers
        /// The exact difference in words, where the blockers leave it open; else nil.
        public var detail: String?
        /// The proposals' answers to an attempt made now; empty unless pgoff and anon_vma alone keep the two apart.
        public var answers = WhatIfAnswers()
        /// The answers of the 2022 series if somebody changed the left VMA now, or the right one.
        public var ifChanged: (left: WhatIf?, right: WhatIf?) = (nil, nil)
        /// The answer of the 2022 series: unknown where it depends on which VMA is changed, nil for others.
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
    }

    /// The process id that the caller has given.
    public var pid: UInt32
    /// The name of the process (comm).
    public var command: String
    /// VMAs that the process may have (`vm.max_map_count`); nil if that could not be read.
    public var limit: Int?
    /// The VMAs in order of address.
    public var vmas: [VMA]
    /// The boundaries in order of address.
    public var boundaries: [Boundary]
    /// The number of gaps (`GapSieve`).
    public var gaps: Int
    /// The remedy of most of the boundaries, not counting those within shared objects; nil where few are left.
    public var remedy: Remedy?
    /// What the ids in VMAs stand for.
    public var labels: Labels

    /// Judges the boundaries of a layout.
    public init(
        pid: UInt32, command: String, limit: Int?, layout: Layout, judge: Judge,
        labels: Labels
    ) {
        self.pid = pid
        self.command = command
        self.limit = limit
        self.labels = labels
        vmas = layout.vmas
        var boundaries: [Boundary] = []
        gaps = GapSieve.count(vmas)
        var asked: [String: (remedy: Remedy, count: Int)] = [:]
        layout.forEachBoundary { index, left, right, _ in
            let (blockers, ofLeft, ofRight) = judge.boundary(left, right)
            let detail = judge.detail(blockers, left, right)
            boundaries.append(
                Boundary(
                    index: index, blockers: blockers, detail: detail,
                    answers: .either(ofLeft, ofRight), ifChanged: (ofLeft[Proposals.rfc], ofRight[Proposals.rfc])))
            let circumstances = Circumstances(
                operation: nil, blockers: blockers, left: left, right: right, model: judge.model, stack: [],
                path: { labels.files[$0] })
            guard let remedy = Remedies.remedy(for: circumstances), !circumstances.marks.contains(.image) else { return }
            asked[remedy.slug, default: (remedy, 0)].count += 1
        }
        let most = asked.values.max { ($0.count, $1.remedy.slug) < ($1.count, $0.remedy.slug) }
        remedy = most.flatMap { $0.count >= AnswerStock.few ? $0.remedy : nil }
        self.boundaries = boundaries
    }
}

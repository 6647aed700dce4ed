import VMACore

/// The results of an observation, ready to be printed: plain values that every output format reads, in the order in
/// which they are shown.
public struct Report: Sendable {
    public var version: String
    public var host: Host
    /// Start of the observation in ISO 8601, and its length in seconds.
    public var started: String
    public var startTime: UInt64
    public var seconds: Double
    public var received: UInt64
    public var lost: UInt64
    public var checked: Int
    public var agreed: Int
    public var disagreements: [String]
    public var audit: Audit
    public var totals: Tally
    /// Times that a stack was counted as one of the others, for which there was no room (`FrameTable`).
    public var otherStacks: Int
    public var processes: [Process]
    /// Missed sides, most frequent first.
    public var missed: [Miss]
    /// The boundaries and gaps that stand now, or stood at the end; most frequent first.
    public var standing: [Standing]
    /// The boundaries and gaps at the peaks of the processes, as far as their layouts are kept.
    public var standingAtPeak: [Standing]
    /// Calls that the kernel refused, most frequent first.
    public var refused: [Refused]
    public var labels: Labels
    /// When what happened; nil if nobody has asked for it.
    public var timeline: Timeline?
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
        public var kernel: String
        /// `hooks` or `tracepoints`.
        public var source: String
        public var mergeRules: String

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
        public var pid: UInt32
        public var command: String
        public var exited: Bool
        public var start: Int
        public var now: Int
        public var peak: Int
        /// VMAs that the process may have (`vm.max_map_count`); nil if that could not be read.
        public var limit: Int?
        public var tally: Tally
        public var boundaries: Boundaries
        /// The boundaries when there were `keptPeak` VMAs, which is `peak`, or little less, or `now`.
        public var boundariesAtPeak: Boundaries
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
        public var image: MMID
        public var pid: UInt32
        public var command: String
        /// The operation that left it; nil if it stood before the observation, or exec made it.
        public var operation: Operation?
        public var blockers: Blockers
        public var detail: String?
        /// The exact difference, with its direction.
        public var difference: Difference
        /// The proposals' answers, whether it was tried or not (`wasTried`).
        public var answers = WhatIfAnswers()
        public var wasTried = false
        /// Whether it would merge if somebody changed the left one now, or the right one.
        public var ifChanged: (left: WhatIf?, right: WhatIf?) = (nil, nil)
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        public var count: Int
        /// The first pair.
        public var left: VMA
        public var right: VMA
        /// The stack of the call that left it, innermost frame first; empty if there is none.
        public var stack: [String]
    }

    /// Missed sides of one process that are alike: the same operation, blockers and stack.
    public struct Miss: Sendable {
        public var image: MMID
        public var pid: UInt32
        public var command: String
        public var operation: Operation
        public var side: Side
        public var blockers: Blockers
        public var detail: String?
        public var answers = WhatIfAnswers()
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        public var count: Int
        /// Seconds since the start of the observation.
        public var time: Double
        public var proposed: VMA
        public var prev: VMA?
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
        var standing: [Standing] = []
        var standingAtPeak: [Standing] = []
        let judge = observer.judge
        let refusedIn = observer.refusals.rows.reduce(into: [MMID: Int]()) { $0[$1.key.mm, default: 0] += $1.count }
        processes = (observer.images + (observer.others.map { [$0] } ?? [])).map { image in
            let boundaries = image.boundaries(judge)
            totals.add(image.tally)
            owners[image.mm] = image
            let (keptPeak, boundariesAtPeak) = image.boundariesAtPeak(judge)
            standing += boundaries.rows.map { Standing($0, image, observer) }
            standingAtPeak += boundariesAtPeak.rows.map { Standing($0, image, observer) }
            let end = Self.end(startTime, seconds)
            return Process(
                image: image.mm, pid: image.tgid, command: image.command, exited: image.hasExited,
                start: image.startCount, now: image.count, peak: image.peakCount, limit: limit,
                tally: image.tally, boundaries: boundaries, boundariesAtPeak: boundariesAtPeak, keptPeak: keptPeak,
                history: image.history, layout: image.layout,
                trend: image.hasExited
                    ? nil : Trend(image.history.points, until: end, past: image.age.map { Trend.Past(seconds: $0, most: 0) }),
                refused: refusedIn[image.mm] ?? 0)
        }
        self.totals = totals
        otherStacks = observer.frames.othersCount
        self.refused = observer.refusals.rows.map { row in
            let image = owners[row.key.mm]
            func seconds(_ time: UInt64) -> Double { time > startTime ? Double(time - startTime) / 1e9 : 0 }
            return Refused(
                image: row.key.mm, pid: image?.tgid ?? row.tgid, command: image?.command ?? "", operation: row.key.operation,
                verdict: row.key.verdict, count: row.count, first: seconds(row.first), last: seconds(row.last),
                stack: observer.frames[row.key.mm, row.key.stack])
        }.ranked(by: \.count)
        self.standing = standing.ranked(by: \.count)
        self.standingAtPeak = standingAtPeak.ranked(by: \.count)

        missed = observer.ledger.rows.map { row in
            let image = owners[row.key.mm]
            return Miss(
                image: row.key.mm, pid: image?.tgid ?? 0, command: image?.command ?? "", operation: row.key.operation,
                side: row.key.side, blockers: row.key.blockers, detail: row.key.detail,
                answers: row.key.answers, count: row.count,
                time: row.example.time > startTime ? Double(row.example.time - startTime) / 1e9 : 0,
                proposed: row.example.proposed, prev: row.example.prev, next: row.example.next,
                stack: observer.frames[row.key.mm, row.key.stack])
        }.ranked(by: \.count)
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

    /// The start of the observation, in nanoseconds of CLOCK_MONOTONIC.
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
        public var blockers: Blockers
        public var detail: String?
        public var answers = WhatIfAnswers()
        /// Whether it would merge if somebody changed the left one now, or the right one.
        public var ifChanged: (left: WhatIf?, right: WhatIf?) = (nil, nil)
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
    }

    public var pid: UInt32
    public var command: String
    public var limit: Int?
    public var vmas: [VMA]
    public var boundaries: [Boundary]
    /// The number of gaps (`GapSieve`).
    public var gaps: Int
    /// The remedy of most of the boundaries, not counting those within shared objects; nil where few are left.
    public var remedy: Remedy?
    public var labels: Labels

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

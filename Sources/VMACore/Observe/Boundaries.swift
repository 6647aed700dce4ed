/// What left a boundary or a gap: an operation, and the call stack of its caller.
public struct Cause: Hashable, Sendable {
    /// The operation of the write section; `other` for a task that is not native.
    public var operation: Operation
    /// The id of the stack; 0 if there is none.
    public var stack: StackID

    init(_ operation: Operation, stack: StackID) {
        self.operation = operation
        self.stack = stack
    }
}

/// Small ids for causes, so that each boundary and gap of a layout can carry one. 0 means that nobody has been
/// charged yet.
public struct Causes: Sendable {
    /// The cause of a boundary that stood before the observation, that exec made, or whose section was lost.
    static let unknown: UInt32 = idMask
    /// The lower bits of a boundary's number are the id of its cause. The bits above them are the proposals' answers
    /// to its last attempt; the topmost bit belongs to the layout.
    static let idMask: UInt32 = 0x7fff
    private static let answersShift: UInt32 = 15

    /// The number of a boundary after an attempt with these answers.
    static func tried(_ cause: UInt32, _ answers: WhatIfAnswers) -> UInt32 {
        cause & idMask | UInt32(answers.bits) << answersShift
    }

    /// The answers of the last attempt at a boundary; empty if nobody has tried to remove it.
    static func answers(_ cause: UInt32) -> WhatIfAnswers {
        WhatIfAnswers(bits: UInt16(truncatingIfNeeded: cause >> answersShift))
    }

    private var ids = NumberTable()
    private var all: [Cause] = []
    private static let limit = 32_000

    /// Past the limit, causes are distinguished by their operation only.
    mutating func id(_ cause: Cause) -> UInt32 {
        let key = UInt64(cause.operation.place + 1) << 32 | UInt64(cause.stack)
        let known = ids[key]
        if known != 0 { return known }
        if all.count >= Self.limit, cause.stack != 0 { return id(Cause(cause.operation, stack: 0)) }
        all.append(cause)
        ids[key] = UInt32(all.count)
        return UInt32(all.count)
    }

    /// The cause with this id; nil for none, and for `unknown`.
    public subscript(id: UInt32) -> Cause? {
        let id = id & Self.idMask
        return id == 0 || id > all.count ? nil : all[Int(id) - 1]
    }
}

/// The stock of one layout: its boundaries, by blockers, and its gaps (`GapSieve` says which unmapped ranges count).
public struct Boundaries: Sendable, Equatable {
    /// What boundaries, or gaps, of one row have in common.
    public struct Kind: Hashable, Sendable {
        /// A gap has no blockers: nothing could merge there.
        public var isGap = false
        /// An id of `Causes`.
        public var cause: UInt32
        /// All rules that keep the two VMAs apart; empty where no rule does, and for a gap.
        public var blockers: Blockers
        /// The proposals' answers: those of the last attempt, or, if there was none, those to an attempt made now.
        public var answers = WhatIfAnswers()
        /// Whether an attempt was made at the boundary during the observation.
        public var wasTried = false
        /// What the 2022 series would do if somebody changed the left VMA now; nil unless pgoff and anon_vma alone
        /// keep the two apart.
        public var left: WhatIf?
        /// The same if somebody changed the right VMA.
        public var right: WhatIf?
        /// The answer of the 2022 series; nil unless pgoff and anon_vma alone keep the two apart.
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// The exact difference of the two VMAs, with its direction.
        public var difference = Difference()

        /// The kind without its cause and the exact difference.
        fileprivate var coarse: Kind {
            var kind = Kind(isGap: isGap, cause: 0, blockers: blockers)
            (kind.answers, kind.wasTried) = (answers, wasTried)
            return kind
        }
    }

    /// Boundaries, or gaps, that are alike: how many there are, and an example.
    public struct Row: Sendable, Equatable {
        /// What the boundaries or gaps of the row have in common.
        public var kind: Kind
        /// How many boundaries or gaps are of this kind.
        public var count: Int
        /// The left VMA of the first pair of the row, in order of address.
        public var left: VMA
        /// The right VMA of that pair.
        public var right: VMA
    }

    /// The number of boundaries: pairs of VMAs that touch.
    public private(set) var total = 0
    /// The number of gaps.
    public private(set) var gaps = 0
    /// Boundaries by their blockers; pairs without a blocker are not in it.
    public private(set) var blockedBy: [Blockers: Int] = [:]
    /// The proposals' answers for boundaries that pgoff and anon_vma alone keep apart.
    public private(set) var byProposal = WhatIfCounts()
    /// The answers of the 2022 series, for boundaries that pgoff and anon_vma alone keep apart.
    public var whatIf: [WhatIf: Int] { byProposal[Proposals.rfc] }
    /// Boundaries that the 2022 series would have removed.
    public var recoverable: Int { whatIf[.recoverable] ?? 0 }
    /// How many VMAs fewer the layout would have on a kernel with the series, which may also keep apart what this
    /// kernel has merged.
    public private(set) var best = 0
    /// Pairs that no rule keeps apart, but that nothing has tried to merge.
    public var mergeable: Int { total - blockedBy.values.reduce(0, +) }
    /// The key of their count, beside the keys of blockers.
    public static let mergeableKey = "mergeable"
    /// The rows of boundaries and gaps, in order of address of the first pair of each.
    public private(set) var rows: [Row] = []
    /// Of sums over several address spaces, where each kind is in `rows`. Others are not added to.
    private var index: [Kind: Int] = [:]
    /// Of sums over several address spaces, so many kinds are told apart in full.
    private static let kindLimit = 10_000

    init() {}

    /// Counts and judges the boundaries and gaps of a layout.
    public init(_ layout: Layout, _ judge: Judge) { self.init(layout, judge, WhatIfState()) }

    init(_ layout: Layout, _ judge: Judge, _ state: WhatIfState) {
        var sieve = GapSieve()
        layout.forEachPair { _, left, right, isGap, cause in
            guard !isGap else {
                if let gap = sieve.take(left, right, cause) { add(gap) }
                return
            }
            let (blockers, ofLeft, ofRight) = judge.boundary(left, right)
            var kind = Kind(cause: cause & Causes.idMask, blockers: blockers)
            kind.difference = Difference(blockers, left, right, judge.model)
            if blockers.isHeadline {
                let tried = Causes.answers(cause)
                kind.wasTried = !tried.isEmpty
                kind.left = ofLeft[Proposals.rfc]
                kind.right = ofRight[Proposals.rfc]
                kind.answers = state.standing(right.start, kind.wasTried ? tried : .either(ofLeft, ofRight))
            }
            add(Row(kind: kind, count: 1, left: left, right: right))
        }
        best = state.count.map { max(0, layout.count - $0) } ?? recoverable
        index = [:]
    }

    /// The counts without the rows.
    public var sums: Boundaries {
        var sums = self
        (sums.rows, sums.index) = ([], [:])
        return sums
    }

    /// Adds the counts of another address space, and not its rows.
    public mutating func add(sumsOf other: Boundaries) {
        total += other.total
        gaps += other.gaps
        blockedBy.merge(other.blockedBy, uniquingKeysWith: +)
        byProposal.add(other.byProposal)
        best += other.best
    }

    /// Keeps the most frequent rows; of the others those that are alike but for their cause and their exact difference
    /// become one. Such a row takes some hundred bytes, and each boundary can be of a kind of its own.
    mutating func shorten(to limit: Int) {
        guard rows.count > limit else { return }
        let kept = Set(rows.indices.sorted { (rows[$1].count, $0) < (rows[$0].count, $1) }.prefix(limit))
        var places: [Kind: Int] = [:]
        var short: [Row] = []
        for (place, var row) in rows.enumerated() {
            if !kept.contains(place) { row.kind = row.kind.coarse }
            if let at = places[row.kind] {
                short[at].count += row.count
            } else {
                places[row.kind] = short.count
                short.append(row)
            }
        }
        (rows, index) = (short, [:])
    }

    /// Adds the sums of another address space, without its causes.
    public mutating func fold(_ other: Boundaries) {
        for row in other.rows {
            var row = row
            row.kind.cause = 0
            if rows.count >= Self.kindLimit, index[row.kind] == nil { row.kind = row.kind.coarse }
            add(row)
        }
        best += other.best
    }

    private mutating func add(_ row: Row) {
        if row.kind.isGap { gaps += row.count } else { total += row.count }
        if !row.kind.blockers.isEmpty { blockedBy[row.kind.blockers, default: 0] += row.count }
        byProposal.add(row.kind.answers, row.count)
        if let at = index[row.kind] {
            rows[at].count += row.count
        } else {
            index[row.kind] = rows.count
            rows.append(row)
        }
    }
}

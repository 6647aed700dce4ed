/// What left a boundary or a gap: an operation, and where the program asked for it.
public struct Cause: Hashable, Sendable {
    public var operation: Operation
    /// 0 if there is none.
    public var stack: StackID

    public init(_ operation: Operation, stack: StackID) {
        self.operation = operation
        self.stack = stack
    }
}

/// Small ids for causes, so that each boundary and gap of a layout can carry one; 0 is none yet.
public struct Causes: Sendable {
    /// It stood when the observation began, or exec made it, or what made it was lost.
    static let unknown: UInt32 = idMask
    /// The upper half of a boundary's number is what the proposals said when it was last tried; the topmost
    /// bit is a layout's.
    static let idMask: UInt32 = 0x7fff
    private static let answersShift: UInt32 = 15

    /// The number of a boundary that was tried once more.
    static func tried(_ cause: UInt32, _ answers: WhatIfAnswers) -> UInt32 {
        cause & idMask | UInt32(answers.bits) << answersShift
    }

    /// What they said of it; empty if nobody has tried.
    static func answers(_ cause: UInt32) -> WhatIfAnswers {
        WhatIfAnswers(bits: UInt16(truncatingIfNeeded: cause >> answersShift))
    }

    private var ids = NumberTable()
    private var all: [Cause] = []
    private static let limit = 32_000

    /// Past the limit, causes are told apart by operation only.
    mutating func id(_ cause: Cause) -> UInt32 {
        let key = UInt64(cause.operation.place + 1) << 32 | UInt64(cause.stack)
        let known = ids[key]
        if known != 0 { return known }
        if all.count >= Self.limit, cause.stack != 0 { return id(Cause(cause.operation, stack: 0)) }
        all.append(cause)
        ids[key] = UInt32(all.count)
        return UInt32(all.count)
    }

    public subscript(id: UInt32) -> Cause? {
        let id = id & Self.idMask
        return id == 0 || id > all.count ? nil : all[Int(id) - 1]
    }
}

/// What separates the VMAs of a layout as it stands: the stock, as attempts are the flow. Of neighbours
/// that touch it is blockers, of others a gap (`GapSieve` says which count).
public struct Boundaries: Sendable, Equatable {
    /// Boundaries, or gaps, that are alike.
    public struct Kind: Hashable, Sendable {
        /// Then there are no blockers: nothing could merge.
        public var isGap = false
        /// An id of `Causes`.
        public var cause: UInt32
        public var blockers: Blockers
        /// What the proposals say of it: when it was last tried, or if it never was, if it were now.
        public var answers = WhatIfAnswers()
        public var wasTried = false
        /// Whether it would merge if somebody changed the left one now, or the right one.
        public var left: WhatIf?
        public var right: WhatIf?
        public var whatIf: WhatIf? { answers[Proposals.rfc] }
        /// What differs, and in which direction.
        public var difference = Difference()
    }

    public struct Row: Sendable, Equatable {
        public var kind: Kind
        public var count: Int
        /// The first pair of its kind.
        public var left: VMA
        public var right: VMA
    }

    /// Pairs that touch.
    public private(set) var total = 0
    /// Pairs that do not, and count as gaps.
    public private(set) var gaps = 0
    /// Pairs without any blocker are not in it.
    public private(set) var blockedBy: [Blockers: Int] = [:]
    /// Of those that pgoff and anon_vma alone keep apart, by proposal.
    public private(set) var byProposal = WhatIfCounts()
    public var whatIf: [WhatIf: Int] { byProposal[Proposals.rfc] }
    public var recoverable: Int { whatIf[.recoverable] ?? 0 }
    /// VMAs fewer on a kernel with the series: it may keep apart what the kernel has merged.
    public private(set) var best = 0
    /// Pairs that nothing keeps apart but that nothing has tried to merge them.
    public var mergeable: Int { total - blockedBy.values.reduce(0, +) }
    /// What counts of them are called, beside those of blockers.
    public static let mergeableKey = "mergeable"
    /// Of boundaries and of gaps, in order of address of the first of each kind.
    public private(set) var rows: [Row] = []
    private var index: [Kind: Int] = [:]

    public init() {}

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
    }

    /// Takes the sums over, and forgets who caused what.
    mutating func fold(_ other: Boundaries) {
        for row in other.rows {
            var row = row
            row.kind.cause = 0
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

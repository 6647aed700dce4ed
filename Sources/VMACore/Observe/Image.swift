/// The model of one address space (mm) while it is observed. A pid may have several mms in its life (exec), and
/// several pids may share one (vfork).
public final class Image {
    /// The id of the address space; 0 stands for several that have ended (`Observer.others`).
    public let mm: MMID
    /// The process that owns the address space: the first that was seen; 0 while it is unknown.
    public var tgid: UInt32
    /// The name of the process (comm) at the last fork or exec, or when it was adopted; empty while it is unknown.
    public var command: String
    /// The VMAs as the events tell of them; empty where it is not kept any more (`Observer.apply` of `.released`).
    public var layout = Layout()
    /// The layout is complete: a snapshot, an exec or a fork has filled it.
    public var isComplete = false
    /// The last user of the address space has gone.
    public var hasExited = false
    /// The layouts that the address space would have under the proposals.
    var whatIf = WhatIfState()
    /// The proposals' answers to attempts of the open section, by address of the boundary.
    var tried: [(boundary: UInt64, answers: WhatIfAnswers)] = []
    /// The pages that were counted in the open section.
    var counts: [PageCount] = []
    /// The address spaces that this one descends from by fork, its parent last.
    var ancestors: [MMID] = []
    static let ancestorLimit = 16
    /// It was asked for since the last loss (`Population.takeTouched`).
    var isTouched = false
    /// Its figures are in those of the others.
    var isFolded = false
    /// Grows with each record of a change: an equal value before and after means that the address space was quiet.
    public internal(set) var changes = 0
    /// The attempts, merges and misses in this address space, as far as they are final.
    public var tally = Tally()
    /// The figures of an address space that has ended and whose layout is no longer kept.
    private var last: (count: Int, boundaries: Boundaries)?
    /// CLOCK_MONOTONIC nanoseconds of the last snapshot: rows that were read before it are older than the layout.
    var knownSince: UInt64 = 0
    /// The number of VMAs when the layout became complete; 0 before.
    public var startCount = 0
    /// The highest number of VMAs at the end of a write section.
    public var peakCount = 0
    /// The number of VMAs at the end of each write section since the layout became complete.
    public internal(set) var history = History()
    /// Seconds for which the process had lived when it was adopted; nil if it has begun since, or nobody knows.
    public internal(set) var age: Double?
    /// Of the layouts that it had before it shrank, the largest that was kept.
    var peak = Peak()

    var open = OpenSections()
    /// The kernel's rows at exit, to compare with the model.
    var audited: [VMA] = []
    var auditedRange = AddressRange.empty

    /// The number of VMAs now, or at the end.
    public var count: Int { last?.count ?? layout.count }

    /// The boundaries and gaps that stand now, or stood at the end.
    ///
    /// - Parameter keeps: whether those of an address space that has ended are kept, to be asked for again.
    public func boundaries(_ judge: Judge, keeps: Bool = true) -> Boundaries {
        if let last { return last.boundaries }
        let boundaries = Boundaries(layout, judge, whatIf)
        if hasExited, keeps { last = (layout.count, boundaries) }
        return boundaries
    }

    /// The boundaries and gaps at the peak, as far as its layout is kept, and the number of VMAs of that layout.
    ///
    /// - Parameter now: those that stand now, if they are known already.
    public func boundariesAtPeak(
        _ judge: Judge, keeps: Bool = true, now: Boundaries? = nil
    ) -> (at: Int, boundaries: Boundaries) {
        peak.count > count
            ? (peak.count, peak.boundaries(judge, keeps: keeps)) : (count, now ?? boundaries(judge, keeps: keeps))
    }

    /// The boundaries are found anew when they are asked for next.
    func forgetBoundaries() {
        if last?.count == layout.count { last = nil }
        peak.forgetBoundaries()
    }

    /// What is kept of it, in VMAs: an address space takes as much memory as some dozens of them, and a layout as much as
    /// a leaf of the tree at least.
    var keptVMAs: Int {
        func size(_ layout: Layout?) -> Int { layout.map { $0.count == 0 ? 0 : max($0.count, LayoutNode.capacity) } ?? 0 }
        let proposed = whatIf.layouts.reduce(0) { $0 + size($1.layout) }
        return 24 + size(layout) + size(peak.layout) + proposed + audited.count + open.count
    }

    /// The rows of boundaries and gaps of layouts that are not kept any more.
    var keptBoundaries: [Boundaries.Row] { (last?.boundaries.rows ?? []) + peak.keptRows }
    /// How many these are.
    var keptRows: Int { (last?.boundaries.rows.count ?? 0) + peak.keptRows.count }

    /// To be called before a write section overwrites `range` with `vmas`.
    func keepPeak(before range: AddressRange, _ vmas: [VMA]) {
        if isComplete { peak.keep(layout, before: range, vmas, most: peakCount) }
    }

    /// Keeps the sums only, with so many rows in full.
    func releaseLayout(_ judge: Judge, rows: Int = .max) {
        var sums = boundaries(judge)
        sums.shorten(to: rows)
        last = (count, sums)
        if peak.count > count { peak.release(judge, rows: rows) } else { peak = Peak() }
        layout = Layout()
        whatIf = WhatIfState()
    }

    /// Adds the sums of an address space that has ended and no longer has figures of its own.
    func take(_ other: Image, _ judge: Judge) {
        tally.add(other.tally)
        startCount += other.startCount
        peakCount = max(peakCount, other.peakCount)
        var sums = last ?? (0, Boundaries())
        sums.count += other.count
        sums.boundaries.fold(other.boundaries(judge))
        last = sums
        hasExited = true
    }

    init(mm: MMID, tgid: UInt32, command: String) {
        self.mm = mm
        self.tgid = tgid
        self.command = command
    }
}

/// The comparisons of the model with the kernel's VMAs.
public struct Audit: Sendable, Equatable {
    /// Comparisons that were made.
    public var checked = 0
    /// Comparisons in which the model had the same VMAs as the kernel (`VMA.sameMapping`).
    public var equal = 0
    /// Times that a layout, or a part of it, was stale or in doubt and was read anew; also where a comparison found
    /// nothing but mappings that had grown at page faults (`VMA.hasGrown`).
    public var resynced = 0
    /// The first differences, in words.
    public var differences: [String] = []

    /// Comparisons in which the two differed.
    public var different: Int { checked - equal }

    static let differenceLimit = 8

    mutating func add(_ other: Audit) {
        checked += other.checked
        equal += other.equal
        differences += other.differences
    }
}

/// The model and the kernel's rows, compared.
struct LayoutComparison {
    /// In words; empty if there are none.
    var differences: [String] = []
    /// Mappings that have grown at page faults.
    var grown = 0

    var isEqual: Bool { differences.isEmpty && grown == 0 }
}

extension Image {
    /// Compares the model with the kernel's rows within `range`. One walk along both.
    func comparison(with kernel: [VMA], in range: AddressRange) -> LayoutComparison {
        var ours = layout.rows(overlapping: range).lazy.map { $0.vma.clipped(to: range) }.makeIterator()
        var theirs = kernel.lazy.filter { $0.range.overlaps(range) }.map { $0.clipped(to: range) }.makeIterator()
        var (our, their) = (ours.next(), theirs.next())
        var found = LayoutComparison()
        while our != nil || their != nil {
            if let before = our, let after = their, after.hasGrown(from: before) {
                found.grown += 1
                (our, their) = (ours.next(), theirs.next())
                continue
            }
            let (ourStart, theirStart) = (our?.start ?? .max, their?.start ?? .max)
            let isSame = if let our, let their { our.sameMapping(as: their) } else { false }
            if !isSame {
                let model = ourStart <= theirStart ? our?.summary : nil
                let kernel = theirStart <= ourStart ? their?.summary : nil
                found.differences.append("\(command)[\(tgid)] model \(model ?? "nothing"), kernel \(kernel ?? "nothing")")
            }
            if ourStart <= theirStart { our = ours.next() }
            if theirStart <= ourStart { their = theirs.next() }
        }
        return found
    }
}

extension VMA {
    /// The VMA in one line, for messages.
    public var summary: String {
        "\(String(start, radix: 16))-\(String(end, radix: 16)) \(flags.protectionText) "
            + "pgoff \(String(pgoff, radix: 16)) flags \(String(flags.rawValue, radix: 16)) "
            + "file \(file) policy \(policy) uffd \(uffd) name \(name)"
    }
}

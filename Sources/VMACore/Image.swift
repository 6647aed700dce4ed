/// One address space while it is observed. Its identity is the mm: a pid may have several in
/// its life (exec), and several pids may share one (vfork).
public final class Image {
    public let mm: MMID
    public var tgid: UInt32
    public var command: String
    public var layout = Layout()
    /// The layout is complete: a snapshot, an exec or a fork has filled it.
    public var isComplete = false
    public var hasExited = false
    /// Grows with each change that is told: equal before and after means that it was quiet.
    public internal(set) var changes = 0
    public var tally = Tally()
    /// Of an address space that is gone and whose layout has been let go.
    private var last: (count: Int, boundaries: Boundaries)?
    /// Rows written before this are older than the layout, which was read from outside then.
    var knownSince: UInt64 = 0
    public var startCount = 0
    public var peakCount = 0
    public internal(set) var history = History()

    /// What the open write section of a thread has shown so far.
    struct Open {
        /// What it found was told; without that nothing can be read off it.
        var hasBegun = false
        var before: [VMA] = []
        var after: [VMA] = []
        /// More than a section can have (bpf/rows.h) are of a recording that lies.
        static let limit = 20_000
    }
    var open: [UInt32: Open] = [:]
    /// What the kernel had at exit, to compare with.
    var audited: [VMA] = []
    var auditedRange = AddressRange.empty

    /// VMAs now, or in the end.
    public var count: Int { last?.count ?? layout.count }

    /// What separates the VMAs now, or in the end.
    public func boundaries(_ judge: Judge) -> Boundaries {
        if let last { return last.boundaries }
        let boundaries = Boundaries(layout, judge)
        if hasExited { last = (layout.count, boundaries) }
        return boundaries
    }

    /// Keeps the sums only.
    func releaseLayout(_ judge: Judge) {
        last = (count, boundaries(judge))
        layout = Layout()
    }

    /// Takes over the sums of one that is gone and that nobody will ask for by itself again.
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

/// Comparisons of the model with the kernel.
public struct Audit: Sendable, Equatable {
    public var checked = 0
    public var equal = 0
    /// Times that a layout, or a part of it, was found or feared stale and read anew.
    public var resynced = 0
    /// The first differences, in words.
    public var differences: [String] = []

    static let differenceLimit = 8

    mutating func add(_ other: Audit) {
        checked += other.checked
        equal += other.equal
        differences += other.differences
    }
}

extension Image {
    /// Where the model and the kernel's own rows differ, within `range`; empty if nowhere.
    func differences(from kernel: [VMA], in range: AddressRange) -> [String] {
        var differences: [String] = []
        var next = kernel.startIndex
        func note(_ our: VMA?, _ their: VMA?) {
            let (our, their) = (our?.summary ?? "nothing", their?.summary ?? "nothing")
            differences.append("\(command)[\(tgid)] model \(our), kernel \(their)")
        }
        /// The kernel's next, cut off at the range's ends.
        func their() -> VMA? {
            while next < kernel.endIndex, kernel[next].end <= range.start { next += 1 }
            guard next < kernel.endIndex, kernel[next].start < range.end else { return nil }
            return kernel[next].clipped(to: range)
        }
        layout.forEach(overlapping: range) { vma in
            let our = vma.clipped(to: range)
            while let their = their(), their.start < our.start {
                note(nil, their)
                next += 1
            }
            guard let their = their(), their.start == our.start else { return note(our, nil) }
            if !our.sameMapping(as: their) { note(our, their) }
            next += 1
        }
        while let their = their() {
            note(nil, their)
            next += 1
        }
        return differences
    }
}

extension VMA {
    /// One line for messages.
    public var summary: String {
        "\(String(start, radix: 16))-\(String(end, radix: 16)) \(flags.protectionText) "
            + "pgoff \(String(pgoff, radix: 16)) flags \(String(flags.rawValue, radix: 16)) "
            + "file \(file) policy \(policy) uffd \(uffd) name \(name)"
    }
}

/// The layout of an address space when it had most VMAs. What stands at the end does not explain a peak: programs
/// unmap before they exit, and garbage collectors in each cycle.
///
/// A layout is kept just before it shrinks. Each kept layout costs O(n) once, when the layout changes next (a copy
/// shares everything until then). So a new one must have a sixteenth more VMAs than the one before: all together cost
/// O(n), and `count` is less than a sixteenth below the peak.
struct Peak: Sendable {
    private(set) var layout = Layout()
    /// The number of VMAs of `layout`; it stays when the layout is dropped.
    private(set) var count = 0
    private var sums: Boundaries?

    /// Programs at rest gain and lose some VMAs: fewer than these are no peak.
    private static let least = 8

    /// To be called before `range` of `current` is overwritten with `vmas`.
    ///
    /// - Parameter most: the highest count at the end of a write section. A higher count is that of a layout which is
    ///   only half changed.
    mutating func keep(_ current: Layout, before range: AddressRange, _ vmas: [VMA], most: Int) {
        guard current.count <= most, current.count >= count + max(Self.least, count / 16) else { return }
        guard current.shrinks(range, with: vmas) else { return }
        layout = current
        count = current.count
        sums = nil
    }

    /// - Parameter keeps: whether they are kept, to be asked for again.
    mutating func boundaries(_ judge: Judge, keeps: Bool) -> Boundaries {
        if let sums { return sums }
        let found = Boundaries(layout, judge)
        if keeps { sums = found }
        return found
    }

    /// They are found anew when they are asked for next.
    mutating func forgetBoundaries() {
        if count == layout.count { sums = nil }
    }

    /// The rows of its sums, if they are known.
    var keptRows: [Boundaries.Row] { sums?.rows ?? [] }

    /// Drops the layout and keeps its sums.
    mutating func release(_ judge: Judge, rows: Int) {
        sums = boundaries(judge, keeps: true)
        sums?.shorten(to: rows)
        layout = Layout()
    }
}

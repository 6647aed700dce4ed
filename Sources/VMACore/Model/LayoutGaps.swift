/// A gap whose cause is known, remembered before a change removes the row that holds it.
struct CausedGap {
    var range: AddressRange
    var cause: UInt32
}

extension LayoutTree {
    /// The gaps in, before and behind `cover` that have a cause and will not end where they do now: the VMA behind
    /// them grows towards them, loses its head, gets another one in front of it, or goes.
    func gapsThatMove(_ cover: AddressRange, _ vmas: [VMA]) -> [CausedGap] {
        var gaps: [CausedGap] = []
        guard !cover.isEmpty else { return gaps }
        var next = vmas.startIndex
        forEachCausedGap(from: cover.start, through: cover.end) { gap in
            guard gap.range.end < cover.end else {
                if vmas.last?.end == cover.end { gaps.append(gap) }
                return
            }
            while next < vmas.endIndex, vmas[next].start < gap.range.end { next += 1 }
            if next == vmas.endIndex || vmas[next].start != gap.range.end { gaps.append(gap) }
        }
        return gaps
    }

    private func forEachCausedGap(from first: UInt64, through last: UInt64, _ body: (CausedGap) -> Void) {
        guard var (leaf, index) = self.first(from: first), leaf.keys[index] <= last else { return }
        var end = Self.before(leaf, index).map { $0.row($1).pointee.end } ?? 0
        while leaf.keys[index] <= last {
            let (start, row) = (leaf.keys[index], leaf.row(index).pointee)
            let cause = row.cause.cause(isGap: true)
            if cause != 0, end < start { body(CausedGap(range: AddressRange(end, start), cause: cause)) }
            end = row.end
            index += 1
            if index == leaf.count {
                guard let next = leaf.next else { return }
                (leaf, index) = (next, 0)
            }
        }
    }

    /// Gives what is left of a gap its cause again: the part with the highest addresses, if it has no cause of its
    /// own.
    func restore(_ gap: CausedGap) {
        // The row that begins last before the gap's end, or else the first one behind it.
        let inside = last(before: gap.range.end).flatMap { $0.keys[$1] > gap.range.start ? ($0, $1) : nil }
        for place in [first(from: gap.range.end), inside] {
            guard let (leaf, index) = place, let before = Self.before(leaf, index) else { continue }
            let row = leaf.row(index)
            let hole = AddressRange(before.0.row(before.1).pointee.end, leaf.keys[index])
            guard !hole.isEmpty, hole.overlaps(gap.range) else { continue }
            if row.pointee.cause.cause(isGap: true) == 0 { row.pointee.cause = Seam(gap.cause, isGap: true) }
            return
        }
    }
}

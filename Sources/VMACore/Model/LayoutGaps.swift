/// A gap whose cause is known, remembered before a change removes the row that holds it.
struct CausedGap {
    var range: AddressRange
    var cause: UInt32
}

/// The gaps that a change moves. Mostly there is one at most, and an array would be allocated at every change.
struct MovedGaps {
    private(set) var first: CausedGap?
    /// Nil for none.
    private(set) var others: [CausedGap]?

    mutating func append(_ gap: CausedGap) {
        if first == nil { first = gap } else { others = (others ?? []) + [gap] }
    }
}

extension LayoutTree {
    /// The gaps in, before and behind `cover` that have a cause and will not end where they do now: the VMA behind
    /// them grows towards them, loses its head, gets another one in front of it, or goes. `place` is that of the
    /// cover's start.
    func gapsThatMove(_ cover: AddressRange, _ vmas: [VMA], from place: Place) -> MovedGaps {
        var gaps = MovedGaps()
        var (leaf, index) = (place.leaf, place.index)
        if index == leaf.count {
            guard let next = leaf.next else { return gaps }
            (leaf, index) = (next, 0)
        }
        var next = vmas.startIndex
        while leaf.keys[index] <= cover.end {
            let cause = leaf.row(index).pointee.cause.cause(isGap: true)
            if cause != 0 {
                let end = leaf.keys[index]
                let start = Self.before(leaf, index).map { $0.row($1).pointee.end } ?? 0
                let moves: Bool
                if end < cover.end {
                    while next < vmas.endIndex, vmas[next].start < end { next += 1 }
                    moves = next == vmas.endIndex || vmas[next].start != end
                } else {
                    moves = vmas.last?.end == cover.end
                }
                if moves, start < end { gaps.append(CausedGap(range: AddressRange(start, end), cause: cause)) }
            }
            index += 1
            if index == leaf.count {
                guard let next = leaf.next else { break }
                (leaf, index) = (next, 0)
            }
        }
        return gaps
    }

    /// Gives what is left of a gap its cause again: the part with the highest addresses, if it has no cause of its
    /// own.
    func restore(_ gap: CausedGap) {
        let (leaf, _) = leaf(of: gap.range.end)
        let rank = leaf.rank(gap.range.end)
        // The first row behind the gap's end, or else the last one that begins before it.
        let behind = rank < leaf.count ? (leaf, rank) : leaf.next.map { ($0, 0) }
        if let behind, restore(gap, behind.0, behind.1) { return }
        if let inside = Self.before(leaf, rank), inside.0.keys[inside.1] > gap.range.start {
            _ = restore(gap, inside.0, inside.1)
        }
    }

    /// Whether the gap in front of this row is a part of `gap`.
    private func restore(_ gap: CausedGap, _ leaf: LayoutNode, _ index: Int) -> Bool {
        guard let (left, last) = Self.before(leaf, index) else { return false }
        let hole = AddressRange(left.row(last).pointee.end, leaf.keys[index])
        guard !hole.isEmpty, hole.overlaps(gap.range) else { return false }
        let row = leaf.row(index)
        if row.pointee.cause.cause(isGap: true) == 0 { row.pointee.cause = Seam(gap.cause, isGap: true) }
        return true
    }
}

/// The state of an `overwrite` that goes from leaf to leaf.
private struct LayoutChange {
    struct Rest {
        var start: UInt64
        var row: LayoutRow
        var anonPgoff: UInt64
    }

    var vmas: [VMA]
    /// How many of `vmas` are to be written; those behind stay as they are.
    var count: Int
    /// What remains of a VMA that reached beyond the end.
    var rest: Rest?
    var stop: UInt64
    var next = 0
    /// The end of the row before the one that is written next; 0 if there is none, since no row ends at 0.
    var previousEnd: UInt64 = 0

    init(vmas: [VMA], stop: UInt64) {
        self.vmas = vmas
        count = vmas.count
        self.stop = stop
    }

    var total: Int { count + (rest == nil ? 0 : 1) }
    func start(_ index: Int) -> UInt64 { index < count ? vmas[index].start : stop - 1 }
}

extension LayoutTree {
    /// Whether `cover` holds exactly `vmas`, which lie in it.
    func holds(_ vmas: [VMA], in cover: AddressRange) -> Bool {
        var (leaf, _) = leaf(of: cover.start)
        var index = leaf.rank(cover.start)
        if let (node, before) = Self.before(leaf, index), node.row(before).pointee.end > cover.start { return false }
        func isAtEnd() -> Bool {
            guard index == leaf.count else { return false }
            guard let next = leaf.next else { return true }
            (leaf, index) = (next, 0)
            return false
        }
        for vma in vmas {
            guard !isAtEnd(), holds(vma, at: leaf, index) else { return false }
            index += 1
        }
        return isAtEnd() || leaf.keys[index] >= cover.end
    }

    /// How many rows fewer there would be if nothing were left in `cover`; less than zero where that splits a row.
    func countToReplace(_ cover: AddressRange) -> Int {
        var (leaf, _) = leaf(of: cover.start)
        var index = leaf.rank(cover.start)
        var count = 0
        if let (node, before) = Self.before(leaf, index), node.row(before).pointee.end > cover.end { count -= 1 }
        while true {
            if index == leaf.count {
                guard let next = leaf.next else { return count }
                (leaf, index) = (next, 0)
            }
            guard leaf.keys[index] < cover.end else { return count }
            if leaf.row(index).pointee.end <= cover.end { count += 1 }
            index += 1
        }
    }

    private func holds(_ vma: VMA, at leaf: LayoutNode, _ index: Int) -> Bool {
        let row = leaf.row(index)
        return leaf.keys[index] == vma.start && row.pointee.end == vma.end && row.pointee.pgoff == vma.pgoff
            && row.pointee.anonVMA == vma.anonVMA && row.pointee.file == vma.file
            && kinds[row.pointee.kind] == LayoutKind(vma)
            && vma.anonPgoff == (isWide ? leaf.anonPgoff(index).pointee : 0)
    }

    /// Makes `cover` hold exactly `vmas`, which lie in it, sorted and not overlapping. `place` is that of the cover's
    /// start.
    func overwrite(_ cover: AddressRange, with vmas: [VMA], from place: Place) {
        var change = LayoutChange(vmas: vmas, stop: cover.end)
        var at = cover.start
        var (leaf, limit, from) = (place.leaf, place.limit, place.index)
        var to = leaf.rank(min(limit, cover.end), from: from)
        if let (node, index) = Self.before(leaf, from) {
            let row = node.row(index)
            if row.pointee.end > cover.end { change.rest = rest(of: node, index, from: cover.end) }
            row.pointee.end = min(row.pointee.end, cover.start)
            change.previousEnd = row.pointee.end
        }
        let last = cover.end <= limit ? Self.before(leaf, to) : last(before: cover.end)
        if let (node, index) = last, node.keys[index] >= cover.start, node.row(index).pointee.end > cover.end {
            change.rest = rest(of: node, index, from: cover.end)
        }
        // Skip the rows in front that stay as they are.
        while from < to, change.next < change.count, stays(change, change.next, at: leaf, from) {
            at = vmas[change.next].end
            change.previousEnd = at
            change.next += 1
            from += 1
        }
        // Skip the rows at the end that stay as they are.
        var end = cover.end
        while end <= limit, from < to, change.next < change.count, stays(change, change.count - 1, at: leaf, to - 1) {
            change.count -= 1
            end = vmas[change.count].start
            change.stop = end
            to -= 1
        }
        // The rest starts where the cover ends.
        if change.rest != nil { change.stop += 1 }

        func seek() {
            let place = self.place(of: at)
            (leaf, limit, from) = (place.leaf, place.limit, place.index)
            to = leaf.rank(min(limit, end), from: from)
        }
        while true {
            // Write the part that lies in this leaf, and no more than there is room for.
            var bound = min(limit, change.stop)
            let room = LayoutNode.capacity - leaf.count + (to - from)
            var upTo = change.next
            while upTo < change.total, change.start(upTo) < bound, upTo - change.next <= room { upTo += 1 }
            if upTo - change.next > room {
                upTo = change.next + LayoutNode.capacity - leaf.count
                if upTo == change.next {
                    tidy(at)
                    seek()
                    continue
                }
                bound = change.start(upTo)
                to = leaf.rank(bound)
            }
            splice(leaf, from ..< to, &change, upTo: upTo)
            if bound == change.stop, change.rest == nil {
                forget(leaf, from + fresh.count, at: end, unlessTouching: change.previousEnd)
            }
            if leaf.count <= LayoutNode.sparse, height > 0 { tidy(at) }
            at = bound
            if at == change.stop { return }
            seek()
        }
    }

    /// Whether a row stays as it is, and the boundary or gap at its start stays one and keeps its cause.
    private func stays(_ change: LayoutChange, _ number: Int, at leaf: LayoutNode, _ index: Int) -> Bool {
        let end = number == change.next ? change.previousEnd : change.vmas[number - 1].end
        let cause = leaf.row(index).pointee.cause
        guard cause.isNone || cause.cause(isGap: leaf.keys[index] != end) != 0 else { return false }
        return holds(change.vmas[number], at: leaf, index)
    }

    private func rest(of node: LayoutNode, _ index: Int, from start: UInt64) -> LayoutChange.Rest {
        var rest = LayoutChange.Rest(start: start, row: node.row(index).pointee, anonPgoff: 0)
        let cut = (start - node.keys[index]) >> AddressRange.pageShift
        rest.row.pgoff &+= cut
        rest.row.cause = .none
        kinds.retain(rest.row.kind)
        if isWide {
            rest.anonPgoff = node.anonPgoff(index).pointee
            let goesAlong =
                rest.anonPgoff != 0
                || VMA.Traits(rawValue: kinds[rest.row.kind].traits).contains(.hasAnonPgoff)
            if goesAlong { rest.anonPgoff &+= cut }
        }
        return rest
    }

    /// Writes the next rows of `change` in place of the rows in `range`.
    private func splice(_ leaf: LayoutNode, _ range: Range<Int>, _ change: inout LayoutChange, upTo: Int) {
        var old = range.lowerBound
        fresh.count = upTo - change.next
        for index in 0 ..< fresh.count {
            let number = change.next + index
            if number < change.count {
                put(change.vmas[number], into: fresh, index)
            } else if let rest = change.rest {
                fresh.keys[index] = rest.start
                fresh.row(index).pointee = rest.row
                if isWide { fresh.anonPgoff(index).pointee = rest.anonPgoff }
            }
            // A boundary that stays one keeps its cause, and so does a gap.
            let start = fresh.keys[index]
            while old < range.upperBound, leaf.keys[old] < start { old += 1 }
            if old < range.upperBound, leaf.keys[old] == start {
                let isGap = change.previousEnd != start
                fresh.row(index).pointee.cause = Seam(leaf.row(old).pointee.cause.cause(isGap: isGap), isGap: isGap)
            }
            change.previousEnd = fresh.row(index).pointee.end
        }
        for index in range { kinds.release(leaf.row(index).pointee.kind) }
        leaf.replace(range, with: fresh, count: fresh.count)
        count += fresh.count - range.count
        change.next = upTo
    }

    /// Drops the cause of the row at `index`, or of the next leaf's first row, if its boundary has become a gap, or
    /// the reverse.
    private func forget(_ leaf: LayoutNode, _ index: Int, at start: UInt64, unlessTouching end: UInt64) {
        func forget(_ row: UnsafeMutablePointer<LayoutRow>) {
            if row.pointee.cause.cause(isGap: end != start) == 0 { row.pointee.cause = .none }
        }
        if index < leaf.count {
            if leaf.keys[index] == start { forget(leaf.row(index)) }
        } else if let next = leaf.next, next.keys[0] == start {
            forget(next.row(0))
        }
    }
}

/// An `overwrite` under way, leaf by leaf.
private struct LayoutChange {
    struct Rest {
        var start: UInt64
        var row: LayoutRow
        var anonPgoff: UInt64
    }

    var vmas: [VMA]
    /// What remains of the VMA that reached beyond the end.
    var rest: Rest?
    var stop: UInt64
    var next = 0
    /// Of the row before the one that is written next; none ends at 0.
    var previousEnd: UInt64 = 0

    init(vmas: [VMA], stop: UInt64) {
        self.vmas = vmas
        self.stop = stop
    }

    var total: Int { vmas.count + (rest == nil ? 0 : 1) }
    func start(_ index: Int) -> UInt64 { index < vmas.count ? vmas[index].start : stop - 1 }
}

extension LayoutTree {
    /// Makes `cover` hold exactly `vmas`, which lie in it, sorted and not overlapping.
    func overwrite(_ cover: AddressRange, with vmas: [VMA]) {
        var change = LayoutChange(vmas: vmas, stop: cover.end)
        var at = cover.start
        var (leaf, limit) = leaf(of: at)
        var from = leaf.rank(at)
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
        // The rest starts where the cover ends.
        if change.rest != nil { change.stop += 1 }

        func seek() {
            (leaf, limit) = self.leaf(of: at)
            from = leaf.rank(at)
            to = leaf.rank(min(limit, cover.end), from: from)
        }
        while true {
            // What of it lies in this leaf, and no more than there is room for.
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
            splice(leaf, from..<to, &change, upTo: upTo)
            if bound == change.stop, change.rest == nil {
                forget(leaf, from + fresh.count, at: cover.end, unlessTouching: change.previousEnd)
            }
            if leaf.count <= LayoutNode.sparse, height > 0 { tidy(at) }
            at = bound
            if at == change.stop { return }
            seek()
        }
    }

    private func rest(of node: LayoutNode, _ index: Int, from start: UInt64) -> LayoutChange.Rest {
        var rest = LayoutChange.Rest(start: start, row: node.row(index).pointee, anonPgoff: 0)
        let cut = (start - node.keys[index]) >> AddressRange.pageShift
        rest.row.pgoff &+= cut
        rest.row.cause = 0
        kinds.retain(rest.row.kind)
        if isWide {
            rest.anonPgoff = node.anonPgoff(index).pointee
            let goesAlong = rest.anonPgoff != 0
                || VMA.Traits(rawValue: kinds[rest.row.kind].traits).contains(.hasAnonPgoff)
            if goesAlong { rest.anonPgoff &+= cut }
        }
        return rest
    }

    /// Writes what comes next of `change` in the place of the rows in `range`.
    private func splice(_ leaf: LayoutNode, _ range: Range<Int>, _ change: inout LayoutChange, upTo: Int) {
        var old = range.lowerBound
        fresh.count = upTo - change.next
        for index in 0..<fresh.count {
            let number = change.next + index
            if number < change.vmas.count {
                put(change.vmas[number], into: fresh, index)
            } else if let rest = change.rest {
                fresh.keys[index] = rest.start
                fresh.row(index).pointee = rest.row
                if isWide { fresh.anonPgoff(index).pointee = rest.anonPgoff }
            }
            // A boundary that stays one keeps its cause.
            let start = fresh.keys[index]
            while old < range.upperBound, leaf.keys[old] < start { old += 1 }
            if old < range.upperBound, leaf.keys[old] == start, change.previousEnd == start {
                fresh.row(index).pointee.cause = leaf.row(old).pointee.cause
            }
            change.previousEnd = fresh.row(index).pointee.end
        }
        for index in range { kinds.release(leaf.row(index).pointee.kind) }
        leaf.replace(range, with: fresh, count: fresh.count)
        count += fresh.count - range.count
        change.next = upTo
    }

    /// The row at `index`, or if the leaf ends there the next one, has no boundary at its start
    /// any more.
    private func forget(_ leaf: LayoutNode, _ index: Int, at start: UInt64, unlessTouching end: UInt64) {
        guard end != start else { return }
        if index < leaf.count {
            if leaf.keys[index] == start { leaf.row(index).pointee.cause = 0 }
        } else if let next = leaf.next, next.keys[0] == start {
            next.row(0).pointee.cause = 0
        }
    }
}

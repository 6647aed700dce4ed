/// The VMAs of one address space, in order of address: an interval map with one verb,
/// `overwrite`. Every change of an address space is one, be it a mapping, an unmapping, a
/// split, a merge, a change of flags or a row of a snapshot.
///
/// Rows lie packed in chunks of at most `chunkLimit`, which are kept about two thirds full, so
/// a change costs two binary searches and the moving of a part of one chunk.
public struct Layout: Sendable {
    private static let chunkLimit = 64
    /// How full a chunk is when it is made.
    private static let chunkFill = 48

    private var chunks: [[PackedVMA]] = []
    /// Where the last VMA of each chunk ends.
    private var ends: [UInt64] = []
    private var kinds = VMAKinds()
    public private(set) var count = 0

    public init() {}

    public init(_ vmas: some Sequence<VMA>) {
        let vmas = Array(vmas)
        let isSorted = zip(vmas, vmas.dropFirst()).allSatisfy { $0.end <= $1.start }
        if isSorted, !vmas.isEmpty {
            overwrite(AddressRange(0, .max), with: vmas)
        } else {
            for vma in vmas { overwrite(vma.range, with: [vma]) }
        }
    }

    /// Makes `range` hold exactly `vmas` (sorted, not overlapping, all touching `range`). A VMA
    /// that reaches beyond `range` replaces what it covers there, too; what was there before is
    /// trimmed, its offset going along. A boundary that was there and still is keeps its cause.
    public mutating func overwrite(_ range: AddressRange, with vmas: [VMA] = []) {
        var cover = range
        if let first = vmas.first { cover = cover.union(first.range) }
        if let last = vmas.last { cover = cover.union(last.range) }
        guard !cover.isEmpty else { return }

        // The first VMA that ends after cover.start, and the first that starts at or after cover.end.
        let from = position { $0 > cover.start }
        let to = positionOfStart(cover.end, notBefore: from)
        withUnsafeTemporaryAllocation(of: PackedVMA.self, capacity: vmas.count + 2) { new in
            var used = 0
            func append(_ row: PackedVMA) {
                new.initializeElement(at: used, to: row)
                used += 1
            }
            if let left = row(at: from), left.start < cover.start { append(left.clipped(cover.start, from: left.start)) }
            for vma in vmas { append(kinds.pack(vma)) }
            if let right = row(before: to), right.end > cover.end { append(right.clipped(right.end, from: cover.end)) }
            keepCauses(from, to, UnsafeMutableBufferPointer(rebasing: new[..<used]))
            replace(from, to, with: UnsafeBufferPointer(rebasing: new[..<used]))
        }
        if kinds.isCrowded(for: count) { repackKinds() }
    }

    /// The VMA that holds `address`, or nil.
    public func vma(containing address: UInt64) -> VMA? {
        guard let found = row(at: position { $0 > address }), found.start <= address else { return nil }
        return kinds.unpack(found)
    }

    /// All VMAs in order of address.
    public var vmas: [VMA] {
        var all: [VMA] = []
        all.reserveCapacity(count)
        for chunk in chunks { for row in chunk { all.append(kinds.unpack(row)) } }
        return all
    }

    /// The VMAs that overlap `range`, in order, whole.
    public func vmas(overlapping range: AddressRange) -> [VMA] {
        var found: [VMA] = []
        forEach(overlapping: range) { found.append($0) }
        return found
    }

    /// Calls `body` with each VMA that overlaps `range`, in order, whole.
    func forEach(overlapping range: AddressRange, _ body: (VMA) -> Void) {
        guard !range.isEmpty else { return }
        var at = position { $0 > range.start }
        while let found = row(at: at), found.start < range.end {
            body(kinds.unpack(found))
            advance(&at)
        }
    }

    /// Calls `body` with each two VMAs between which there is no gap, the index of the first, and
    /// what caused the boundary.
    public func forEachBoundary(_ body: (Int, VMA, VMA, UInt32) -> Void) {
        var previous: PackedVMA?
        var index = -1
        for chunk in chunks {
            for row in chunk {
                if let left = previous, left.end == row.start { body(index, kinds.unpack(left), kinds.unpack(row), row.cause) }
                previous = row
                index += 1
            }
        }
    }

    var kindCount: Int { kinds.count }

    // MARK: causes

    /// What caused the boundary at `address`; 0 if nothing is known or there is none.
    public func cause(at address: UInt64) -> UInt32 {
        guard let found = row(at: position { $0 > address }), found.start == address else { return 0 }
        return found.cause
    }

    /// The boundary at `address`, if there is one, is this one's doing now.
    public mutating func charge(at address: UInt64, to cause: UInt32) {
        let at = position { $0 > address }
        if row(at: at)?.start == address, isBoundary(at) { chunks[at.chunk][at.index].cause = cause }
    }

    /// The boundaries in `range`, both its ends included, that have no cause get this one.
    public mutating func charge(_ range: AddressRange, to cause: UInt32) {
        var at = position { $0 > range.start }
        while let found = row(at: at), found.start <= range.end {
            if found.cause == 0, found.start >= range.start, isBoundary(at) { chunks[at.chunk][at.index].cause = cause }
            advance(&at)
        }
    }

    /// What a fork's child has of its parent's boundaries is the same code's doing.
    mutating func inheritCauses(of parent: Layout) {
        for chunk in chunks.indices {
            for index in chunks[chunk].indices where isBoundary(Position(chunk: chunk, index: index)) {
                chunks[chunk][index].cause = parent.cause(at: chunks[chunk][index].start)
            }
        }
    }

    private func isBoundary(_ at: Position) -> Bool {
        guard let right = row(at: at), let left = row(before: at) else { return false }
        return left.end == right.start
    }

    /// Gives the rows that take the place of [from, to) the causes of the boundaries that stay.
    private mutating func keepCauses(_ from: Position, _ to: Position, _ new: UnsafeMutableBufferPointer<PackedVMA>) {
        var leftEnd = row(before: from)?.end
        var old = from
        for index in new.indices {
            let start = new[index].start
            new[index].cause = 0
            while old != to, let row = row(at: old), row.start < start { advance(&old) }
            if old != to, let row = row(at: old), row.start == start, leftEnd == start { new[index].cause = row.cause }
            leftEnd = new[index].end
        }
        if let next = row(at: to), next.cause != 0, next.start != leftEnd { chunks[to.chunk][to.index].cause = 0 }
    }

    // MARK: positions

    private struct Position: Equatable {
        var chunk: Int
        var index: Int
    }

    /// The first VMA for whose end `isPast` holds; it must hold for all that follow one.
    private func position(where isPast: (UInt64) -> Bool) -> Position {
        let chunk = Self.first(ends.count) { isPast(ends[$0]) }
        guard chunk < ends.count else { return Position(chunk: chunk, index: 0) }
        return chunks[chunk].withUnsafeBufferPointer { rows in
            Position(chunk: chunk, index: Self.first(rows.count) { isPast(rows[$0].end) })
        }
    }

    /// The first VMA at or after `from` that starts at or after `address`.
    private func positionOfStart(_ address: UInt64, notBefore from: Position) -> Position {
        var at = from
        // Most changes touch few VMAs.
        for _ in 0..<8 {
            guard let row = row(at: at), row.start < address else { return at }
            advance(&at)
        }
        at = position { $0 > address }
        if let row = row(at: at), row.start < address { advance(&at) }
        return at
    }

    /// The first of `count` indices for which `isPast` holds.
    private static func first(_ count: Int, where isPast: (Int) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isPast(middle) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private func advance(_ at: inout Position) {
        at.index += 1
        if at.index >= chunks[at.chunk].count { at = Position(chunk: at.chunk + 1, index: 0) }
    }

    private func row(at position: Position) -> PackedVMA? {
        position.chunk < chunks.count ? chunks[position.chunk][position.index] : nil
    }

    private func row(before position: Position) -> PackedVMA? {
        if position.chunk < chunks.count, position.index > 0 { return chunks[position.chunk][position.index - 1] }
        return position.chunk > 0 ? chunks[position.chunk - 1].last : nil
    }

    // MARK: chunks

    private mutating func replace(_ from: Position, _ to: Position, with new: UnsafeBufferPointer<PackedVMA>) {
        guard !chunks.isEmpty else {
            count = new.count
            return rebuild(0..<0, from: Array(new))
        }
        // A place before the first of a chunk is one behind the last of the chunk before, too.
        let from = from.chunk < chunks.count ? from : behind(from.chunk - 1)
        let to = to.index == 0 && to.chunk > from.chunk ? behind(to.chunk - 1) : to
        if from.chunk == to.chunk {
            count += new.count - (to.index - from.index)
            chunks[from.chunk].replaceSubrange(from.index..<to.index, with: new)
            ends[from.chunk] = chunks[from.chunk].last?.end ?? 0
        } else {
            let rows = chunks[from.chunk][..<from.index] + new + chunks[to.chunk][to.index...]
            count += rows.count - chunks[from.chunk...to.chunk].reduce(0) { $0 + $1.count }
            rebuild(from.chunk..<to.chunk + 1, from: Array(rows))
        }
        if from.chunk < chunks.count { settle(from.chunk) }
    }

    private func behind(_ chunk: Int) -> Position { Position(chunk: chunk, index: chunks[chunk].count) }

    /// Puts chunks in the place of others, filled evenly.
    private mutating func rebuild(_ range: Range<Int>, from rows: [PackedVMA]) {
        let pieces = rows.count <= Self.chunkLimit ? (rows.isEmpty ? 0 : 1) : (rows.count + Self.chunkFill - 1) / Self.chunkFill
        var made: [[PackedVMA]] = []
        made.reserveCapacity(pieces)
        for piece in 0..<pieces {
            var chunk: [PackedVMA] = []
            // Room to grow without moving, but for a layout that fits one.
            if pieces > 1 || chunks.count > 1 { chunk.reserveCapacity(Self.chunkLimit + 2) }
            chunk += rows[rows.count * piece / pieces..<rows.count * (piece + 1) / pieces]
            made.append(chunk)
        }
        chunks.replaceSubrange(range, with: made)
        ends.replaceSubrange(range, with: made.map { $0[$0.count - 1].end })
    }

    /// Shares a chunk that has become too large, or too small, with a neighbour.
    private mutating func settle(_ chunk: Int) {
        let size = chunks[chunk].count
        guard size > Self.chunkLimit || size < Self.chunkLimit / 3 else { return }
        if size == 0 { return rebuild(chunk..<chunk + 1, from: []) }
        let other = chunk + 1 < chunks.count ? chunk + 1 : chunk - 1
        guard other >= 0 else {
            if size > Self.chunkLimit { rebuild(chunk..<chunk + 1, from: chunks[chunk]) }
            return
        }
        let first = min(chunk, other)
        rebuild(first..<first + 2, from: chunks[first] + chunks[first + 1])
    }

    private mutating func repackKinds() {
        var fresh = VMAKinds()
        for chunk in chunks.indices {
            for index in chunks[chunk].indices {
                chunks[chunk][index].kind = fresh.id(kinds[chunks[chunk][index].kind])
            }
        }
        fresh.noteLive()
        kinds = fresh
    }
}

/// The VMAs of one address space, in order of address: an interval map with one verb,
/// `overwrite`. Every change of an address space is one, be it a mapping, an unmapping, a
/// split, a merge, a change of flags or a row of a snapshot.
///
/// Kept in chunks of at most `chunkLimit` VMAs, so a change costs a binary search and the
/// moving of one chunk.
public struct Layout: Sendable {
    private static let chunkLimit = 128

    private var chunks: [[VMA]] = []
    public private(set) var count = 0

    public init() {}

    public init(_ vmas: some Sequence<VMA>) {
        for vma in vmas { overwrite(vma.range, with: [vma]) }
    }

    /// Makes `range` hold exactly `vmas` (sorted, not overlapping, all touching `range`). A VMA
    /// that reaches beyond `range` replaces what it covers there, too; what was there before is
    /// trimmed, its offset going along.
    public mutating func overwrite(_ range: AddressRange, with vmas: [VMA] = []) {
        var cover = range
        if let first = vmas.first { cover = cover.union(first.range) }
        if let last = vmas.last { cover = cover.union(last.range) }
        guard !cover.isEmpty else { return }

        // Positions of the first VMA that ends after cover.start, and of the first that
        // starts at or after cover.end.
        let from = position { $0.end > cover.start }
        let to = position { $0.start >= cover.end }

        var replacement: [VMA] = []
        replacement.reserveCapacity(vmas.count + 2)
        if let left = vma(at: from), left.start < cover.start {
            replacement.append(left.clipped(to: AddressRange(left.start, cover.start)))
        }
        replacement.append(contentsOf: vmas)
        if let right = vma(before: to), right.end > cover.end {
            replacement.append(right.clipped(to: AddressRange(cover.end, right.end)))
        }
        let stood = charged(in: cover)
        replace(from, to, with: replacement)
        for address in stood where !isBoundary(address) { causes[address] = nil }
    }

    /// The VMA that holds `address`, or nil.
    public func vma(containing address: UInt64) -> VMA? {
        let found = vma(at: position { $0.end > address })
        guard let found, found.start <= address else { return nil }
        return found
    }

    /// All VMAs in order of address.
    public var vmas: [VMA] {
        var all: [VMA] = []
        all.reserveCapacity(count)
        for chunk in chunks { all.append(contentsOf: chunk) }
        return all
    }

    /// The VMAs that overlap `range`, in order, whole.
    public func vmas(overlapping range: AddressRange) -> [VMA] {
        var found: [VMA] = []
        guard !range.isEmpty else { return found }
        var at = position { $0.end > range.start }
        while let vma = vma(at: at), vma.start < range.end {
            found.append(vma)
            at.index += 1
            normalize(&at)
        }
        return found
    }

    /// Calls `body` with each two VMAs between which there is no gap, and the index of the first.
    public func forEachBoundary(_ body: (Int, VMA, VMA, UInt32) -> Void) {
        var previous: VMA?
        var index = -1
        for chunk in chunks {
            for vma in chunk {
                if let left = previous, left.end == vma.start { body(index, left, vma, causes[vma.start] ?? 0) }
                previous = vma
                index += 1
            }
        }
    }

    // MARK: causes

    private var causes: [UInt64: UInt32] = [:]

    public func cause(at address: UInt64) -> UInt32 { causes[address] ?? 0 }

    public mutating func charge(at address: UInt64, to cause: UInt32) {
        if isBoundary(address) { causes[address] = cause }
    }

    private func isBoundary(_ address: UInt64) -> Bool {
        vma(containing: address)?.start == address && vma(containing: address &- 1) != nil
    }

    private func charged(in range: AddressRange) -> [UInt64] {
        vmas(overlapping: AddressRange(range.start, range.end == .max ? .max : range.end + 1)).map(\.start)
            .filter { causes[$0] != nil }
    }

    /// What a fork's child has of its parent's boundaries is the same code's doing.
    mutating func inheritCauses(of parent: Layout) {
        var found: [(UInt64, UInt32)] = []
        forEachBoundary { _, _, right, _ in
            let cause = parent.cause(at: right.start)
            if cause != 0 { found.append((right.start, cause)) }
        }
        for (address, cause) in found { charge(at: address, to: cause) }
    }

    public mutating func charge(_ range: AddressRange, to cause: UInt32) {
        for vma in vmas(overlapping: AddressRange(range.start, range.end == .max ? .max : range.end + 1)) where causes[vma.start] == nil {
            if vma.start >= range.start { charge(at: vma.start, to: cause) }
        }
    }

    // MARK: positions

    private struct Position: Equatable {
        var chunk: Int
        var index: Int
    }

    /// The first VMA for which `isPast` holds; it must hold for all that follow one.
    private func position(where isPast: (VMA) -> Bool) -> Position {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if isPast(chunks[middle][chunks[middle].count - 1]) { high = middle } else { low = middle + 1 }
        }
        guard low < chunks.count else { return Position(chunk: chunks.count, index: 0) }
        let chunk = low
        low = 0
        high = chunks[chunk].count
        while low < high {
            let middle = (low + high) / 2
            if isPast(chunks[chunk][middle]) { high = middle } else { low = middle + 1 }
        }
        return Position(chunk: chunk, index: low)
    }

    private func normalize(_ at: inout Position) {
        if at.chunk < chunks.count, at.index >= chunks[at.chunk].count {
            at = Position(chunk: at.chunk + 1, index: 0)
        }
    }

    private func vma(at position: Position) -> VMA? {
        guard position.chunk < chunks.count else { return nil }
        return chunks[position.chunk][position.index]
    }

    private func vma(before position: Position) -> VMA? {
        if position.chunk < chunks.count, position.index > 0 {
            return chunks[position.chunk][position.index - 1]
        }
        return position.chunk > 0 ? chunks[position.chunk - 1].last : nil
    }

    private mutating func replace(_ from: Position, _ to: Position, with new: [VMA]) {
        guard from.chunk < chunks.count else {
            // Behind everything.
            if !new.isEmpty {
                if chunks.isEmpty { chunks.append([]) }
                chunks[chunks.count - 1].append(contentsOf: new)
                count += new.count
                split(chunks.count - 1)
            }
            return
        }
        var removed = 0
        if from.chunk == to.chunk {
            removed = to.index - from.index
            chunks[from.chunk].replaceSubrange(from.index..<to.index, with: new)
        } else {
            removed = chunks[from.chunk].count - from.index
            chunks[from.chunk].replaceSubrange(from.index..., with: new)
            for chunk in (from.chunk + 1)..<min(to.chunk, chunks.count) { removed += chunks[chunk].count }
            if to.chunk < chunks.count {
                removed += to.index
                chunks[to.chunk].removeSubrange(..<to.index)
            }
            chunks.removeSubrange((from.chunk + 1)..<min(to.chunk, chunks.count))
        }
        count += new.count - removed
        split(from.chunk)
    }

    /// Splits a chunk that has grown too large, removes one that has become empty.
    private mutating func split(_ chunk: Int) {
        let size = chunks[chunk].count
        if size == 0 {
            chunks.remove(at: chunk)
        } else if size > Self.chunkLimit {
            let whole = chunks[chunk]
            let half = Self.chunkLimit / 2
            let pieces = stride(from: 0, to: size, by: half).map { Array(whole[$0..<min($0 + half, size)]) }
            chunks.replaceSubrange(chunk...chunk, with: pieces)
        }
    }
}

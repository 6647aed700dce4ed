/// The VMAs of one address space, in order of address: an interval map with one operation, `overwrite`. Every change
/// of an address space is one: a mapping, an unmapping, a split, a merge, a change of flags, a row of a snapshot.
///
/// A boundary, where two VMAs touch, keeps its cause: a number that the caller gives it, or 0 for none. So does a
/// gap, where they do not touch.
///
/// A layout is a value: a copy shares the rows until one of the two changes, which then takes O(n) once. Every other
/// change takes O(log n) for each VMA that it adds or removes.
public struct Layout: Sendable {
    /// Nil for an empty layout, which takes no memory.
    private(set) var tree: LayoutTree?

    /// A layout without a VMA.
    public init() {}

    /// Makes a layout of VMAs in order of address, in O(n). Where VMAs overlap, later ones hold.
    public init(_ vmas: some Sequence<VMA>) {
        overwrite(.empty, with: Array(vmas))
    }

    /// The number of VMAs.
    public var count: Int { tree?.count ?? 0 }

    /// Makes `range` hold exactly `vmas` (sorted, not overlapping, all touching `range`). A VMA that reaches beyond
    /// `range` replaces what it covers there, too. VMAs that were there before are trimmed, and their offsets
    /// adjusted. A boundary keeps its cause if it stays one, and so does a gap, or what is left of it.
    ///
    /// VMAs out of order, from damaged input, are written one after the other; empty ones are left out.
    public mutating func overwrite(_ range: AddressRange, with vmas: [VMA] = []) {
        guard Self.areInOrder(vmas) else {
            overwrite(range)
            for vma in vmas where !vma.range.isEmpty { overwrite(vma.range, with: [vma]) }
            return
        }
        let cover = Self.cover(range, vmas)
        guard !cover.isEmpty else { return }
        guard tree != nil else {
            if !vmas.isEmpty { tree = LayoutTree(vmas) }
            return
        }
        own(isWide: vmas.contains { $0.hasOwnAnonPgoff })
        let place = tree!.place(of: cover.start)
        let gaps = tree!.gapsThatMove(cover, vmas, from: place)
        tree!.overwrite(cover, with: vmas, from: place)
        if let gap = gaps.first {
            tree!.restore(gap)
            for gap in gaps.others ?? [] { tree!.restore(gap) }
        }
        if tree!.count == 0 {
            tree = nil
        } else if tree!.hasTooManyKinds {
            tree = tree!.copy(isWide: tree!.isWide)
        }
    }

    private static func cover(_ range: AddressRange, _ vmas: [VMA]) -> AddressRange {
        guard let first = vmas.first, let last = vmas.last else { return range }
        return range.union(AddressRange(first.start, last.end))
    }

    private static func areInOrder(_ vmas: [VMA]) -> Bool {
        var end: UInt64 = 0
        for vma in vmas {
            guard vma.start >= end, !vma.range.isEmpty else { return false }
            end = vma.end
        }
        return true
    }

    /// Makes the tree uniquely owned, and wide enough, before a change.
    private mutating func own(isWide: Bool) {
        let isUnique = isKnownUniquelyReferenced(&tree)
        guard let tree, !isUnique || isWide && !tree.isWide else { return }
        self.tree = tree.copy(isWide: isWide || tree.isWide)
    }

    /// Whether `overwrite` would change nothing.
    func holds(_ vmas: [VMA], in range: AddressRange) -> Bool {
        let cover = Self.cover(range, vmas)
        guard !cover.isEmpty, let tree else { return vmas.isEmpty }
        return tree.holds(vmas, in: cover)
    }

    /// Whether `overwrite` with these arguments, in order, would leave fewer VMAs.
    func shrinks(_ range: AddressRange, with vmas: [VMA]) -> Bool {
        let cover = Self.cover(range, vmas)
        guard !cover.isEmpty, let tree else { return false }
        return tree.countToReplace(cover) > vmas.count
    }

    /// The VMA that holds `address`, or nil.
    public func vma(containing address: UInt64) -> VMA? {
        guard address < .max, let tree, let (leaf, index) = tree.last(before: address + 1),
            leaf.row(index).pointee.end > address
        else { return nil }
        return tree.vma(leaf, index)
    }

    /// All VMAs in order of address.
    public var vmas: [VMA] {
        var all: [VMA] = []
        all.reserveCapacity(count)
        for (vma, _) in rows(overlapping: .all) { all.append(vma) }
        return all
    }

    /// The VMAs that overlap `range`, in order, not clipped.
    public func vmas(overlapping range: AddressRange) -> [VMA] { rows(overlapping: range).map(\.vma) }

    /// The same as a sequence, with the causes.
    func rows(overlapping range: AddressRange) -> LayoutRows { LayoutRows(tree, overlapping: range) }

    // MARK: boundaries and gaps

    /// Calls `body` for each pair of neighbours with the index of the left VMA, the two VMAs, whether there is a gap
    /// between them, and the cause of the gap, or of the boundary.
    public func forEachPair(_ body: (_ index: Int, _ left: VMA, _ right: VMA, _ isGap: Bool, _ cause: UInt32) -> Void) {
        var previous: VMA?
        var index = -1
        for (vma, cause) in rows(overlapping: .all) {
            if let left = previous {
                let isGap = left.end != vma.start
                body(index, left, vma, isGap, cause.cause(isGap: isGap))
            }
            previous = vma
            index += 1
        }
    }

    /// Calls `body` for each pair of VMAs that touch.
    public func forEachBoundary(_ body: (Int, VMA, VMA, UInt32) -> Void) {
        forEachPair { index, left, right, isGap, cause in if !isGap { body(index, left, right, cause) } }
    }

    /// The cause of the boundary at `address`; 0 if it is unknown, or there is no boundary.
    public func cause(at address: UInt64) -> UInt32 { seam(at: address).cause(isGap: false) }

    /// The cause of the gap that ends at `address`; 0 if it is unknown, or there is no gap.
    public func causeOfGap(endingAt address: UInt64) -> UInt32 { seam(at: address).cause(isGap: true) }

    private func seam(at address: UInt64) -> Seam {
        guard let (leaf, index) = tree?.first(from: address), leaf.keys[index] == address else { return .none }
        return leaf.row(index).pointee.cause
    }

    /// Gives the boundary at `address` this cause, replacing any other.
    public mutating func charge(at address: UInt64, to cause: UInt32) {
        own(isWide: false)
        tree?.forEachSeam(from: address, through: address) { _, row, isGap in
            if !isGap { row.pointee.cause = Seam(cause, isGap: false) }
        }
    }

    /// Gives this cause to every boundary from the start of `range` to its end, both included, and to every gap that
    /// ends there, if they have none.
    ///
    /// - Returns: how many boundaries and gaps were gone through.
    @discardableResult
    public mutating func charge(_ range: AddressRange, to cause: UInt32) -> Int {
        own(isWide: false)
        var count = 0
        tree?.forEachSeam(from: range.start, through: range.end) { _, row, isGap in
            count += 1
            if row.pointee.cause.cause(isGap: isGap) == 0 { row.pointee.cause = Seam(cause, isGap: isGap) }
        }
        return count
    }

    /// Takes over the causes of a parent's boundaries and gaps, which the same code left.
    mutating func inheritCauses(of parent: Layout) {
        own(isWide: false)
        tree?.forEachSeam(from: 0, through: .max) { start, row, isGap in
            row.pointee.cause = Seam(parent.seam(at: start).cause(isGap: isGap), isGap: isGap)
        }
    }
}

/// The VMAs of a layout in a range, one by one, each with the cause of the boundary or gap at its start. The sequence
/// does not change when the layout is changed meanwhile.
struct LayoutRows: Sequence, IteratorProtocol {
    private let tree: LayoutTree?
    private var place: (leaf: LayoutNode, index: Int)?
    private let end: UInt64

    /// The VMAs that overlap `range`.
    init(_ tree: LayoutTree?, overlapping range: AddressRange) {
        self.tree = tree
        end = range.end
        guard let tree, !range.isEmpty else { return }
        place = tree.first(from: range.start)
        if let (leaf, index) = tree.last(before: range.start), leaf.row(index).pointee.end > range.start {
            place = (leaf, index)
        }
    }

    mutating func next() -> (vma: VMA, cause: Seam)? {
        guard let tree, let (leaf, index) = place, leaf.keys[index] < end else { return nil }
        place = index + 1 < leaf.count ? (leaf, index + 1) : leaf.next.map { ($0, 0) }
        return (tree.vma(leaf, index), leaf.row(index).pointee.cause)
    }
}

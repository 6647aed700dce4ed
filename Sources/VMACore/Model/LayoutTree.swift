/// A B+ tree of packed rows: the storage of a `Layout`.
///
/// Every leaf except a single one has more than `LayoutNode.sparse` entries, and every inner node except the root no
/// fewer. So the tree is O(log n) high, and a change costs one or two walks down the tree and the moving of a node's
/// entries. Before a leaf overflows, and when it is sparse, `tidy` mends full and sparse nodes on the way to it.
final class LayoutTree: @unchecked Sendable {
    // Only `Layout`, a value, reaches these properties, so the compiler's checks of values hold for them.

    /// The number of rows.
    @exclusivity(unchecked) var count = 0
    /// The number of levels of inner nodes.
    @exclusivity(unchecked) var height = 0
    @exclusivity(unchecked) private(set) var root: LayoutNode
    private let stride: Int
    @exclusivity(unchecked) var kinds = LayoutKinds()
    /// A buffer for rows on their way into a leaf.
    let fresh: LayoutNode
    /// The leaf that the last change began in, and the keys that belong into it: the next steps of a change are mostly
    /// there. Only changes set it, when the tree has one owner; so reading stays safe where a tree is shared.
    @exclusivity(unchecked) private var finger: (leaf: LayoutNode, low: UInt64, limit: UInt64)?

    var isWide: Bool { stride == LayoutRow.wide }

    private init(isWide: Bool) {
        stride = isWide ? LayoutRow.wide : LayoutRow.narrow
        root = LayoutNode(stride: stride)
        fresh = LayoutNode(stride: stride)
    }

    /// Makes a tree of VMAs, which must be sorted and not overlap.
    convenience init(_ vmas: [VMA]) {
        self.init(isWide: vmas.contains { $0.hasOwnAnonPgoff })
        fill(vmas.count) { leaf, index, number in put(vmas[number], into: leaf, index) }
    }

    /// A copy in memory of its own, with only the kinds that are used.
    func copy(isWide: Bool) -> LayoutTree {
        let tree = LayoutTree(isWide: isWide)
        var rows = LayoutRows(self, overlapping: .all)
        tree.fill(count) { leaf, index, _ in
            guard let (vma, cause) = rows.next() else { return }
            tree.put(vma, into: leaf, index)
            leaf.row(index).pointee.cause = cause
        }
        return tree
    }

    deinit {
        fresh.remove()
        var level = root
        for depth in 0 ... height {
            let below = depth < height ? level.child(0) : nil
            var node: LayoutNode? = level
            while let this = node {
                node = this.next
                this.remove()
            }
            if let below { level = below }
        }
    }

    /// Makes the nodes of an empty tree, evenly filled; `put` writes the rows in their order.
    private func fill(_ count: Int, _ put: (LayoutNode, Int, Int) -> Void) {
        self.count = count
        /// The sizes of the fewest nodes that hold so many comfortably.
        func sizes(_ count: Int) -> [Int] {
            let nodes = max(1, (count + LayoutNode.comfortable - 1) / LayoutNode.comfortable)
            return (0 ..< nodes).map { count * ($0 + 1) / nodes - count * $0 / nodes }
        }
        var next = 0
        var last: LayoutNode?
        var nodes = sizes(count)
        for size in nodes {
            let leaf = last.map { LayoutNode(stride: stride, after: $0) } ?? root
            for index in 0 ..< size { put(leaf, index, next + index) }
            leaf.count = size
            next += size
            last = leaf
        }
        while nodes.count > 1 {
            var child: LayoutNode? = root
            last = nil
            nodes = sizes(nodes.count)
            for size in nodes {
                let parent = LayoutNode(stride: LayoutNode.childStride, after: last)
                if last == nil { root = parent }
                for _ in 0 ..< size {
                    guard let this = child else { break }
                    parent.insert(this, key: this.prev == nil ? 0 : this.keys[0], at: parent.count)
                    child = this.next
                }
                last = parent
            }
            height += 1
        }
    }

    // MARK: rows

    func put(_ vma: VMA, into node: LayoutNode, _ index: Int) {
        node.keys[index] = vma.start
        node.payload(index).storeBytes(
            of: LayoutRow(
                end: vma.end, pgoff: vma.pgoff, anonVMA: vma.anonVMA, file: vma.file,
                kind: kinds.retain(LayoutKind(vma)), cause: .none),
            as: LayoutRow.self)
        if isWide { node.anonPgoff(index).pointee = vma.anonPgoff }
    }

    func vma(_ node: LayoutNode, _ index: Int) -> VMA {
        let row = node.row(index).pointee
        let kind = kinds[row.kind]
        return VMA(
            AddressRange(node.keys[index], row.end), pgoff: row.pgoff, flags: VMAFlags(rawValue: kind.flags),
            anonVMA: row.anonVMA, file: row.file, policy: kind.policy, uffd: kind.uffd, name: kind.name,
            anonPgoff: isWide ? node.anonPgoff(index).pointee : 0, traits: VMA.Traits(rawValue: kind.traits))
    }

    /// The leaf that holds `key`, or would hold it, and the first key that belongs behind it.
    func leaf(of key: UInt64) -> (LayoutNode, limit: UInt64) {
        if height == 0 { return (root, .max) }
        if let finger, finger.low <= key, key < finger.limit { return (finger.leaf, finger.limit) }
        let found = walk(to: key)
        return (found.leaf, found.limit)
    }

    /// Where a change begins, or goes on.
    struct Place {
        /// The leaf that holds the key, or would hold it.
        var leaf: LayoutNode
        /// The first key that belongs behind the leaf.
        var limit: UInt64
        /// How many keys of the leaf are below the key.
        var index: Int
    }

    /// The place of `key`, whose leaf is remembered for what follows: only for changes.
    func place(of key: UInt64) -> Place {
        if height > 0, finger.map({ $0.low <= key && key < $0.limit }) != true { finger = walk(to: key) }
        let (leaf, limit) = if let finger { (finger.leaf, finger.limit) } else { (root, UInt64.max) }
        return Place(leaf: leaf, limit: limit, index: leaf.rank(key))
    }

    private func walk(to key: UInt64) -> (leaf: LayoutNode, low: UInt64, limit: UInt64) {
        var node = root
        var (low, limit) = (UInt64.zero, UInt64.max)
        for _ in 0 ..< height {
            let index = node.index(of: key)
            if index > 0 { low = node.keys[index] }
            if index + 1 < node.count { limit = node.keys[index + 1] }
            node = node.child(index)
        }
        return (node, low, limit)
    }

    /// The first row that starts at or after `address`.
    func first(from address: UInt64) -> (LayoutNode, Int)? {
        let (leaf, _) = leaf(of: address)
        let index = leaf.rank(address)
        return index < leaf.count ? (leaf, index) : leaf.next.map { ($0, 0) }
    }

    /// The last row that starts before `address`.
    func last(before address: UInt64) -> (LayoutNode, Int)? {
        let (leaf, _) = leaf(of: address)
        return Self.before(leaf, leaf.rank(address))
    }

    static func before(_ leaf: LayoutNode, _ index: Int) -> (LayoutNode, Int)? {
        index > 0 ? (leaf, index - 1) : leaf.prev.map { ($0, $0.count - 1) }
    }

    /// Calls `body` for the rows that start in `first...last`, except the very first row: at the start of each there
    /// is a boundary, or a gap in front of it.
    func forEachSeam(
        from first: UInt64, through last: UInt64, _ body: (UInt64, UnsafeMutablePointer<LayoutRow>, _ isGap: Bool) -> Void
    ) {
        guard var (leaf, index) = self.first(from: first) else { return }
        var end = Self.before(leaf, index).map { $0.row($1).pointee.end }
        while leaf.keys[index] <= last {
            if let end { body(leaf.keys[index], leaf.row(index), leaf.keys[index] != end) }
            end = leaf.row(index).pointee.end
            index += 1
            if index == leaf.count {
                guard let next = leaf.next else { return }
                (leaf, index) = (next, 0)
            }
        }
    }

    var hasTooManyKinds: Bool { kinds.isOversized(for: count) }

    // MARK: balance

    /// Mends the nodes on the way to `key` that are full or sparse.
    func tidy(_ key: UInt64) {
        finger = nil
        if root.count == LayoutNode.capacity {
            let above = LayoutNode(stride: LayoutNode.childStride)
            above.insert(root, key: 0, at: 0)
            root = above
            height += 1
        }
        var node = root
        for _ in 0 ..< height {
            let index = node.index(of: key)
            let child = node.child(index)
            if child.count == LayoutNode.capacity {
                relieve(node, index, key)
            } else if child.count <= LayoutNode.sparse {
                join(node, index)
            }
            node = node.child(node.index(of: key))
        }
        while height > 0, root.count == 1 {
            let old = root
            root = root.child(0)
            old.remove()
            height -= 1
        }
    }

    /// Gives some entries of a full child to a neighbour, or splits it. Where rows come in order, the neighbour is
    /// filled, since nothing will be added there any more.
    private func relieve(_ node: LayoutNode, _ index: Int, _ key: UInt64) {
        let child = node.child(index)
        let prev = index > 0 ? LayoutNode.capacity - node.child(index - 1).count : 0
        let next = index + 1 < node.count ? LayoutNode.capacity - node.child(index + 1).count : 0
        if max(prev, next) < LayoutNode.worthwhile {
            let half = LayoutNode(stride: child.stride, after: child)
            child.give(LayoutNode.capacity / 2, to: half)
            node.insert(half, key: half.keys[0], at: index + 1)
        } else if prev >= next {
            let comesLast = child.keys[LayoutNode.capacity - 1] < key
            let left = node.child(index - 1)
            left.take(comesLast ? prev : (prev + 1) / 2, from: child)
            node.keys[index] = child.keys[0]
        } else {
            let comesFirst = key < child.keys[1]
            let right = node.child(index + 1)
            child.give(comesFirst ? next : (next + 1) / 2, to: right)
            node.keys[index + 1] = right.keys[0]
        }
    }

    /// Joins a sparse child with the emptier neighbour, or evens the two out.
    private func join(_ node: LayoutNode, _ index: Int) {
        guard node.count > 1 else { return }
        let isLast = index + 1 == node.count
        let takesPrev = index > 0 && (isLast || node.child(index - 1).count < node.child(index + 1).count)
        let at = takesPrev ? index - 1 : index
        let (left, right) = (node.child(at), node.child(at + 1))
        let sum = left.count + right.count
        if sum <= LayoutNode.comfortable {
            left.take(right.count, from: right)
            node.removeChild(at: at + 1)
        } else if left.count < right.count {
            left.take(right.count - sum / 2, from: right)
            node.keys[at + 1] = right.keys[0]
        } else {
            left.give(left.count - sum / 2, to: right)
            node.keys[at + 1] = right.keys[0]
        }
    }
}

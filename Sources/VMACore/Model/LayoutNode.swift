/// A node of a `LayoutTree`, in memory of its own: up to `capacity` entries in order of their keys. Keys and payloads
/// lie apart, so that a search reads few cache lines.
///
/// A leaf's entries are packed rows, keyed by their start. An inner node's entries are its children: a child's key is
/// no greater than any key in it, and greater than any key in the child before. The first key of a level is 0.
struct LayoutNode: Equatable {
    static let capacity = 64
    /// A node with this many entries or fewer takes some from a neighbour, or joins it.
    static let sparse = 24
    /// The most entries of two nodes that are joined, and of nodes that are filled at once.
    static let comfortable = 56
    /// The free entries that a neighbour must have to be given entries of a full node.
    static let worthwhile = 8

    /// All nodes of a level are linked.
    private struct Header {
        var count = 0
        var stride: Int
        var prev: UnsafeMutableRawPointer?
        var next: UnsafeMutableRawPointer?
    }

    private let base: UnsafeMutableRawPointer

    private init(base: UnsafeMutableRawPointer) { self.base = base }

    /// - Parameters:
    ///   - stride: payload bytes of a key.
    ///   - prev: the node behind which this one is linked, on the same level.
    init(stride: Int, after prev: LayoutNode? = nil) {
        let keys = MemoryLayout<Header>.size
        base = .allocate(byteCount: keys + Self.capacity * (8 + stride), alignment: 8)
        let next = prev?.header.pointee.next
        base.initializeMemory(as: Header.self, to: Header(stride: stride, prev: prev?.base, next: next))
        (base + keys).initializeMemory(as: UInt64.self, repeating: 0, count: Self.capacity)
        prev?.header.pointee.next = base
        if let next { LayoutNode(base: next).header.pointee.prev = base }
    }

    /// Frees the node; its neighbours become neighbours of each other.
    func remove() {
        let (prev, next) = (prev, next)
        prev?.header.pointee.next = next?.base
        next?.header.pointee.prev = prev?.base
        base.deallocate()
    }

    private var header: UnsafeMutablePointer<Header> { base.assumingMemoryBound(to: Header.self) }
    var prev: LayoutNode? { header.pointee.prev.map(LayoutNode.init(base:)) }
    var next: LayoutNode? { header.pointee.next.map(LayoutNode.init(base:)) }
    var stride: Int { header.pointee.stride }

    var count: Int {
        get { header.pointee.count }
        nonmutating set { header.pointee.count = newValue }
    }

    var keys: UnsafeMutablePointer<UInt64> {
        (base + MemoryLayout<Header>.size).assumingMemoryBound(to: UInt64.self)
    }

    func payload(_ index: Int) -> UnsafeMutableRawPointer {
        base + MemoryLayout<Header>.size + Self.capacity * 8 + index * stride
    }

    // MARK: entries

    /// How many keys are below `key`.
    func rank(_ key: UInt64) -> Int {
        var (low, size) = (0, count)
        guard size > 0 else { return 0 }
        let keys = keys
        // Without branches that depend on the keys, since these can't be predicted.
        while size > 1 {
            let half = size >> 1
            let isBelow = keys[low &+ half &- 1] < key ? 1 : 0
            low &+= half & (0 &- isBelow)
            size &-= half
        }
        return keys[low] < key ? low &+ 1 : low
    }

    /// The same where the rank is `low` or little more.
    func rank(_ key: UInt64, from low: Int) -> Int {
        for index in low ..< min(low + 4, count) where keys[index] >= key { return index }
        return low + 4 < count ? rank(key) : count
    }

    /// Replaces the entries in `range` by the first `count` entries of `other`.
    func replace(_ range: Range<Int>, with other: LayoutNode, count added: Int) {
        let moved = count - range.upperBound
        if added != range.count, moved > 0 { copy(range.upperBound, moved, to: self, range.lowerBound + added) }
        if added > 0 { other.copy(0, added, to: self, range.lowerBound) }
        count += added - range.count
    }

    /// Moves the last `moved` entries to the beginning of `next`.
    func give(_ moved: Int, to next: LayoutNode) {
        next.copy(0, next.count, to: next, moved)
        copy(count - moved, moved, to: next, 0)
        count -= moved
        next.count += moved
    }

    /// Moves the first `moved` entries of `next` to the end.
    func take(_ moved: Int, from next: LayoutNode) {
        next.copy(0, moved, to: self, count)
        next.copy(moved, next.count - moved, to: next, 0)
        count += moved
        next.count -= moved
    }

    private func copy(_ index: Int, _ count: Int, to other: LayoutNode, _ place: Int) {
        (other.keys + place).update(from: keys + index, count: count)
        other.payload(place).copyMemory(from: payload(index), byteCount: count * stride)
    }

    // MARK: children

    static let childStride = MemoryLayout<UnsafeMutableRawPointer>.stride

    func child(_ index: Int) -> LayoutNode {
        LayoutNode(base: payload(index).load(as: UnsafeMutableRawPointer.self))
    }

    /// The index of the child that holds `key`, or would hold it.
    func index(of key: UInt64) -> Int {
        // The last key that is not above `key`.
        let rank = rank(key)
        return rank < count && keys[rank] == key ? rank : rank - 1
    }

    func insert(_ child: LayoutNode, key: UInt64, at index: Int) {
        copy(index, count - index, to: self, index + 1)
        keys[index] = key
        payload(index).storeBytes(of: child.base, as: UnsafeMutableRawPointer.self)
        count += 1
    }

    func removeChild(at index: Int) {
        child(index).remove()
        copy(index + 1, count - index - 1, to: self, index)
        count -= 1
    }
}

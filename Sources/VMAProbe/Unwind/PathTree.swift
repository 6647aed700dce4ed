import CSystem
import CVMAWire

/// The call paths that are known, as the kernel's side tells them apart (bpf/read/paths.h): written here, in
/// memory that both share.
///
/// Unwinding is a function of the registers, of the words of the stack that it used, and of what is mapped. A
/// node names some of those words; the key of the next node is made of this one's and of their values. So who
/// comes to a leaf has the same stack as the one from whom it was learned.
struct PathTree {
    /// An input that unwinding used, in the order of use: a word of the stack by its place from sp, or, from
    /// `firstRegister` on, a register by its place in `vme_register`.
    typealias Input = UInt16
    static let firstRegister: Input = 0xfff0

    /// The size in bytes of the memory that holds the tree.
    static let bytes = Int(VME_PATHS) * MemoryLayout<vme_path>.size

    private let nodes: UnsafeMutablePointer<vme_path>
    /// The inputs of each node, in order, by its key; a leaf has none.
    private var known: [UInt64: [Input]] = [:]
    /// Nodes that were overwritten because there was no room.
    private(set) var evicted = 0

    /// - Parameter memory: of VME_PATHS nodes, all zero.
    init(_ memory: UnsafeMutableRawPointer) {
        nodes = memory.assumingMemoryBound(to: vme_path.self)
    }

    /// As `mix` in bpf/base/shared.h.
    static func mix(_ hash: UInt64, _ value: UInt64) -> UInt64 { (hash ^ value) &* 0x100_0000_01b3 }

    /// Adds a path: from now on a thread on this path has this stack.
    ///
    /// - Parameters:
    ///   - root: what the kernel's side has named the path's beginning.
    ///   - value: of an input in the copy that was unwound; nil if it was not copied.
    mutating func teach(_ root: UInt64, _ inputs: [Input], stack: UInt32, value: (Input) -> UInt64?) {
        var key = root
        var rest = inputs[...]
        for _ in 0 ..< Self.mostLevels {
            var window = Self.window(rest)
            // Paths of one beginning use the same inputs up to the first whose value differs: it is asked for
            // no more than what all have in common.
            if let known = known[key], !known.isEmpty, node(at: key) != nil {
                let common = zip(known, rest).prefix { $0 == $1 }.count
                if common == known.count {
                    window = rest.prefix(common)
                } else {
                    guard common > 0 else { return }
                    window = rest.prefix(common)
                    write(key, window, stack: 0)
                }
            } else if window.isEmpty {
                return write(key, [], stack: VME_STACK_KNOWN | UInt64(stack))
            } else {
                write(key, window, stack: 0)
            }
            guard let next = Self.key(behind: key, window, value) else { return }
            key = next
            rest = rest.dropFirst(window.count)
        }
    }

    /// From now on so many bytes of unknown paths are copied: by the key of a path's beginning, or by that of an
    /// address space.
    mutating func want(_ bytes: Int, _ key: UInt64) {
        if node(at: key) == nil { write(key, [], stack: 0) }
        guard let node = node(at: key), node.pointee.want & ~VME_WANT_CHAIN < bytes else { return }
        node.pointee.want = node.pointee.want & VME_WANT_CHAIN | UInt32(clamping: bytes)
    }

    /// From now on copies of this path have a second part, which begins at most a page before `offset` bytes from sp.
    mutating func wantFar(_ offset: Int, _ key: UInt64) {
        guard let pages = UInt16(exactly: offset / 4096) else { return }
        if node(at: key) == nil { write(key, [], stack: 0) }
        node(at: key)?.pointee.far = pages
    }

    /// From now on copies of the stacks of an address space come with the frame-pointer chain.
    mutating func wantChain(_ space: UInt64) {
        if node(at: space) == nil { write(space, [], stack: 0) }
        node(at: space)?.pointee.want |= VME_WANT_CHAIN
    }

    /// The stack that the kernel's side would find, or nil: what it does, in the same words.
    func find(_ root: UInt64, value: (Input) -> UInt64?) -> UInt32? {
        var key = root
        for _ in 0 ..< Self.mostLevels {
            guard let node = node(at: key) else { return nil }
            if node.pointee.stack != 0 { return UInt32(truncatingIfNeeded: node.pointee.stack) }
            guard let inputs = known[key], !inputs.isEmpty, let next = Self.key(behind: key, inputs[...], value) else {
                return nil
            }
            key = next
        }
        return nil
    }

    // MARK: nodes

    private static let mostLevels = Int(VME_PATH_LEVELS)
    private static let probes: UInt32 = 4

    /// As many of the next inputs as one read gets.
    private static func window(_ rest: ArraySlice<Input>) -> ArraySlice<Input> {
        var (low, high) = (Input.max, Input.min)
        var words = 0
        let end = rest.firstIndex { input in
            if input >= firstRegister { return false }
            let (newLow, newHigh) = (min(low, input), max(high, input))
            guard newHigh - newLow < VME_PATH_WINDOW, words < VME_PATH_WORDS else { return true }
            (low, high, words) = (newLow, newHigh, words + 1)
            return false
        }
        return rest[..<(end ?? rest.endIndex)]
    }

    private static func key(behind key: UInt64, _ inputs: ArraySlice<Input>, _ value: (Input) -> UInt64?) -> UInt64? {
        var key = key
        // Registers first, in their own order, as the kernel's side has them as a mask.
        for register in 0 ..< Input(VME_REGISTERS.rawValue) where inputs.contains(firstRegister + register) {
            guard let value = value(firstRegister + register) else { return nil }
            key = mix(key, value)
        }
        for input in inputs where input < firstRegister {
            guard let value = value(input) else { return nil }
            key = mix(key, value)
        }
        return key
    }

    private func node(at key: UInt64) -> UnsafeMutablePointer<vme_path>? {
        let first = vme_path_place(key)
        for probe in 0 ..< Self.probes {
            let node = nodes + Int((first + probe) % UInt32(VME_PATHS))
            if node.pointee.key == key { return node }
        }
        return nil
    }

    private mutating func write(_ key: UInt64, _ inputs: ArraySlice<Input>, stack: UInt64) {
        let first = vme_path_place(key)
        var place = node(at: key)
        for probe in 0 ..< Self.probes where place == nil {
            let node = nodes + Int((first + probe) % UInt32(VME_PATHS))
            if node.pointee.key == 0 { place = node }
        }
        if place == nil {
            place = nodes + Int((first + UInt32.random(in: 0 ..< Self.probes)) % UInt32(VME_PATHS))
            evicted += 1
        }
        guard let place else { return }
        if place.pointee.key != key { known[place.pointee.key] = nil }
        let words = inputs.filter { $0 < Self.firstRegister }
        var node = vme_path()
        node.stack = stack
        node.want = place.pointee.key == key ? place.pointee.want : 0
        node.far = place.pointee.key == key ? place.pointee.far : 0
        node.from = words.min() ?? 0
        node.span = words.isEmpty ? 0 : words.max()! - node.from
        node.count = UInt8(words.count)
        for input in inputs where input >= Self.firstRegister { node.registers |= 1 << UInt8(input - Self.firstRegister) }
        withUnsafeMutableBytes(of: &node.words) { bytes in
            for (index, word) in words.enumerated() { bytes[index] = UInt8(word - node.from) }
        }
        // A concurrent reader finds another key, or computes one that leads nowhere.
        vms_publish(&place.pointee.key, 0)
        place.pointee = node
        vms_publish(&place.pointee.key, key)
        known[key] = Array(inputs)
    }
}

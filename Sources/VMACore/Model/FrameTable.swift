/// The frames of stacks in words, innermost first. A stack is a list of addresses, so its words depend on the address
/// space.
///
/// An observed process controls how many stacks it has and how its functions are called. So both are bounded, for
/// each address space and in all. Stacks beyond the bounds are one, `others`.
public struct FrameTable: Sendable {
    private struct Key: Hashable {
        var mm: MMID
        var stack: StackID
    }

    private var frames: [Key: [String]] = [:]
    /// Stacks of address spaces that are folded into one: equal words are one stack.
    private var folded: [[String]: StackID] = [:]
    /// The number of stacks, and bytes of frames, of each address space.
    private var counts: [MMID: Int] = [:]
    private var bytes: [MMID: Int] = [:]
    private var allStacks: Set<Key> = []
    private var allBytes = 0
    /// Times that a stack was counted as `others`.
    public private(set) var othersCount = 0

    /// Stands for a stack for which there was no room.
    public static let others: StackID = .max
    /// The one frame of `others` in words.
    public static let othersText = "(other stacks)"

    /// Stacks of one address space, and in all.
    static let stackLimit = (one: 4000, all: 60_000)
    /// Bytes of the frames in words, of one address space and in all.
    static let byteLimit = (one: 4 << 20, all: 48 << 20)
    /// Frames of one stack, and bytes of one frame.
    static let frameLimit = (count: 256, bytes: 640)

    /// Returns the stack itself, or `others` where its address space has too many.
    mutating func admit(_ stack: StackID, of mm: MMID) -> StackID {
        guard stack != 0, stack != Self.others else { return stack }
        let key = Key(mm: mm, stack: stack)
        if allStacks.contains(key) { return stack }
        guard counts[mm, default: 0] < Self.stackLimit.one, allStacks.count < Self.stackLimit.all else {
            othersCount += 1
            return Self.others
        }
        allStacks.insert(key)
        counts[mm, default: 0] += 1
        return stack
    }

    /// The frames of a stack; empty if they are unknown.
    public internal(set) subscript(mm: MMID, stack: StackID) -> [String] {
        get { stack == Self.others ? [Self.othersText] : frames[Key(mm: mm, stack: stack)] ?? [] }
        set {
            guard stack != 0, stack != Self.others else { return }
            let key = Key(mm: mm, stack: stack)
            if let old = frames[key] { count(-Self.size(old), of: mm) }
            let words = newValue.prefix(Self.frameLimit.count).map { $0.cut(to: Self.frameLimit.bytes) }
            let size = Self.size(words)
            if bytes[mm, default: 0] + size > Self.byteLimit.one || allBytes + size > Self.byteLimit.all {
                frames[key] = [Self.othersText]
                othersCount += 1
            } else {
                frames[key] = words
            }
            count(Self.size(frames[key]!), of: mm)
        }
    }

    private mutating func count(_ size: Int, of mm: MMID) {
        bytes[mm, default: 0] += size
        allBytes += size
    }

    private static func size(_ words: [String]) -> Int { words.reduce(32) { $0 + $1.utf8.count + 16 } }

    /// Returns the stack's id in address space 0, which stands for all that are folded.
    mutating func fold(_ mm: MMID, _ stack: StackID) -> StackID {
        if stack == Self.others { return stack }
        let words = self[mm, stack]
        guard !words.isEmpty else { return 0 }
        if let known = folded[words] { return known }
        let id = StackID(folded.count + 1)
        folded[words] = id
        self[0, id] = words
        return id
    }

    mutating func remove(_ mms: Set<MMID>) {
        guard mms.contains(where: { counts[$0] != nil || bytes[$0] != nil }) else { return }
        frames = frames.filter { !mms.contains($0.key.mm) }
        allStacks = allStacks.filter { !mms.contains($0.mm) }
        for mm in mms {
            allBytes -= bytes.removeValue(forKey: mm) ?? 0
            counts[mm] = nil
        }
    }
}

extension String {
    /// The text cut to at most so many bytes of whole UTF-8 characters; it then ends in "…".
    package func cut(to limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var bytes = Array(utf8.prefix(limit - 3))
        while let last = bytes.last, last & 0xc0 == 0x80 { bytes.removeLast() }
        if let last = bytes.last, last >= 0xc0 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self) + "…"
    }
}

/// The frames of stacks, innermost first. A stack is a list of addresses, so what it means is a
/// matter of the address space.
public struct FrameTable {
    private struct Key: Hashable {
        var mm: MMID
        var stack: StackID
    }

    private var frames: [Key: [String]] = [:]
    /// Of address spaces that are not told apart any more: equal words are one stack.
    private var folded: [[String]: StackID] = [:]

    /// Empty if they are not known.
    public internal(set) subscript(mm: MMID, stack: StackID) -> [String] {
        get { frames[Key(mm: mm, stack: stack)] ?? [] }
        set { frames[Key(mm: mm, stack: stack)] = newValue }
    }

    /// What the stack is called in address space 0, which stands for all that are folded.
    mutating func fold(_ mm: MMID, _ stack: StackID) -> StackID {
        let words = self[mm, stack]
        guard !words.isEmpty else { return 0 }
        if let known = folded[words] { return known }
        let id = StackID(folded.count + 1)
        folded[words] = id
        self[0, id] = words
        return id
    }

    mutating func remove(_ mms: Set<MMID>) {
        frames = frames.filter { !mms.contains($0.key.mm) }
    }
}

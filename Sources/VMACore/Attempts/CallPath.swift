/// Call stacks as lists of addresses, and in words.
public enum CallPath {
    /// In the place of an address: here frames were not seen, or those further out are a guess.
    public static let unseen: UInt64 = 0
    /// The same in words. No function is called so: whoever names functions sees to that.
    public static let unseenFrame = "…"

    /// What following frame pointers finds: where the thread was, and return addresses. Functions that push no
    /// frame are not among them, as those by which the C library enters the kernel; and the caller of such a
    /// function is missing, too, for the first return address is found in the first frame that was pushed.
    public static func byFramePointers(_ addresses: [UInt64]) -> [UInt64] { byFramePointers(addresses, unseen) }

    public static func byFramePointers<Frame>(_ found: [Frame], _ unseen: Frame) -> [Frame] {
        found.isEmpty ? [] : [found[0], unseen] + found.dropFirst()
    }

    /// Whether a stack reaches from the call to where its thread began; nil if there is no stack.
    public static func isComplete(_ frames: [String]) -> Bool? {
        frames.isEmpty || frames == [FrameTable.othersText] ? nil : !frames.contains(unseenFrame)
    }
}

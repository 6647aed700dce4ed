/// Call stacks as lists of addresses, and in words.
public enum CallPath {
    /// Stands in place of an address: frames were not seen here, or the frames further out are a guess.
    public static let unseen: UInt64 = 0
    /// The same in words. No function is printed under this name: the code that names functions makes sure of that.
    public static let unseenFrame = "…"

    /// The stack that frame pointers give: the place where the thread was, and return addresses. Functions that push
    /// no frame are missing, such as those by which the C library enters the kernel. The caller of such a function is
    /// missing, too, since the first return address is found in the first frame that was pushed.
    public static func byFramePointers(_ addresses: [UInt64]) -> [UInt64] { byFramePointers(addresses, unseen) }

    /// The same for frames of any kind: puts `unseen` behind the innermost frame.
    public static func byFramePointers<Frame>(_ found: [Frame], _ unseen: Frame) -> [Frame] {
        found.isEmpty ? [] : [found[0], unseen] + found.dropFirst()
    }

    /// Whether a stack reaches from the call to where its thread began; nil if there is no stack.
    public static func isComplete(_ frames: [String]) -> Bool? {
        frames.isEmpty || frames == [FrameTable.othersText] ? nil : !frames.contains(unseenFrame)
    }
}

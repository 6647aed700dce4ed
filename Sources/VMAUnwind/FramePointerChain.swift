/// The frame-pointer chain as the kernel has followed it, which told only the addresses. The frame pointers
/// themselves are found again as far as the copy of the stack reaches, which says where the chain and the walk
/// meet.
struct FramePointerChain {
    private let chain: [UInt64]
    /// The frame pointer behind which `chain[index + 1]` was found.
    private var pointers: [UInt64] = []

    init(_ chain: [UInt64], from pointer: UInt64?, _ stacks: [StackCopy]) {
        self.chain = chain
        guard var pointer, chain.count > 1 else { return }
        for address in chain.dropFirst() {
            pointers.append(pointer)
            // The chain is not that of this stack, if what it found is not what the copy holds.
            for stack in stacks {
                if let found = stack.value(at: pointer &+ 8), found != address {
                    pointers.removeLast()
                    return
                }
            }
            guard let next = stacks.lazy.compactMap({ $0.value(at: pointer) }).first else { return }
            // Callers' frames lie higher, unless the chain goes on on another stack.
            if next <= pointer, stacks.contains(where: { $0.value(at: next) != nil && $0.value(at: pointer) != nil }) {
                return
            }
            pointer = next
        }
    }

    /// The kernel follows at most 127 frame pointers, and the loader asks for some fewer.
    var isCut: Bool { chain.count >= 120 }

    /// The return addresses from the one beside `pointer` on; nil if the chain did not pass there.
    func returns(behind pointer: UInt64) -> ArraySlice<UInt64>? {
        guard let index = pointers.firstIndex(of: pointer) else { return nil }
        return chain[(index + 1)...]
    }
}

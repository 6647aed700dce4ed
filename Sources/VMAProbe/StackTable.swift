import VMACore

/// Frames of the stacks seen, resolved when a stack is new: later its process may be gone.
public final class StackTable {
    private struct Key: Hashable {
        var mm: MMID
        var stack: Int32
    }

    private var frames: [Key: [String]] = [:]
    private let symbolizer = Symbolizer()

    public init() {}

    /// Resolves what the observer has met since the last call.
    public func resolve(_ observer: Observer, _ probe: Probe) {
        for (image, stack) in observer.newStacks {
            frames[Key(mm: image.mm, stack: stack)] = symbolize(probe.stack(stack), image, observer.files)
        }
        observer.newStacks = []
    }

    private func symbolize(_ addresses: [UInt64], _ image: Image, _ files: [FileID: String]) -> [String] {
        var frames: [String] = []
        for (index, address) in addresses.enumerated() {
            // A return address may be the first one after the mapping.
            let vma = image.layout.vma(containing: index > 0 ? address &- 1 : address)
            // The walk followed what was no frame pointer.
            if index > 0, !(vma?.flags.contains(.exec) ?? false) { break }
            let place = MappedPlace(
                path: vma.flatMap { files[$0.file] },
                fileOffset: vma.map { address - $0.start + $0.pgoff << AddressRange.pageShift } ?? 0,
                address: address, mappingStart: vma?.start ?? address)
            let frame = symbolizer.frame(place, pid: Int32(image.tgid), isCaller: index > 0)
            frames.append(frame)
            if Self.outermost.contains(frame.prefix { $0 != " " }) { break }
        }
        return frames
    }

    /// They keep no frame pointer, so what seems to lie beyond them is chance.
    private static let outermost: Set<Substring> = [
        "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3",
    ]

    /// Innermost frame first; empty if the stack is not known.
    public subscript(mm: MMID, stack: Int32) -> [String] { frames[Key(mm: mm, stack: stack)] ?? [] }
}

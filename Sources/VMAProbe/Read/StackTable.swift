import VMACore

/// The stacks seen, and their frames: resolved when they are wanted, since later the process may
/// be gone.
public final class StackTable {
    private var addresses: [StackID: [UInt64]] = [:]
    private let symbolizer = Symbolizer()

    public init() {}

    public func note(_ event: Event) {
        if case .stack(let id, let found) = event { addresses[id] = found }
    }

    /// Tells the frames of the stacks that the observer wants.
    public func resolve(_ wanted: [(image: Image, stack: StackID)], _ observer: Observer, _ body: (Event) -> Void) {
        for (image, stack) in wanted where observer.frames[image.mm, stack].isEmpty {
            // Of a copy that was left out, or lost, nothing is known.
            let addresses = addresses[stack] ?? [CallPath.unseen]
            body(.frames(image.mm, stack, symbolize(addresses, image, observer.files)))
        }
    }

    private func symbolize(_ addresses: [UInt64], _ image: Image, _ files: [FileID: String]) -> [String] {
        var frames: [String] = []
        for (index, address) in addresses.enumerated() {
            if address == CallPath.unseen {
                if frames.last != CallPath.unseenFrame { frames.append(CallPath.unseenFrame) }
                continue
            }
            // A return address may be the first one after the mapping.
            let vma = image.layout.vma(containing: index > 0 ? address &- 1 : address)
            // The walk followed what was no frame pointer.
            if index > 0, !(vma?.flags.contains(.exec) ?? false) {
                if frames.last != CallPath.unseenFrame { frames.append(CallPath.unseenFrame) }
                break
            }
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

    /// Nothing that a program does lies beyond them; and they keep no frame pointer.
    private static let outermost: Set<Substring> = [
        "_start", "__libc_start_main", "__libc_start_call_main", "start_thread", "clone", "clone3",
    ]
}

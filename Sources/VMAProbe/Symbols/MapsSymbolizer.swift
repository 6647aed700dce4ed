import VMACore

/// Frames of a process that is not followed: what its addresses lie in is read from /proc/PID/maps.
public final class MapsSymbolizer {
    private let symbolizer = Symbolizer()
    let maps = ProcessMaps()

    public init() {}

    /// In words, innermost first; what can't be read any more has addresses.
    ///
    /// - Parameter addresses: as in `Event.stack`.
    public func frames(_ addresses: [UInt64], pid: Int32) -> [String] {
        maps.refresh(UInt32(bitPattern: pid))
        return addresses.enumerated().map { index, address in
            if address == CallPath.unseen { return CallPath.unseenFrame }
            let inside = index > 0 ? address &- 1 : address
            let code = maps.code(UInt32(bitPattern: pid), at: inside)
            let start = code?.vma.start ?? address
            let offset = code.map { address &- start &+ $0.vma.pgoff << UInt64(AddressRange.pageShift) } ?? 0
            let place = MappedPlace(
                path: code?.path, fileOffset: offset, address: address, mappingStart: start, mappingEnd: code?.vma.end ?? 0)
            return symbolizer.frame(place, pid: pid, isCaller: index > 0)
        }
    }
}

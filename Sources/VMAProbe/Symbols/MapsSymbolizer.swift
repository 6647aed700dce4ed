import VMACore

/// Frames of a process that is not followed: what its addresses lie in is read from /proc/PID/maps.
public final class MapsSymbolizer {
    private let symbolizer = Symbolizer()

    public init() {}

    /// In words, innermost first; what can't be read any more has addresses.
    public func frames(_ addresses: [UInt64], pid: Int32) -> [String] {
        let mappings = ProcFile.lines("/proc/\(pid)/maps").compactMap { Self.mapping($0) }
        let frames = addresses.enumerated().map { index, address in
            let inside = index > 0 ? address &- 1 : address
            let mapping = mappings.first { $0.range.contains(inside) }
            let place = MappedPlace(
                path: mapping?.path, fileOffset: mapping.map { address - $0.range.start + $0.offset } ?? 0, address: address,
                mappingStart: mapping?.range.start ?? address)
            return symbolizer.frame(place, pid: pid, isCaller: index > 0)
        }
        // By frame pointers alone nobody knows whether these are all.
        return frames + [CallPath.unseenFrame]
    }

    /// `7f00-7f10 r-xp 00001000 08:01 123   /usr/lib/x.so`, of a file that can be executed.
    private static func mapping(_ line: Substring) -> (range: AddressRange, offset: UInt64, path: String?)? {
        let parts = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard parts.count >= 5, parts[1].contains(Character("x")) else { return nil }
        let ends = parts[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        guard ends.count == 2, let offset = UInt64(parts[2], radix: 16) else { return nil }
        let path = parts.count > 5 ? parts[5].drop { $0 == " " } : ""
        return (AddressRange(ends[0], ends[1]), offset, path.isEmpty ? nil : String(path))
    }
}

/// Which of the holes between the VMAs of an address space count as gaps: those that the program left
/// where it placed its memory. Each keeps two VMAs apart that no rule forbids to merge.
///
/// A hole counts if both its VMAs are in the same area: the heap, the stack, or all the rest. The holes
/// that exec leaves around heap and stack are none, nor is the one between the program's image and its
/// mappings, where no heap lies between: that is the widest of all, if it has a tebibyte or more.
public struct GapSieve {
    private var widest: Boundaries.Row?
    private static let vast: UInt64 = 1 << 40

    public init() {}

    /// To be called for the holes of an address space in order of address.
    ///
    /// - Returns: a hole that counts: this one, or one that was held back until now.
    public mutating func take(_ left: VMA, _ right: VMA, _ cause: UInt32) -> Boundaries.Row? {
        guard left.area == right.area else { return nil }
        let kind = Boundaries.Kind(isGap: true, cause: cause, blockers: [])
        let gap = Boundaries.Row(kind: kind, count: 1, left: left, right: right)
        guard gap.width >= Self.vast, gap.width > widest?.width ?? 0 else { return gap }
        defer { widest = gap }
        return widest
    }

    /// Of VMAs in order of address.
    public static func count(_ vmas: [VMA]) -> Int {
        var sieve = GapSieve()
        return zip(vmas, vmas.dropFirst()).count { left, right in
            left.end != right.start && sieve.take(left, right, 0) != nil
        }
    }
}

extension Boundaries.Row {
    /// Bytes that are not mapped between the two.
    fileprivate var width: UInt64 { right.start - left.end }
}

extension VMA {
    fileprivate enum Area { case heap, stack, other }

    fileprivate var area: Area { traits.contains(.stack) ? .stack : traits.contains(.heap) ? .heap : .other }
}

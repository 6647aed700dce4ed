/// Decides which unmapped ranges between the VMAs of an address space count as gaps: those that the program left
/// where it placed its memory. Each gap keeps two VMAs apart that no rule forbids to merge.
///
/// An unmapped range counts if the VMAs on both sides of it are in the same area: the heap, the stack, or all the
/// rest. So the space that exec leaves around heap and stack does not count. Nor does the space between the program's
/// image and its mappings where no heap lies between: that is the widest of all, if it has a tebibyte or more.
public struct GapSieve {
    private var widest: Boundaries.Row?
    private static let vast: UInt64 = 1 << 40

    /// To be called for the unmapped ranges of an address space in order of address.
    ///
    /// - Returns: a gap: this one, or one that was held back until now; nil if there is none yet.
    public mutating func take(_ left: VMA, _ right: VMA, _ cause: UInt32) -> Boundaries.Row? {
        guard left.area == right.area else { return nil }
        let kind = Boundaries.Kind(isGap: true, cause: cause, blockers: [])
        let gap = Boundaries.Row(kind: kind, count: 1, left: left, right: right)
        guard gap.width >= Self.vast, gap.width > widest?.width ?? 0 else { return gap }
        defer { widest = gap }
        return widest
    }

    /// The number of gaps between VMAs in order of address.
    public static func count(_ vmas: [VMA]) -> Int {
        var sieve = GapSieve()
        return zip(vmas, vmas.dropFirst()).count { left, right in
            left.end != right.start && sieve.take(left, right, 0) != nil
        }
    }
}

extension Boundaries.Row {
    /// The width of the unmapped range in bytes.
    fileprivate var width: UInt64 { right.start - left.end }
}

extension VMA {
    fileprivate enum Area { case heap, stack, other }

    fileprivate var area: Area { traits.contains(.stack) ? .stack : traits.contains(.heap) ? .heap : .other }
}

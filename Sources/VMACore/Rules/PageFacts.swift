/// How the pages of one VMA are mapped (`/proc/PID/pagemap`), pages of files left aside.
public struct PageUse: Sendable, Equatable {
    /// Where the pages are mapped.
    public enum Mapped: UInt8, Sendable, CaseIterable {
        /// Each page is mapped by this VMA only, or there is none.
        case once = 1
        /// At least one page is mapped elsewhere, too: in another process, or by KSM.
        case several
        /// No page that could be examined is mapped elsewhere, but at least one could not be examined.
        case unseen
    }

    /// The range of the VMA.
    public var range: AddressRange
    /// How its pages are mapped.
    public var mapped: Mapped

    /// How the pages of the VMA at `range` are mapped.
    public init(_ range: AddressRange, _ mapped: Mapped) {
        self.range = range
        self.mapped = mapped
    }
}

/// How many pages of a range of anonymous memory are present, by the page tables, when somebody moves it or changes
/// it: what a patch would have to update.
public struct PageCount: Sendable, Equatable {
    /// The range.
    public var range: AddressRange
    /// Pages with a frame of their own, each page of a huge one included.
    public var present: UInt64
    /// Pages that were read and never written: they are the kernel's page of zeros, which belongs to nobody.
    public var zero: UInt64
    /// Pages that are swapped out.
    public var swapped: UInt64
    /// Not all of the range could be examined, or it was too long: each number is a lower bound.
    public var isPartial: Bool

    /// The pages of 4096 bytes that were counted in `range`; lower bounds if `isPartial`.
    public init(
        _ range: AddressRange, present: UInt64, zero: UInt64 = 0, swapped: UInt64 = 0, isPartial: Bool = false
    ) {
        self.range = range
        self.present = present
        self.zero = zero
        self.swapped = swapped
        self.isPartial = isPartial
    }
}

/// Ranges, the pages that they have, and the pages that are present in them.
public struct RangeSizes: Sendable, Equatable {
    /// The number of ranges.
    public private(set) var ranges = 0
    /// Ranges whose pages were not counted, or not all: they are in none of the numbers of present pages.
    public private(set) var unknown = 0
    /// Pages of all ranges, present or not.
    public private(set) var pages: UInt64 = 0
    /// Pages with a frame of their own, of the ranges that are known.
    public private(set) var present: UInt64 = 0
    /// Pages of zeros, of the ranges that are known.
    public private(set) var zero: UInt64 = 0
    /// Pages that are swapped out, of the ranges that are known.
    public private(set) var swapped: UInt64 = 0
    /// Ranges by their pages: place n counts ranges of 2^n pages and more, up to twice that.
    public private(set) var sizes: [Int] = []
    /// Ranges by their present pages: place 0 counts ranges without any, place n + 1 those of 2^n and more.
    public private(set) var presentSizes: [Int] = []

    mutating func add(_ range: AddressRange, _ counted: PageCount?) {
        let count = range.pages
        ranges += 1
        pages &+= count
        Self.count(count < 2 ? 0 : Self.place(count), in: &sizes)
        guard let counted, !counted.isPartial else { return unknown += 1 }
        present &+= counted.present
        zero &+= counted.zero
        swapped &+= counted.swapped
        Self.count(counted.present == 0 ? 0 : Self.place(counted.present) + 1, in: &presentSizes)
    }

    mutating func add(_ other: RangeSizes) {
        ranges += other.ranges
        unknown += other.unknown
        pages &+= other.pages
        present &+= other.present
        zero &+= other.zero
        swapped &+= other.swapped
        Self.add(other.sizes, to: &sizes)
        Self.add(other.presentSizes, to: &presentSizes)
    }

    /// A size in pages that this share of the ranges does not exceed; nil if there is no range.
    ///
    /// - Parameter share: 0 to 1.
    public func size(at share: Double) -> UInt64? {
        var seen = 0
        for (place, count) in sizes.enumerated() where count > 0 {
            seen += count
            if Double(seen) >= share * Double(ranges) { return (2 << UInt64(place)) - 1 }
        }
        return nil
    }

    private static func place(_ pages: UInt64) -> Int { UInt64.bitWidth - 1 - pages.leadingZeroBitCount }

    private static func count(_ place: Int, in sizes: inout [Int]) {
        while sizes.count <= place { sizes.append(0) }
        sizes[place] += 1
    }

    private static func add(_ other: [Int], to sizes: inout [Int]) {
        while sizes.count < other.count { sizes.append(0) }
        for (place, count) in other.enumerated() { sizes[place] += count }
    }
}

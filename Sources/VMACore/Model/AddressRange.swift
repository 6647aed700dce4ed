/// A half-open range of user addresses, in bytes: `start` belongs to it, `end` does not.
/// The kernel's `vm_start` and `vm_end`.
public struct AddressRange: Hashable, Sendable {
    /// The first address.
    public var start: UInt64
    /// The address behind the last one.
    public var end: UInt64

    /// From `start` up to, but without `end`, in bytes. It is empty where `end` is not above `start`.
    public init(_ start: UInt64, _ end: UInt64) {
        self.start = start
        self.end = end
    }

    /// The logarithm of the page size, 4096 bytes.
    public static let pageShift: UInt64 = 12
    /// A range of no address.
    public static let empty = AddressRange(0, 0)
    static let all = AddressRange(0, .max)

    /// Whether no address belongs to it.
    public var isEmpty: Bool { start >= end }
    /// The number of pages of 4096 bytes.
    public var pages: UInt64 { isEmpty ? 0 : (end - start) >> Self.pageShift }

    /// Whether the address belongs to it.
    public func contains(_ address: UInt64) -> Bool { start <= address && address < end }

    /// An empty range overlaps nothing, wherever it lies.
    public func overlaps(_ other: AddressRange) -> Bool { !intersection(other).isEmpty }

    /// The addresses that both have; empty if there are none, wherever it lies then.
    public func intersection(_ other: AddressRange) -> AddressRange {
        AddressRange(max(start, other.start), min(end, other.end))
    }

    /// The smallest range that holds both; an empty one adds nothing.
    public func union(_ other: AddressRange) -> AddressRange {
        if isEmpty { return other }
        if other.isEmpty { return self }
        return AddressRange(min(start, other.start), max(end, other.end))
    }

    /// The whole pages of `length` bytes at `start`, rounded outwards, as syscalls round a length.
    public static func pages(at start: UInt64, length: UInt64) -> AddressRange {
        let mask: UInt64 = (1 << pageShift) - 1
        let low = start & ~mask
        return AddressRange(low, (start &+ length &+ mask) & ~mask)
    }
}

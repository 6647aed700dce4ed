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

    public init(_ range: AddressRange, _ mapped: Mapped) {
        self.range = range
        self.mapped = mapped
    }
}

/// How the pages are mapped that belong to one VMA (`/proc/PID/pagemap`), pages of files left aside.
public struct PageUse: Sendable, Equatable {
    public enum Mapped: UInt8, Sendable, CaseIterable {
        /// Each by this VMA only, or there is none.
        case once = 1
        /// At least one elsewhere, too: in another process, or by KSM.
        case several
        /// None that could be seen is mapped elsewhere, but one at least could not be.
        case unseen
    }

    /// The VMA's.
    public var range: AddressRange
    public var mapped: Mapped

    public init(_ range: AddressRange, _ mapped: Mapped) {
        self.range = range
        self.mapped = mapped
    }
}

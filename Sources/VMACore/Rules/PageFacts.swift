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

/// What is known of an address space's pages, beside the facts on the anon_vma that each VMA has.
public struct PageFacts: Sendable {
    /// By the start of the VMA; nil if nobody has looked.
    private var uses: [UInt64: PageUse]?
    /// A child was forked since the facts on the anon_vmas were read: they may not hold any more.
    var isForked = false

    public init() {}

    public init(_ uses: [PageUse]) { see(uses) }

    mutating func see(_ uses: [PageUse]) {
        self.uses = Dictionary(uses.map { ($0.range.start, $0) }, uniquingKeysWith: { $1 })
    }

    /// Whether only a look at its pages can tell if another process shares them.
    func isInDoubt(_ vma: VMA) -> Bool {
        guard vma.anonVMA != 0 else { return false }
        return vma.sharing != .recoverable || vma.flags.contains(.mergeable) || isStale(vma)
    }

    private func isStale(_ vma: VMA) -> Bool { isForked && !vma.flags.contains(.dontCopy) }

    /// Whether the memory of a VMA that stands is shared, and whether that was seen by its pages. Where
    /// nobody has looked, as in a process that is gone, it is what the anon_vma says.
    func sharing(_ vma: VMA) -> (WhatIf, byPages: Bool) {
        guard isInDoubt(vma) else { return (.recoverable, false) }
        guard let uses else { return (isStale(vma) && vma.sharing == .recoverable ? .unknown : vma.sharing, false) }
        guard let use = uses[vma.start], use.range == vma.range else { return (.unknown, false) }
        switch use.mapped {
        case .once: return (.recoverable, true)
        case .several: return (.shared, true)
        case .unseen: return (.unknown, false)
        }
    }
}

extension VMA {
    /// Whether another process may map the pages, as the series judges by the anon_vma (patches 4 and
    /// 5): it must be its own root with no child.
    var sharing: WhatIf {
        if anonVMA == 0 { return .recoverable }
        guard traits.contains(.anonKnown) else { return .unknown }
        let isAlone = traits.contains([.ownRoot, .chainSingular]) && !traits.contains(.hasChildren)
        return isAlone ? .recoverable : .shared
    }
}

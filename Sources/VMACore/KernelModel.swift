/// The ways in which kernels differ when they judge a merge. Each is found out by an experiment
/// or by shape when an observation starts (VMAProbe/Calibration.swift), never by a version.
public struct KernelModel: Sendable, Equatable {
    /// When one of two adjacent VMAs has an anon_vma and the other has none.
    public enum AnonVMARule: String, Sendable {
        /// The neighbour's anon_vma_chain must be singular, so a faulted range never joins an
        /// unfaulted neighbour (`is_mergeable_anon_vma`, mm/mmap.c and mm/vma.c up to 6.15).
        case neighbour
        /// The one that has an anon_vma must not be a fork's child, whichever it is
        /// (`is_mergeable_anon_vma`, mm/vma.c since 6.16).
        case forkChild = "fork-child"
    }

    /// Which side a new mapping joins when it could join either, but they not each other.
    public enum HolePreference: String, Sendable {
        /// `vma_merge`, `vma_merge_new_range`.
        case prev
        /// The merging that `mmap_region` did by itself from 6.1 to 6.2.
        case next
    }

    /// Which `vm_ops->close` refuses.
    public enum CloseRule: String, Sendable {
        /// The neighbour's (`is_mergeable_vma` up to 6.2).
        case any
        /// Only that of a VMA which the merge would remove (`can_merge_remove_vma`).
        case removed
    }

    public var anonVMARule: AnonVMARule
    public var hole: HolePreference
    public var close: CloseRule
    /// Differences in these flags do not matter.
    public var ignoredFlags: VMAFlags

    public init(
        anonVMARule: AnonVMARule, hole: HolePreference, close: CloseRule,
        ignoredFlags: VMAFlags = .softDirty
    ) {
        self.anonVMARule = anonVMARule
        self.hole = hole
        self.close = close
        self.ignoredFlags = ignoredFlags
    }

    /// As printed in reports (`merge_rules`).
    public var name: String {
        "anon_vma:\(anonVMARule.rawValue) hole:\(hole.rawValue) close:\(close.rawValue)"
    }
}

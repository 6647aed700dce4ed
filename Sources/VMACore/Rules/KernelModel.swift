/// The ways in which kernels differ when they judge a merge. Each is found by an experiment or by shape when an
/// observation starts (VMAProbe/Kernel/Experiments.swift), never by a version.
public struct KernelModel: Sendable, Equatable {
    /// The rule for two adjacent VMAs of which one has an anon_vma and the other has none.
    public enum AnonVMARule: String, Sendable {
        /// The neighbour's anon_vma_chain must be singular, so a faulted range never joins an
        /// unfaulted neighbour (`is_mergeable_anon_vma`, mm/mmap.c and mm/vma.c up to 6.15).
        case neighbour
        /// The VMA that has an anon_vma must not have inherited it through fork; either of the two may have it
        /// (`is_mergeable_anon_vma`, mm/vma.c since 6.16).
        case forkChild = "fork-child"
    }

    /// The side that a new mapping joins when it could join either, but the two can't join each other.
    public enum HolePreference: String, Sendable {
        /// `vma_merge`, `vma_merge_new_range`.
        case prev
        /// The merging that `mmap_region` did by itself from 6.1 to 6.11.
        case next
        /// Neither side, or all three as one VMA: no known kernel does that.
        case neither, both
    }

    /// Whether brk joins a VMA that ends where the heap begins.
    public enum BrkRule: String, Sendable {
        /// brk does not look below `mm->start_brk` (`vma_prev_limit`).
        case start
        /// brk joins it (`do_brk_flags` up to 6.0).
        case any
        /// The experiment could not be made: no such attempt is judged.
        case unknown

        /// Whether brk ignores a VMA before the range that it maps.
        func hides(_ prev: VMA) -> Bool { self != .any && prev.traits.contains(.belowHeap) }
    }

    /// Which anonymous memory can have a name (`CONFIG_ANON_VMA_NAME`).
    public enum Names: String, Sendable {
        /// No memory: the kernel has no such names.
        case none
        /// Private memory only.
        case `private`
        /// Shared anonymous memory, too (since 6.2).
        case shared
    }

    /// What keeps a VMA with an anon_vma apart from a VMA without.
    public var anonVMARule: AnonVMARule
    /// A fork's child may move faulted memory beside an unfaulted neighbour and merge with it:
    /// from 6.16 to 6.18 `is_mergeable_anon_vma` did not know the VMA that a copy was made from.
    public var mergesCopiesOfForks: Bool
    /// What becomes of unfaulted memory that MREMAP_DONTUNMAP copies to beside itself (`copy_vma`
    /// with `keep_source`).
    public enum KeptSource: String, Sendable {
        /// The copy may merge with the kept source.
        case merges
        /// The copy may merge with its other neighbour only.
        case apart
        /// The copy is not merged with any neighbour.
        case alone
    }
    /// The rule for a copy beside the source that MREMAP_DONTUNMAP leaves.
    public var keptSource = KeptSource.merges
    /// Which side a new mapping joins that could join either.
    public var hole: HolePreference
    /// What a `vm_ops->close` refuses.
    public var close: CloseRule
    /// Differences in these flags do not matter.
    public var ignoredFlags: VMAFlags
    /// Where a process has asked for KSM on all its memory, new mappings get VM_MERGEABLE only after
    /// a merge was tried without it (`ksm_add_vma` at the end of `mmap_region` and `do_brk_flags`).
    public var addsMergeableLate = false
    /// Private pages of a file are found by an offset of their own, which has to continue, too
    /// (`needs_adjacent_anon_pgoff`, since 7.3).
    public var hasAnonPgoff = false
    /// The names of flag bits on this kernel; not a merge rule.
    public var flagNames = FlagNames.standard

    /// mprotect takes VM_ACCOUNT from untouched private memory that is no longer writable
    /// (`mprotect_fixup`).
    public var dropsAccount = false
    /// Whether brk looks below the heap.
    public var brk = BrkRule.any
    /// Which memory can have a name.
    public var names = Names.none

    /// The other words have the values of a kernel that does none of it.
    public init(
        anonVMARule: AnonVMARule, mergesCopiesOfForks: Bool = false, hole: HolePreference,
        close: CloseRule, ignoredFlags: VMAFlags = .softDirty
    ) {
        self.anonVMARule = anonVMARule
        self.mergesCopiesOfForks = mergesCopiesOfForks
        self.hole = hole
        self.close = close
        self.ignoredFlags = ignoredFlags
    }

    /// The model in words, as reports print it (`merge_rules`).
    public var name: String {
        var words = ["anon_vma:\(anonVMARule.rawValue)"]
        if mergesCopiesOfForks { words.append("fork-copies:merge") }
        if keptSource != .merges { words.append("dontunmap:\(keptSource.rawValue)") }
        words += ["hole:\(hole.rawValue)", "close:\(close.rawValue)"]
        if ignoredFlags.contains(.maybeGuard) { words.append("guard:ignored") }
        if addsMergeableLate { words.append("ksm:late") }
        if hasAnonPgoff { words.append("anon_pgoff:own") }
        words += ["account:\(dropsAccount ? "dropped" : "kept")", "brk:\(brk.rawValue)"]
        if names != .none { words.append("anon_name:\(names.rawValue)") }
        return words.joined(separator: " ")
    }
}

extension KernelModel {
    /// A word of `merge_rules`.
    public struct Word: Sendable {
        /// As in `merge_rules`: `hole:prev`.
        public var word: String
        /// What a kernel with this word does.
        public var meaning: String
        /// The kernel function that decides it.
        public var code: String
        /// The kernels of which the word is true.
        public var kernels: String
        /// The upstream commit that made the difference; nil where it is not known.
        public var commit: String? = nil
        /// How vmascope finds it out when an observation starts.
        public var foundBy = "experiment"

        /// The code, and the commit where it is known.
        public var source: String { commit.map { "\(code), commit \($0)" } ?? code }
    }

    /// All words that a name can have, for `explain` and its page in docs/.
    public static let words: [Word] = [
        Word(
            word: "anon_vma:neighbour",
            meaning: "when only one of two VMAs has an anon_vma, it must be the neighbour, and not shared by "
                + "fork: a faulted range never merges with an unfaulted neighbour",
            code: "is_mergeable_anon_vma", kernels: "up to 6.15"),
        Word(
            word: "anon_vma:fork-child",
            meaning: "when only one of two VMAs has an anon_vma, it must not have inherited it through fork; either may have it",
            code: "is_mergeable_anon_vma", kernels: "since 6.16", commit: "879bca0a2c4f"),
        Word(
            word: "fork-copies:merge",
            meaning: "a forked child that moves inherited memory beside an unfaulted neighbour merges with it all the same",
            code: "copy_vma, is_mergeable_anon_vma", kernels: "6.16 to 6.18.7; refused since that commit",
            commit: "3b617fd3d317"),
        Word(
            word: "dontunmap:apart",
            meaning: "untouched memory that MREMAP_DONTUNMAP copies to beside itself does not merge with the copy",
            code: "copy_vma (keep_source)", kernels: "since 7.2, and in stable kernels before (6.12.117)"),
        Word(
            word: "dontunmap:alone", meaning: "untouched memory that MREMAP_DONTUNMAP copies to merges with no neighbour",
            code: "copy_vma (keep_source)", kernels: "6.1.192"),
        Word(
            word: "hole:prev",
            meaning: "a mapping between two VMAs with different anon_vmas, which could merge with either, merges with prev",
            code: "vma_merge, vma_merge_new_range", kernels: "all others"),
        Word(
            word: "hole:next",
            meaning:
                "a mapping between two VMAs with different anon_vmas merges with next: mmap_region merges by "
                + "itself, and tries next first",
            code: "mmap_region", kernels: "6.1 to 6.11; began with that commit", commit: "4dd1b84140c1"),
        Word(
            word: "close:any", meaning: "a neighbour with a vm_ops->close is never merged",
            code: "is_mergeable_vma", kernels: "up to 6.3"),
        Word(
            word: "close:next",
            meaning:
                "a next VMA with a vm_ops->close is never merged, and no VMA with one is removed; a prev VMA with one may grow",
            code: "is_mergeable_vma (may_remove_vma)", kernels: "6.4 to 6.11", commit: "714965ca8252"),
        Word(
            word: "close:removed", meaning: "a VMA with a vm_ops->close may merge if the merge does not remove it",
            code: "can_merge_remove_vma", kernels: "since 6.12"),
        Word(
            word: "close:prev-grows,…",
            meaning: "a combination that no kernel had so far: what a VMA with a vm_ops->close may do of prev-grows, "
                + "next-grows, prev-takes, next-takes; without any of these it could not be tried",
            code: "vma_merge", kernels: "none that is known"),
        Word(
            word: "guard:ignored",
            meaning: "MADV_GUARD_INSTALL keeps no neighbour apart, whether or not it sets VM_MAYBE_GUARD",
            code: "madvise_guard_install", kernels: "since 6.13, where the advice is known", commit: "662df3e5c376"),
        Word(
            word: "ksm:late",
            meaning: "a process that has asked for KSM on all its memory (PR_SET_MEMORY_MERGE) has no new mapping "
                + "merged: it gets VM_MERGEABLE, as its neighbours have, only afterwards",
            code: "ksm_add_vma", kernels: "6.4 to 6.16, until \"mm: prevent KSM from breaking VMA merging for new VMAs\""),
        Word(
            word: "anon_pgoff:own",
            meaning: "the private pages of a file mapping have a page offset of their own, which has to continue, too",
            code: "needs_adjacent_anon_pgoff", kernels: "since 7.3", foundBy: "vm_area_struct has __vm_anon_pgoff_lo"),
        Word(
            word: "account:kept", meaning: "what has once been writable counts as committed memory (VM_ACCOUNT) for good",
            code: "mprotect_fixup", kernels: "up to 6.6"),
        Word(
            word: "account:dropped",
            meaning: "memory that becomes read-only before it is touched does not count as committed any more (VM_ACCOUNT)",
            code: "mprotect_fixup", kernels: "since 6.8"),
        Word(
            word: "brk:any", meaning: "the heap's first mapping merges with a VMA that ends where the heap begins",
            code: "do_brk_flags, vma_merge", kernels: "up to 6.0"),
        Word(
            word: "brk:start",
            meaning: "brk looks at nothing below mm->start_brk: without address randomization the heap's first mapping "
                + "stays apart from bss, and that is no side",
            code: "brk (vma_prev_limit)", kernels: "since 6.1"),
        Word(
            word: "brk:unknown",
            meaning: "whether brk merges below mm->start_brk could not be tried here, and such attempts are not judged",
            code: "brk", kernels: "none that is known"),
        Word(
            word: "anon_name:private", meaning: "private anonymous memory can have a name (CONFIG_ANON_VMA_NAME)",
            code: "anon_vma_name_eq", kernels: "since 5.17, where it is switched on"),
        Word(
            word: "anon_name:shared", meaning: "shared anonymous memory can have a name, too",
            code: "anon_vma_name_eq", kernels: "since 6.2, where it is switched on", commit: "d09e8ca6cb93"),
    ]
}

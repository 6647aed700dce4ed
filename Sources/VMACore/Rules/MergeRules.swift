/// A set of blockers: bit n is the n-th row of `MergeRules.table`.
public struct Blockers: OptionSet, Hashable, Sendable {
    /// Bit n is row n of `MergeRules.table`.
    public var rawValue: UInt16
    /// Blockers by their bits; a bit without a row names no rule.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Anonymous pages whose page offsets do not continue.
    public static let pgoff = Blockers(rawValue: 1 << 0)
    /// The anon_vmas differ, or may not be shared (`is_mergeable_anon_vma`).
    public static let anonVMA = Blockers(rawValue: 1 << 1)
    /// One file, whose offsets do not continue.
    public static let fileOffset = Blockers(rawValue: 1 << 2)
    /// Read, write, exec or shared differ.
    public static let protection = Blockers(rawValue: 1 << 3)
    /// Another flag differs.
    public static let flags = Blockers(rawValue: 1 << 4)
    /// Two files, or a file and anonymous memory.
    public static let file = Blockers(rawValue: 1 << 5)
    /// Different NUMA memory policies.
    public static let policy = Blockers(rawValue: 1 << 6)
    /// Different userfaultfd contexts.
    public static let uffd = Blockers(rawValue: 1 << 7)
    /// Different names given by prctl(PR_SET_VMA).
    public static let name = Blockers(rawValue: 1 << 8)
    /// A mapping that is never merged (VM_SPECIAL).
    public static let special = Blockers(rawValue: 1 << 9)
    /// A driver has to be told when a mapping ends (`vm_ops->close`).
    public static let close = Blockers(rawValue: 1 << 10)
    /// The kernel had no memory for the merge. It can't be seen in VMAs, so no pair ever has it.
    public static let nomem = Blockers(rawValue: 1 << 11)

    /// The blockers that are limits of the kernel's data structures, as opposed to what the program asked for.
    public static let limits: Blockers = [.pgoff, .anonVMA]

    /// Whether limits alone keep two VMAs apart: a kernel patch could merge them.
    public var isHeadline: Bool { !isEmpty && isSubset(of: .limits) }

    /// The blockers as single elements, in the table's order.
    public var rules: [MergeRule] { MergeRules.table.filter { contains($0.blocker) } }
    /// The keys of the blockers in JSON, in the table's order.
    public var slugs: [String] { rules.map(\.slug) }
}

/// Two adjacent VMAs and how the kernel came to look at them.
public struct Pair: Sendable {
    /// Which of the two VMAs is the proposed range; neither in a standing pair.
    public enum Proposed: Sendable { case left, right, neither }

    /// The VMA with the lower addresses.
    public var left: VMA
    /// The VMA that begins where `left` ends.
    public var right: VMA
    /// Which of the two is the range that an operation proposes.
    public var proposed: Proposed
    /// The proposed range is the whole of an existing VMA, which a merge would remove.
    public var replacesVMA: Bool
    /// The proposed range is a copy of a VMA elsewhere, which mremap moves.
    public var isCopy: Bool
    /// What an mremap in place adds to a VMA.
    public var isExtension: Bool

    init(
        _ left: VMA, _ right: VMA, proposed: Proposed = .neither, replacesVMA: Bool = false,
        isCopy: Bool = false, isExtension: Bool = false
    ) {
        self.isCopy = isCopy
        self.isExtension = isExtension
        self.left = left
        self.right = right
        self.proposed = proposed
        self.replacesVMA = replacesVMA
    }

    /// The kernel considers the merge without the VMA that the range comes from, so it can't see whether that is a
    /// fork's (vma_merge_extend, and copy_vma up to commit 3b617fd3d317).
    func hidesSource(_ model: KernelModel) -> Bool { isExtension || isCopy && model.mergesCopiesOfForks }

    var bothAnonymous: Bool { left.isAnonymous && right.isAnonymous }
    var bothOwnPagesOfFile: Bool { left.copiesFileOnWrite && right.copiesFileOnWrite }
}

/// One merge rule of the kernel: a row of the table.
public struct MergeRule: Sendable {
    /// Why VMAs stay apart by the rule; docs/merge-rules.md says what each word means.
    public enum Group: String, Sendable { case limit, layout, intent, flags, failure }

    /// The rule's bit.
    public var blocker: Blockers
    /// The name of the rule in JSON, in text and in conditions.
    public var slug: String
    /// Why VMAs stay apart by the rule.
    public var group: Group
    /// One line: what it means.
    public var meaning: String
    /// The kernel function that refuses.
    public var refusedBy: String
    /// What somebody can do about it: the first sentence says what, the others why.
    public var remedy: String
    /// True if this rule alone forbids the merge.
    var blocks: @Sendable (Pair, KernelModel) -> Bool
    /// The exact difference, in few words that many misses share; nil where the slug leaves nothing open.
    var detail: (@Sendable (Pair, KernelModel) -> String)?

    /// The remedy's first sentence: what holds in general, where no row of `Remedies` fits.
    public var advice: String {
        var end = remedy.startIndex
        while end < remedy.endIndex {
            let next = remedy.index(after: end)
            if remedy[end] == ".", next == remedy.endIndex || remedy[next] == " " { return String(remedy[..<next]) }
            end = next
        }
        return remedy
    }
}

/// THE table. It drives classification, JSON keys, text, `explain` and its page in docs/. Every row is asked, not
/// only the first that refuses, as in the kernel.
public enum MergeRules {
    /// The rules in the order of their bits.
    public static let table: [MergeRule] = [
        MergeRule(
            blocker: .pgoff, slug: "pgoff", group: .limit,
            meaning: "anonymous pages whose page offsets do not continue",
            refusedBy: "can_vma_merge_before, can_vma_merge_after (vma->vm_pgoff)",
            remedy: "Move memory before it is touched, not after, or allocate its final size at once. "
                + "mremap takes the page offset of touched memory along, which then fits no neighbour; "
                + "moving it back to where it was first mapped makes it fit again.",
            blocks: { pair, model in
                pair.bothAnonymous && pair.left.nextPgoff != pair.right.pgoff
                    || model.hasAnonPgoff && pair.bothOwnPagesOfFile
                        && pair.left.nextAnonPgoff != pair.right.anonPgoff
            }),
        MergeRule(
            blocker: .anonVMA, slug: "anon_vma", group: .limit,
            meaning: "faulted separately: the anon_vmas differ, or the fork rule forbids sharing one",
            refusedBy: "is_mergeable_anon_vma",
            remedy: "Map the whole region before touching any part of it, and fill it from one end. "
                + "Each mapping that is touched on its own gets an anon_vma of its own, for good, but "
                + "one that is touched first beside a neighbour that has one takes that over; in a "
                + "forked child, map afresh.",
            blocks: { pair, model in anonVMABlocks(pair, model) }),
        MergeRule(
            blocker: .fileOffset, slug: "file_offset", group: .layout,
            meaning: "the same file, but the offsets do not continue",
            refusedBy: "can_vma_merge_before, can_vma_merge_after (vma->vm_pgoff)",
            remedy: "Map consecutive parts of the file at consecutive addresses. For a memfd that backs "
                + "an arena, hand out offsets in the order of the addresses.",
            blocks: { pair, _ in
                !pair.left.isAnonymous && pair.left.file == pair.right.file
                    && pair.left.nextPgoff != pair.right.pgoff
            }),
        MergeRule(
            blocker: .protection, slug: "prot", group: .intent,
            meaning: "read, write, exec or shared differ",
            refusedBy: "is_mergeable_vma (vma->vm_flags)",
            remedy: "Reserve once, and commit by mprotect in one step, not page by page. Different "
                + "protections need different VMAs; guard pages need none from Linux 6.13 on, if "
                + "MADV_GUARD_INSTALL makes them in place of PROT_NONE.",
            blocks: { pair, _ in
                !pair.left.flags.symmetricDifference(pair.right.flags).isDisjoint(with: .protection)
            },
            detail: { pair, _ in "\(pair.left.flags.protectionText) beside \(pair.right.flags.protectionText)" }),
        MergeRule(
            blocker: .flags, slug: "flags", group: .flags,
            meaning: "the same protection, but another flag differs",
            refusedBy: "is_mergeable_vma (vma->vm_flags)",
            remedy: "Give the same advice and locks to the whole region, or to none of it. These are "
                + "madvise, mlock and MAP_NORESERVE. VM_ACCOUNT differs beside memory mapped with "
                + "MAP_NORESERVE, and beside memory that was never writable: what has once been "
                + "writable keeps the flag.",
            blocks: { pair, model in
                pair.left.flags.intersection(.protection) == pair.right.flags.intersection(.protection)
                    && !differingFlags(pair, model).isEmpty
            },
            detail: { pair, model in model.flagNames.of(differingFlags(pair, model)).joined(separator: " ") }),
        MergeRule(
            blocker: .file, slug: "file", group: .intent,
            meaning: "a different file, or a file beside anonymous memory",
            refusedBy: "is_mergeable_vma (vma->vm_file)",
            remedy: "Map both parts through one descriptor, if they are one file that is opened twice. "
                + "The kernel compares open files, not paths; two different files always stay apart.",
            blocks: { pair, _ in pair.left.file != pair.right.file }),
        MergeRule(
            blocker: .policy, slug: "policy", group: .intent,
            meaning: "a different NUMA memory policy",
            refusedBy: "is_mergeable_vma (mpol_equal)",
            remedy: "Set one memory policy for the whole region, or for the whole process. mbind does the "
                + "one, set_mempolicy the other.",
            blocks: { pair, _ in pair.left.policy != pair.right.policy }),
        MergeRule(
            blocker: .uffd, slug: "uffd", group: .intent,
            meaning: "a different userfaultfd context",
            refusedBy: "is_mergeable_vma (is_mergeable_vm_userfaultfd_ctx)",
            remedy: "Register the whole region with one userfaultfd, in one range.",
            blocks: { pair, _ in pair.left.uffd != pair.right.uffd }),
        MergeRule(
            blocker: .name, slug: "anon_name", group: .intent,
            meaning: "a different name given by prctl(PR_SET_VMA)",
            refusedBy: "is_mergeable_vma (anon_vma_name_eq)",
            remedy: "Use one name per arena, not one per allocation.",
            blocks: { pair, _ in pair.left.name != pair.right.name }),
        MergeRule(
            blocker: .special, slug: "special", group: .intent,
            meaning: "a VM_SPECIAL mapping, which is never merged",
            refusedBy: "vma_merge, vma_merge_new_range, vma_merge_existing_range (VM_SPECIAL)",
            remedy: "Map fewer and larger pieces. Device and kernel mappings never merge.",
            blocks: { pair, _ in
                !pair.left.flags.isDisjoint(with: .special) || !pair.right.flags.isDisjoint(with: .special)
            },
            detail: { pair, model in
                model.flagNames.of(pair.left.flags.union(pair.right.flags).intersection(.special)).joined(separator: " ")
            }),
        MergeRule(
            blocker: .close, slug: "close", group: .intent,
            meaning: "the mapping's driver must be told when the mapping ends (vm_ops->close)",
            refusedBy: "is_mergeable_vma, can_merge_remove_vma (vm_ops->close)",
            remedy: "Map one large piece in place of many. Shared memory segments, huge pages and device "
                + "mappings want to be told of the end of each.",
            blocks: { pair, model in model.close.blocks(pair) }),
        MergeRule(
            blocker: .nomem, slug: "nomem", group: .failure,
            meaning: "the kernel ran out of memory or of map count while merging",
            refusedBy: "commit_merge, __vma_adjust (-ENOMEM)",
            remedy: "Raise vm.max_map_count, or free memory. The merge itself was allowed.",
            // Can't be seen in the VMAs: an attempt that fails so is unexplained (docs/kernel-notes.md).
            blocks: { _, _ in false }),
    ]

    /// The rule with this slug, or nil.
    public static func rule(slug: String) -> MergeRule? { table.first { $0.slug == slug } }

    /// All blockers of a pair.
    public static func blockers(_ pair: Pair, _ model: KernelModel) -> Blockers {
        // In place and by index: to copy a rule is expensive.
        table.withUnsafeBufferPointer { rules in
            var found: Blockers = []
            for index in rules.indices where rules[index].blocks(pair, model) { found.insert(rules[index].blocker) }
            return found
        }
    }

    /// The blockers that leave open what differs exactly.
    static let detailed = table.reduce(Blockers()) { $1.detail == nil ? $0 : $0.union($1.blocker) }

    /// The details of the given blockers, one after the other, or nil.
    public static func detail(_ blockers: Blockers, _ pair: Pair, _ model: KernelModel) -> String? {
        guard !blockers.isEmpty else { return nil }
        var details: String?
        for index in table.indices where blockers.contains(table[index].blocker) {
            guard let detail = table[index].detail?(pair, model) else { continue }
            details = details.map { "\($0); \(detail)" } ?? detail
        }
        return details
    }

    private static func differingFlags(_ pair: Pair, _ model: KernelModel) -> VMAFlags {
        pair.left.flags.symmetricDifference(pair.right.flags).subtracting(model.ignoredFlags)
    }

    private static func anonVMABlocks(_ pair: Pair, _ model: KernelModel) -> Bool {
        switch pair.proposed {
        case .left: return !anonVMAMergeable(source: pair.left, target: pair.right, model, hidesSource: pair.hidesSource(model))
        case .right: return !anonVMAMergeable(source: pair.right, target: pair.left, model, hidesSource: pair.hidesSource(model))
        case .neither:
            // A standing pair could merge from either side.
            return !anonVMAMergeable(source: pair.left, target: pair.right, model)
                && !anonVMAMergeable(source: pair.right, target: pair.left, model)
        }
    }

    /// `is_mergeable_anon_vma`: `target` is the neighbour that would take `source` over.
    static func anonVMAMergeable(
        source: VMA, target: VMA, _ model: KernelModel, hidesSource: Bool = false
    ) -> Bool {
        if source.anonVMA != 0 && target.anonVMA != 0 { return source.anonVMA == target.anonVMA }
        if source.anonVMA == 0 && target.anonVMA == 0 { return true }
        switch model.anonVMARule {
        case .neighbour:
            return target.anonVMA != 0 && target.traits.contains(.chainSingular)
        case .forkChild:
            if source.anonVMA != 0, hidesSource { return true }
            let faulted = source.anonVMA != 0 ? source : target
            return faulted.traits.contains(.chainSingular)
        }
    }
}

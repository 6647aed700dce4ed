/// A patch, or a plan for one, that would let more VMAs merge, as rules.
///
/// To add one, add a row to `table`, and a test (docs/what-if.md).
public struct Proposal: Sendable {
    /// The name in JSON and on the command line (`--what-if`).
    public var slug: String
    /// One line: what it is.
    public var title: String
    /// Where it was posted, by whom, and when.
    public var proposedIn: String
    /// What it would change, and under which conditions.
    public var changes: String
    /// Which conditions it checks before it merges.
    public var asks: String
    /// What vmascope can't see of these conditions.
    public var limits: String

    /// Whether the page offset of faulted anonymous memory is rewritten when mremap moves it.
    var rewritesPgoff: @Sendable (Move) -> WhatIfAnswer
    /// Page offsets need not continue at all.
    var ignoresPgoff = false
    /// anon_vmas do not matter at all.
    var ignoresAnonVMA = false
    /// Whether it is known which pages have to be updated when VMAs merge: where nothing is said of how the anon_vma is
    /// no limit any more, it is not.
    public var updatesPages: Bool { !ignoresAnonVMA }
    /// A move that merges as today stays what it is. Another one gets a new page offset, and the anon_vma of a
    /// neighbour that it continues then, before it tries once more.
    var relocates = false
    /// Whether two that are faulted, with different anon_vmas, may join. The first one is moved, changed or
    /// grown; of prev and next it is next.
    var joinsDifferent: @Sendable (Ownership) -> WhatIfAnswer
    /// What the proposal did before decides what it does later, so a layout is kept for it beside the kernel's.
    var remembers = false

    /// Faulted anonymous memory that mremap moves.
    struct Move: Sendable {
        var source: Ownership
        /// The pages of the whole VMA that it is moved from: `.shared` where KSM or the swap cache has one of them.
        var pages: WhatIf
        var isSingular: Bool
    }
}

/// All proposals that vmascope can judge by.
public enum Proposals {
    /// At most `WhatIfAnswers.limit` rows, whose places are the bits of `WhatIfAnswers`.
    public static let table: [Proposal] = [
        Proposal(
            slug: "rfc2022", title: "the patch series, as its text describes it",
            proposedIn: "\"Removing limitations of merging anonymous VMAs\", J. Matěna, RFC v3, linux-mm, May 2022",
            changes: "mremap rewrites the page offset of touched anonymous memory that it moves, with or without a "
                + "neighbour there (patch 4). VMAs of different anon_vmas merge, and the pages of the one that is absorbed "
                + "are moved to the other's anon_vma (patch 5).",
            asks: "For a move: that the anon_vma of the source is its own root and no living child hangs on it, and that "
                + "no page of the whole source VMA is shared. For an anon_vma: the same of the range that is moved, changed "
                + "or grown, and where all three become one also of the next VMA. The neighbour that stays is never asked. A "
                + "touched range beside an untouched neighbour stays apart, as on kernels before 6.16.",
            limits: "That a page is shared is known where KSM and swap can be ruled out, or their pages were looked at.",
            rewritesPgoff: { $0.source == .own ? pagesAnswer($0.pages) : $0.source.answer },
            joinsDifferent: { $0.answer }, remembers: true),
        Proposal(
            slug: "rfc2022-posted", title: "the patch series, as its code does it",
            proposedIn: "the code of the same series",
            changes: "As rfc2022, but patch 4 rewrites the page offset also where a child or a parent shares the VMA, which its "
                + "description excludes: only what is not shared has its pages looked at.",
            asks: "For a move: nothing of what is shared by fork. For an anon_vma the same as rfc2022.",
            limits: "As rfc2022.",
            rewritesPgoff: { $0.source == .own ? pagesAnswer($0.pages) : $0.source == .unread ? $0.source.answer : .joins },
            joinsDifferent: { $0.answer }, remembers: true),
        Proposal(
            slug: "relocate-anon", title: "mremap(MREMAP_RELOCATE_ANON)",
            proposedIn: "\"mm/mremap: permit mremap() move of anonymous memory to be merged\", L. Stoakes, RFC v3 in May and "
                + "series in June 2025; withdrawn",
            changes:
                "Where a program asks for it and the move would not merge as today, the moved folios are relocated: the copy gets "
                + "a fresh page offset and the anon_vma that a page fault there would give it, the next VMA's before the previous "
                + "one's, and then merges by today's rules.",
            asks:
                "A move, of purely anonymous memory, with a chain of one anon_vma (it was not inherited), on which no living "
                + "child hangs, and no moved folio pinned. Pages of the source that stay are not asked, nor what is swapped out.",
            limits: "An upper bound: pinned pages can't be seen, and every mremap is counted as if it had the flag.",
            rewritesPgoff: { move in
                guard move.source == .own else { return move.source.answer }
                return move.isSingular ? .joins : WhatIfAnswer(.shared, .inherited)
            },
            relocates: true, joinsDifferent: { _ in WhatIfAnswer(.shared, .scope) }, remembers: true),
        Proposal(
            slug: "cow-context", title: "the anon_vma is no limit, the page offset stays one",
            proposedIn: "the plan to replace the anon_vma by a context of the whole process, as presented in 2026",
            changes: "VMAs merge whatever they were faulted with. Page offsets still have to continue.",
            asks: "Nothing.",
            limits: "A bound on a plan, not on a patch.",
            rewritesPgoff: { _ in WhatIfAnswer(.shared, .scope) }, ignoresAnonVMA: true, joinsDifferent: { _ in .joins }),
        Proposal(
            slug: "no-limits", title: "neither is a limit",
            proposedIn: "nobody has proposed it: what the most general patch could gain",
            changes: "VMAs merge whatever their page offsets and anon_vmas are, if all else is equal.",
            asks: "Nothing.",
            limits: "An upper bound on every patch of this kind.",
            rewritesPgoff: { _ in .joins }, ignoresPgoff: true, ignoresAnonVMA: true, joinsDifferent: { _ in .joins }),
    ]

    /// The index of the proposal that `what_if` gives the answers of.
    public static let rfc = 0

    /// The index of a proposal in `table`; nil if none has this slug.
    public static func place(_ slug: String) -> Int? { table.firstIndex { $0.slug == slug } }

    private static func pagesAnswer(_ pages: WhatIf) -> WhatIfAnswer {
        pages == .recoverable ? .joins : WhatIfAnswer(pages, .pages)
    }
}

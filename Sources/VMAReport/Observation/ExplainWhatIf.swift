import VMACore

/// The text of `vmascope explain what-if`: the proposals that would let more VMAs merge.
extension Explain {
    static func proposals() -> String {
        var text = "what-if: what would have merged if page offsets or anon_vmas were no limits\n\n"
        text += Fit.wrap(
            "Each proposal below is a set of rules. Every side that only pgoff and anon_vma keep apart is judged by all of "
                + "them, when it happens: recoverable, if the proposal would have merged; shared, if it would refuse, as a rule because "
                + "another process shares the memory; unknown, if the facts it depends on could not be seen. "
                + "A boundary keeps the answer of its "
                + "last attempt; one that nobody has tried is judged as if it were tried now. What a proposal would have to update "
                + "are the pages that are present in what it moves or absorbs: they are counted in the page tables at the call.",
            88
        ).map { $0 + "\n" }.joined()
        return text + Proposals.table.map { "\n" + proposal($0) }.joined()
    }

    static func proposal(_ proposal: Proposal) -> String {
        var text = "\(proposal.slug): \(proposal.title)\n"
        for (label, words) in [
            ("proposed", proposal.proposedIn), ("changes", proposal.changes), ("asks", proposal.asks),
            ("limits", proposal.limits),
        ] {
            for (index, line) in Fit.wrap(words, 76).enumerated() {
                text += "  " + (index == 0 ? label : "").padded(10) + line + "\n"
            }
        }
        return text
    }
}

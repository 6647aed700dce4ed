import VMACore

/// The meaning of the blockers, from THE table: for the terminal and for docs/merge-rules.md.
public enum Explain {
    /// One line per blocker.
    public static func all() -> String {
        var table = TextTable(["blocker", "group", "meaning"], right: [])
        for rule in MergeRules.table { table.add([rule.slug, rule.group.rawValue, rule.meaning]) }
        let lines = table.lines.map { $0 + "\n" }.joined()
        var words = TextTable(["merge_rules", "kernels", "meaning"], right: [])
        for word in KernelModel.words { words.add([word.word, word.kernels, word.meaning]) }
        return lines + "\n" + groups.map { "\($0.group.rawValue): \($0.text)\n" }.joined()
            + "\n" + words.lines.map { $0 + "\n" }.joined()
            + "\nvmascope explain <blocker> says which kernel code refuses, and what to do.\n"
    }

    /// A paragraph on one blocker, or one word of `merge_rules`; nil if there is none of that name.
    public static func one(_ slug: String) -> String? {
        if let word = KernelModel.words.first(where: { $0.word == slug }) {
            let meaning = Fit.wrap(word.meaning, 86).joined(separator: "\n            ")
            return "\(word.word)\n\n  meaning   \(meaning)\n  decided   \(word.source)\n"
                + "  kernels   \(word.kernels)\n  found by  \(word.foundBy)\n"
        }
        if slug == "what-if" { return proposals() }
        if let place = Proposals.place(slug) { return proposal(Proposals.table[place]) }
        if let remedy = Remedies.table.first(where: { $0.slug == slug }) {
            return "\(slug) (\(remedy.blocker?.slugs.first ?? "gaps"))\n\n"
                + Fit.wrap("\(remedy.advice) \(remedy.reason)", 88).map { "  \($0)\n" }.joined()
        }
        guard let rule = MergeRules.rule(slug: slug) else { return nil }
        var text = "\(rule.slug) (\(rule.group.rawValue))\n\n"
        text += "  meaning     \(rule.meaning)\n"
        text += "  refused by  \(rule.refusedBy)\n"
        text += "  group       \(self.text(rule.group))\n"
        text += "  what to do\n" + Fit.wrap(rule.remedy, 88).map { "    \($0)\n" }.joined()
        text += "\n  in cases that it can tell\n"
        for remedy in Remedies.remedies(about: rule.blocker) {
            text += "    \(remedy.slug)\n" + Fit.wrap("\(remedy.advice) \(remedy.reason)", 86).map { "      \($0)\n" }.joined()
        }
        return text
    }

    /// The page docs/merge-rules.md.
    public static func markdown() -> String {
        var text = """
            # Merge rules

            Linux merges two adjacent VMAs unless one of these rules forbids it. The kernel stops at the
            first; vmascope lists all that apply, in this order. This page is printed from the table in
            `Sources/VMACore/Rules/MergeRules.swift` (`vmascope explain --markdown`); a test fails when it is stale.

            | blocker | group | meaning | refused by |
            |---|---|---|---|

            """
        for rule in MergeRules.table {
            text += "| [`\(rule.slug)`](#\(rule.slug)) | \(rule.group.rawValue) | \(rule.meaning) | \(rule.refusedBy) |\n"
        }
        text += "\nGroups:\n\n"
        for group in groups { text += "- **\(group.group.rawValue)**: \(group.text).\n" }
        text += "\nA miss whose blockers are all from the group *limit* is a headline miss.\n"
        for rule in MergeRules.table {
            text += "\n## \(rule.slug)\n\n\(rule.remedy)\n\n"
            text += list(Remedies.remedies(about: rule.blocker))
        }
        text += "\n## gaps\n\nVMAs that do not touch: no rule refuses anything.\n\n" + list(Remedies.remedies(about: nil))
        text += "\n## Where kernels differ\n\nA report's `merge_rules` says which of these are in force. None is decided by a "
        text +=
            "version number: each is found\nby an experiment, or by what the kernel has, when an observation starts. Commits are upstream's.\n\n"
        text += "| merge_rules | meaning | decided by | kernels | found by |\n|---|---|---|---|---|\n"
        for word in KernelModel.words {
            text += "| `\(word.word)` | \(word.meaning) | \(word.source) | \(word.kernels) | \(word.foundBy) |\n"
        }
        return text
    }

    /// The remedies for the cases that a report can distinguish.
    private static func list(_ remedies: [Remedy]) -> String {
        remedies.map { "- `\($0.slug)`: \($0.advice) \($0.reason)\n" }.joined()
    }

    private static func text(_ group: MergeRule.Group) -> String { groups.first { $0.group == group }!.text }

    private static let groups: [(group: MergeRule.Group, text: String)] = [
        (.limit, "a limit of the kernel's data structures: the memory could be one VMA, and a patch could lift it"),
        (.layout, "the program laid its file mappings out so that they don't continue each other"),
        (.flags, "an advice, a lock or the way it was mapped has left different flags"),
        (.intent, "the program asked for two different things, so two VMAs are right"),
        (.failure, "the merge was allowed, but the kernel could not carry it out"),
    ]
}

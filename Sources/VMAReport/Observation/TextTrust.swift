import VMACore

/// The section of the text report on how far to trust it: the comparisons with the kernel, and their results.
struct TextTrust {
    let style: TextStyle

    func render(_ report: Report) -> String {
        let unexplained = report.checked - report.agreed
        var text = style.bold("HOW FAR TO TRUST THIS") + "\n"
        text += "  merge rules   \(lines(report.host.mergeRules))"
        text += "  agreement     "
        text += verdict(
            unexplained == 0,
            "the kernel did what the rules say in \(report.agreed.grouped) of \(report.checked.of("attempt"))",
            "; \(unexplained.grouped) unexplained: this kernel has a rule that vmascope does not know")
        for line in report.disagreements { text += "                \(lines(line))" }
        text += "  events        "
        text += verdict(
            report.lost == 0, "\(report.received.grouped) received, \(report.lost.grouped) lost",
            "; layouts were read anew, but attempts are missing from the counts")
        if report.unjudged > 0 {
            text += "  sections      "
            text += verdict(false, "", report.unjudgedText)
        }
        if report.otherStacks > 0 {
            text += "  stacks        "
            let times = report.otherStacks.of("time", "times")
            text += lines("more stacks than are kept: \(times) a stack was counted as (other stacks)")
        }
        text += "  layout audit  "
        let audit = report.audit
        text += verdict(
            audit.equal == audit.checked,
            audit.checked == 0
                ? "no comparison: the process was never quiet"
                : "equal to the kernel's in \(audit.equal.grouped) of \(audit.checked.of("comparison"))", "")
        if audit.resynced > 0 { text += "                a layout was read anew \(audit.resynced.of("time"))\n" }
        for line in audit.differences { text += "                \(lines(line))" }
        return text
    }

    private func lines(_ text: String) -> String {
        Fit.wrap(Fit.printable(text), Fit.width - 16).joined(separator: "\n                ") + "\n"
    }

    private func verdict(_ isGood: Bool, _ text: String, _ otherwise: String) -> String {
        let wrapped = lines(isGood ? text : text + otherwise).dropLast()
        return (isGood ? style.green(String(wrapped)) : style.red(String(wrapped))) + "\n"
    }
}

extension Report {
    /// Of write sections whose attempts are not known.
    var unjudgedText: String {
        "\(unjudged.of("write section")) not judged (\(unjudgedBy.text)): what was tried "
            + "there is not in the counts"
    }
}

extension MergeAttempt {
    /// The prediction, what the kernel did, and all facts that the rules look at, in one line.
    func disagreement(_ verdict: Verdict) -> String {
        func side(_ merged: Bool) -> String { merged ? "merged" : "apart" }
        func text(_ outcome: Outcome) -> String { "prev \(side(outcome.prev)), next \(side(outcome.next))" }
        var line = "\(operation): predicted \(text(verdict.predicted)); "
        line += "the kernel: \(text(outcome)); proposed \(proposed.evidence)"
        if let prev { line += "; prev \(prev.vma.evidence)" }
        if let next { line += "; next \(next.vma.evidence)" }
        return line
    }
}

extension VMA {
    /// The VMA in one line, with the facts of the anon_vma rule.
    fileprivate var evidence: String {
        "\(summary) anon_vma \(anonVMA) traits \(String(traits.rawValue, radix: 16))"
    }
}

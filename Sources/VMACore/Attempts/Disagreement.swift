extension MergeAttempt {
    /// What the rules said, what the kernel did, and all that they look at: for a report's end.
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
    /// With what the anon_vma rule looks at, besides.
    fileprivate var evidence: String {
        "\(summary) anon_vma \(anonVMA) traits \(String(traits.rawValue, radix: 16))"
    }
}

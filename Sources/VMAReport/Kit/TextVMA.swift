import VMACore

/// VMAs, and the boundary between two of them, in lines of text.
struct TextVMA {
    let labels: Labels
    let style: TextStyle

    /// `7f00-8000  rw-p  pgoff 0x7f0  anon_vma 1  VM_ACCOUNT  [heap]`
    func line(_ vma: VMA) -> String { parts(vma).joined(separator: "  ") }

    /// The same on lines of at most `width` columns.
    func lines(_ vma: VMA, _ width: Int) -> [String] { Fit.fill(parts(vma), between: "  ", width) }

    private func parts(_ vma: VMA) -> [String] {
        var parts = ["\(vma.start.hex)-\(vma.end.hex)", vma.flags.protectionText, "pgoff \(vma.pgoff.hex)"]
        parts.append(vma.anonVMA == 0 ? "no anon_vma" : "anon_vma \(vma.anonVMA)")
        let flags = vma.flags.besideProtection.subtracting(.softDirty)
        if !flags.isEmpty { parts.append(labels.flags.of(flags).joined(separator: " ")) }
        if let file = labels.file(vma) { parts.append(Fit.printable(file)) }
        if let name = labels.name(vma) { parts.append(Fit.printable(name)) }
        return parts
    }

    /// The boundary between two VMAs in words: the blockers, and the exact difference. `joined` is the anon_vma that
    /// a proposed range without one got when it merged on its other side.
    func seam(
        _ blockers: Blockers, _ detail: String?, _ left: VMA, _ right: VMA, joined: AnonVMAID = 0
    ) -> String {
        guard !blockers.isEmpty else { return "no rule forbids it" }
        var differences: [String] = []
        if !blockers.isDisjoint(with: [.pgoff, .fileOffset]) {
            differences.append("pgoff \(left.nextPgoff.hex) would continue, it is \(right.pgoff.hex)")
        }
        if blockers.contains(.anonVMA) { differences.append(anonVMAs(left, right, joined)) }
        if blockers.contains(.file) {
            differences.append("\(labels.file(left) ?? "anonymous") beside \(labels.file(right) ?? "anonymous")")
        }
        if blockers.contains(.name) {
            differences.append("\(labels.name(left) ?? "no name") beside \(labels.name(right) ?? "no name")")
        }
        if let detail { differences.append(detail) }
        let why = differences.isEmpty ? blockers.rules.map(\.meaning) : differences
        return "\(blockers.key): \(Fit.printable(why.joined(separator: "; ")))"
    }

    private func anonVMAs(_ left: VMA, _ right: VMA, _ joined: AnonVMAID) -> String {
        let names = [left, right].map { vma in
            if vma.anonVMA != 0 { return "\(vma.anonVMA)" }
            return joined == 0 ? "none" : "\(joined), taken from the other side,"
        }
        return "anon_vma \(names[0]) beside \(names[1])"
    }
}

/// The text of `vmascope layout`: the VMAs of a process, with a red seam wherever two touch and can't merge.
public struct TextLayout {
    private let style: TextStyle

    /// - Parameter colour: whether the text goes to a terminal and may contain escape codes.
    public init(colour: Bool) { style = TextStyle(colour: colour) }

    /// Appends the text to `text`.
    public func render(_ report: LayoutReport, into text: inout String) {
        let lines = TextVMA(labels: report.labels, style: style)
        let limit = report.limit.map { " of at most \($0.grouped)" } ?? ""
        text += style.bold("\(Fit.printable(report.command))[\(report.pid)]")
        text +=
            ": \(report.vmas.count.of("VMA"))\(limit), \(report.boundaries.count.of("boundary", "boundaries")), \(report.gaps.of("gap"))\n\n"

        var boundaries = report.boundaries[...]
        for (index, vma) in report.vmas.enumerated() {
            text += "  \(lines.line(vma))\n"
            if let boundary = boundaries.first, boundary.index == index {
                boundaries.removeFirst()
                let seam = lines.seam(boundary.blockers, boundary.detail, vma, report.vmas[index + 1])
                let whatIf = boundary.whatIf.map { $0 == .recoverable ? "" : " (\($0))" } ?? ""
                let rule = "  ─── \(boundary.blockers.isEmpty ? "mergeable, but nothing has tried" : seam + whatIf)"
                text += boundary.blockers.isEmpty ? style.green(rule) : paint(boundary.blockers, rule)
                text += "\n"
            } else if index + 1 < report.vmas.count {
                text += "\n"
            }
        }
        text += "\n" + summary(report)
    }

    /// Red is for the kernel's own limits; a difference that the program asked for is no fault.
    private func paint(_ blockers: Blockers, _ rule: String) -> String {
        blockers.isHeadline ? style.red(rule) : style.dim(rule)
    }

    private func summary(_ report: LayoutReport) -> String {
        var counts: [Blockers: Int] = [:]
        for boundary in report.boundaries { counts[boundary.blockers, default: 0] += 1 }
        let gaps = report.gaps == 0 ? "" : "\(report.gaps.of("gap")) between VMAs that do not touch\n"
        guard !counts.isEmpty else { return "no two VMAs touch\n\(gaps)" }
        var table = TextTable(["count", "between adjacent VMAs"], right: [0])
        for (blockers, count) in counts.ranked {
            table.add([count.grouped, blockers.isEmpty ? "nothing: mergeable" : blockers.key])
        }
        func count(_ whatIf: WhatIf) -> Int { report.boundaries.count { $0.whatIf == whatIf } }
        let recoverable = count(.recoverable)
        var lines = table.lines.map { "  \($0)\n" }.joined()
        lines += "\n\(recoverable.of("boundary", "boundaries")) would go if pgoff and anon_vma were no limits"
        if recoverable > 0 {
            lines += ": \((report.vmas.count - recoverable).of("VMA")) in place of \(report.vmas.count.grouped)"
        }
        lines += "\n"
        if count(.shared) > 0 { lines += "\(count(.shared).grouped) would stay: another process shares the memory\n" }
        if count(.unknown) > 0 {
            lines += "of \(count(.unknown).grouped) it depends on which of the two is changed: one of them is shared\n"
        }
        if let remedy = report.remedy { lines += Fit.wrap("what to do: \(remedy.line)", Fit.width).map { $0 + "\n" }.joined() }
        return lines + gaps
    }
}

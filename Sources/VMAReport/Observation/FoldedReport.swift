import VMACore

/// One line for each row of misses, or of boundaries and gaps that stand now, outermost frame first, for flame graph
/// tools: `comm;frame;…;frame;[op side blockers] count`.
struct FoldedReport: ReportFormat {
    let weight: Weight

    func render(_ report: Report, into text: inout String) {
        switch weight {
        case .misses:
            for miss in report.missed {
                let leaf = "[\(miss.operation) \(miss.side) \(miss.blockers.key)]"
                text += Self.line(miss.command, miss.stack, leaf, miss.count)
            }
        case .boundaries:
            for row in report.standing where !row.isGap {
                let operation = row.operation?.rawValue ?? "before"
                let leaf = "[\(operation) \(row.word)]"
                text += Self.line(row.command, row.stack, leaf, row.count)
            }
        }
    }

    private static func line(_ command: String, _ stack: [String], _ leaf: String, _ count: Int) -> String {
        ([command] + stack.reversed() + [leaf]).map(clean).joined(separator: ";") + " \(count)\n"
    }

    /// Replaces semicolons, which would make two frames of one, and line breaks, which would make two lines. By
    /// scalars: a mark that combines with a semicolon hides it from `Character`, but not from the tools.
    private static func clean(_ frame: String) -> String {
        var clean = String.UnicodeScalarView()
        for scalar in frame.unicodeScalars {
            clean.append(scalar == ";" || Character(scalar).isNewline ? "_" : scalar)
        }
        return Fit.printable(String(clean))
    }
}

import VMACore

/// One line per row of misses, outermost frame first, for flame graph tools:
/// `comm;frame;…;frame;[op side blockers] count`.
struct FoldedReport: ReportFormat {
    func render(_ report: Report, into text: inout String) {
        for miss in report.missed {
            let leaf = "[\(miss.operation) \(miss.side) \(miss.blockers.key)]"
            let frames = [miss.command] + miss.stack.reversed() + [leaf]
            text += frames.map(Self.clean).joined(separator: ";") + " \(miss.count)\n"
        }
    }

    /// A semicolon would make two frames of one, and a line break two lines.
    private static func clean(_ frame: String) -> String {
        String(frame.map { $0 == ";" || $0.isNewline ? "_" : $0 })
    }
}

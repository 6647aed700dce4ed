import VMACore
import VMAReport
import VMATrace

/// The results of an observation, live or recorded: the report of the observer that saw all events, and the facts
/// that hold for the whole.
package struct Findings {
    package let report: Report
    /// The first BPF record that could not be decoded, in words.
    private let unread: String?

    init(header: TraceHeader, observer: Observer, end: TraceEnd) {
        unread = end.damage
        let seconds = end.time > header.startTime ? Double(end.time - header.startTime) / 1e9 : 0
        report = Report(
            observer, version: header.toolVersion,
            host: Report.Host(kernel: header.kernel, source: header.source, mergeRules: header.model.name),
            started: header.started, startTime: header.startTime, seconds: seconds, limit: header.mapLimit)
    }

    /// - Parameter format: of the report that is to be made, in the end.
    static func observer(_ header: TraceHeader, for format: String = "") -> Observer {
        let observer = Observer(
            judge: Judge(header.model), isHooked: header.isHooked, waits: header.waits, limit: header.mapLimit)
        if ReportFormats.keepsTimeline(format) { observer.keepTimeline() }
        return observer
    }

    package func write(_ options: OutputSettings, to output: Output) throws {
        if let unread { Console.warn("warning: a record of a BPF program could not be decoded: \(unread)") }
        // The text report contains them.
        if options.format != "text" { (report.disagreements + report.audit.differences).forEach(Console.warn) }
        if let (format, isPacked) = ReportFormats.binary(options.format) {
            try output.write { write in
                guard isPacked else { return try format.render(report, to: write) }
                let gzip = try Gzip()
                try format.render(report) { try gzip.add($0, write) }
                try gzip.finish(write)
            }
            return
        }
        var text = ""
        let toTerminal = options.path == nil && Console.wantsColour
        ReportFormats.named(
            options.format, colour: toTerminal, weight: options.weight ?? .misses, whatIf: options.whatIf)!
            .render(report, into: &text)
        try output.write(text)
    }

    /// Throws with status 3 if the condition holds.
    package func demandNot(_ condition: Condition?) throws {
        if let failure = condition?.failure(Figures(report)) { throw Failure.condition(failure) }
    }
}

import VMACore
import VMAReport
import VMATrace

/// What a report is made of, live or recorded: the observer that saw all events, and what holds for
/// the whole.
struct Findings {
    var header: TraceHeader
    var observer: Observer
    var end: TraceEnd

    static func observer(_ header: TraceHeader) -> Observer {
        Observer(judge: Judge(header.model), isHooked: header.isHooked, waits: header.waits)
    }

    func write(_ options: OutputOptions, to output: Output) throws {
        if let damage = end.damage { Console.warn("a record could not be read: \(damage)") }
        let seconds = end.time > header.startTime ? Double(end.time - header.startTime) / 1e9 : 0
        let report = Report(
            observer, version: header.toolVersion,
            host: Report.Host(kernel: header.kernel, source: header.source, mergeRules: header.model.name),
            started: header.started, startTime: header.startTime, seconds: seconds, limit: header.mapLimit)
        // The text report has them inside.
        if options.name != "text" { (report.disagreements + report.audit.differences).forEach(Console.warn) }
        var text = ""
        let toTerminal = options.output == nil && Console.wantsColour
        ReportFormats.named(options.name, colour: toTerminal, weight: options.weight ?? .misses)!
            .render(report, into: &text)
        try output.write(text)
        if let failure = options.failOn?.failure(Figures(report)) { throw Failure.condition(failure) }
    }
}

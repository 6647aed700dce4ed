import VMACore

/// The number of VMAs over time, as SVG.
enum HTMLChart {
    private static let (width, height) = (720, 200)
    private static let (left, top, bottom) = (96, 24, 28)
    private static let processLimit = 6

    static func history(_ report: Report) -> String {
        let ranked = Answer.ranked(report.processes).filter { !$0.history.points.isEmpty }
        guard !ranked.isEmpty else { return "<p>No process was seen.</p>\n" }
        let drawn = ranked.filter { tells($0, report) }.prefix(processLimit)
        let charted = Set(drawn.map(\.pid))
        let others = ranked.filter { !charted.contains($0.pid) }
        var html = drawn.map { figure($0, report) }.joined()
        if !others.isEmpty {
            let names = others.prefix(processLimit).map { "\(Report.name($0.command, $0.pid)) \($0.peak.grouped)" }
            html += "<p>At most, of the others: \(HTML.escaped(names.joined(separator: ", ")))"
            html += (others.count > processLimit ? ", and \((others.count - processLimit).of("more", "more"))" : "") + ".</p>\n"
        }
        return html
    }

    /// Whether a chart says more than a number: the process lived long enough, and its count did not stay level.
    private static func tells(_ process: Report.Process, _ report: Report) -> Bool {
        guard process.history.points.contains(where: { $0.count != process.start }) else { return false }
        guard process.exited, let first = process.history.points.first, let last = process.history.points.last else {
            return true
        }
        return Double(last.time &- first.time) >= max(0, report.seconds) * 1e9 / shortest
    }

    /// A process that lived for a smaller part of the observation is not drawn.
    private static let shortest = 50.0

    private static func figure(_ process: Report.Process, _ report: Report) -> String {
        let peak = max(1, process.history.points.map(\.count).max() ?? 1)
        let limit = process.limit ?? 0
        // A limit far above would flatten the chart.
        let showsLimit = limit > 0 && limit <= 4 * peak
        let high = max(peak, showsLimit ? limit : 0) * 11 / 10 + 1
        // From the process's first moment to its last, or to now; it may have lived for a part of the observation
        // only.
        let (begin, last) = (process.history.points[0].time, process.history.points[process.history.points.count - 1].time)
        let now = report.endTime
        // In a damaged recording times may go backwards, or have no end.
        let end = process.exited ? last : max(last, now)
        let span = end > begin ? end - begin : 1
        func x(_ time: UInt64) -> Int {
            time < begin ? left : left + Int(Double(width - left) * min(1, Double(time - begin) / Double(span)))
        }
        func y(_ count: Int) -> Int { top + (height - top - bottom) * (high - count) / high }

        var path = ""
        for point in process.history.points {
            path += path.isEmpty ? "M\(x(point.time)) \(y(point.count))" : "H\(x(point.time))V\(y(point.count))"
        }
        path += "H\(width)"
        let name = HTML.escaped("\(process.command)[\(process.pid)]")
        var svg = "<figure><figcaption>\(name): \(process.start.grouped) at first, at most \(process.peak.grouped)"
        svg += process.exited ? ", exited" : ", now \(process.now.grouped)"
        if let trend = process.trend { svg += ", \(Answer.perMinute(trend.perMinute))" }
        if limit > 0, !showsLimit { svg += "; the limit, \(limit.grouped), is far above" }
        svg += "</figcaption><svg viewBox=\"0 0 \(width) \(height)\" role=img aria-label=\"VMAs of \(name) over time\">"
        svg += "<path class=axis d=\"M\(left) \(top)V\(height - bottom)H\(width)\"/>"
        for count in [0, high / 2, high * 10 / 11] {
            svg += "<path class=grid d=\"M\(left) \(y(count))H\(width)\"/>"
            svg += "<text x=\(left - 6) y=\(y(count) + 6) text-anchor=end>\(count.grouped)</text>"
        }
        if showsLimit {
            svg += "<path class=limit d=\"M\(left) \(y(limit))H\(width)\"/>"
            svg += "<text class=limit x=\(left + 6) y=\(y(limit) - 4)>limit \(limit.grouped)</text>"
        }
        svg += "<path class=line d=\"\(path)\"/>"
        svg += "<text x=\(left) y=\(height - 6)>\(seconds(begin, report))</text>"
        svg += "<text x=\(width) y=\(height - 6) text-anchor=end>\(seconds(begin &+ span, report))</text></svg></figure>\n"
        return svg
    }

    /// `1.25 s`: seconds since the start of the observation.
    private static func seconds(_ time: UInt64, _ report: Report) -> String {
        let hundredths = time > report.startTime ? (time - report.startTime) / 10_000_000 : 0
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) s"
    }
}

import Foundation
import Testing

@testable import VMACore
@testable import VMAReport

/// The table of metrics in docs/system.md against what a scrape has: names, types, labels, and HELP, word for word.
@Suite("the table of metrics")
struct MetricsTableTests {
    private struct Metric: Equatable, CustomStringConvertible {
        var type: String
        var labels: Set<String>
        var help: String

        /// As a row of the table, after the name.
        var description: String { "\(type) | \(labels.sorted().map { "`\($0)`" }.joined(separator: ", ")) | \(help)" }
    }

    /// An interval in which everything is known.
    private static var page: String {
        var flow = SystemSample.flow
        flow.total.hooked = [.mmap: Flow.Attempts(count: 9, merged: 5)]
        var interval = SystemSample.interval(flow)
        let verdict = Refusal.Verdict(errno: 12, reason: .mapLimit, seen: true)
        interval.refused = [
            Refused(
                image: 0, pid: 7, command: "redis", operation: .mmap, verdict: verdict, count: 2, first: 0, last: 1, stack: [])
        ]
        interval.captures = ([], [:])
        return SystemMetrics.render(SystemSample.host, interval, time: 1000, top: 2)
    }

    private static func scraped(_ page: String) -> [String: Metric] {
        var metrics: [String: Metric] = [:]
        for line in page.split(separator: "\n") {
            if line.hasPrefix("# ") {
                let words = line.split(separator: " ", maxSplits: 3)
                let name = String(words[2])
                if words[1] == "HELP" { metrics[name] = Metric(type: "", labels: [], help: String(words[3])) }
                if words[1] == "TYPE" { metrics[name]?.type = String(words[3]) }
            } else {
                let name = String(line.prefix { $0 != "{" && $0 != " " })
                for found in line.matches(of: /[{,]([a-z_]+)="/) { metrics[name]?.labels.insert(String(found.1)) }
            }
        }
        return metrics
    }

    private static func documented(_ text: String) -> [String: Metric] {
        var metrics: [String: Metric] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("| `vmascope_") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            // A label's values stand in brackets behind it.
            let labels = cells[3].replacing(/\([^)]*\)/, with: "").matches(of: /`([a-z_]+)`/).map { String($0.1) }
            metrics[cells[1].replacing("`", with: "")] = Metric(type: cells[2], labels: Set(labels), help: cells[4])
        }
        return metrics
    }

    @Test("says what a scrape says")
    func table() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let documented = Self.documented(try String(contentsOf: root.appending(path: "docs/system.md"), encoding: .utf8))
        let scraped = Self.scraped(Self.page)
        #expect(scraped.count > 30)
        for (name, metric) in scraped { #expect(documented[name] == metric, "docs/system.md wants: | `\(name)` | \(metric) |") }
        for name in documented.keys { #expect(scraped[name] != nil, "docs/system.md has \(name), which no scrape has") }
    }

    @Test("has a HELP for each metric that can be read alone")
    func help() {
        for (name, metric) in Self.scraped(Self.page) {
            #expect(metric.help.hasSuffix(".") && metric.help.count > 20, "\(name): \(metric.help)")
            for word in ["Of these", "Those ", "That ", "It "] {
                #expect(!metric.help.hasPrefix(word), "\(name): \(metric.help)")
            }
        }
    }
}

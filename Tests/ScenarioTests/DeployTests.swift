import Foundation
import Testing

/// What is in deploy/, tried: rules by promtool, each query of the dashboard by a Prometheus that scrapes vmascope.
@Suite("deploy/", .serialized)
struct DeployTests {
    private static let folder = Repository.root.appendingPathComponent("deploy")

    @Test("rules warn when they should, and not before")
    func rules() throws {
        try Shell.must("promtool", ["check", "rules", Self.folder.appendingPathComponent("prometheus/rules.yml").path])
        try Shell.must("promtool", ["test", "rules", Self.folder.appendingPathComponent("prometheus/rules-test.yml").path])
    }

    private struct Dashboard: Decodable {
        struct Target: Decodable { var expr: String }
        struct Panel: Decodable {
            var title: String
            var description: String
            var targets: [Target]
        }
        var panels: [Panel]
    }

    @Test("the dashboard asks for metrics that there are, in queries that Prometheus answers")
    func dashboard() throws {
        let file = Self.folder.appendingPathComponent("grafana/vmascope.json")
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: try Data(contentsOf: file))
        #expect(dashboard.panels.count > 8 && dashboard.panels.allSatisfy { !$0.description.isEmpty })
        let (observer, port) = try PrometheusTests().serving("--budget", "100%")
        let rules = Self.folder.appendingPathComponent("prometheus/rules.yml").path
        let prometheus = try PrometheusServer(scraping: port, rules: rules)
        // Rates take two samples; what stands between VMAs takes a sweep.
        try prometheus.process.wait {
            prometheus.ask("count_over_time(vmascope_boundaries[1m]) > 2")?.data.result.isEmpty == false
        }
        for panel in dashboard.panels {
            for target in panel.targets {
                let expression = target.expr.replacingOccurrences(of: "$instance", with: ".*")
                let answer = try #require(prometheus.ask(expression), "\(panel.title): \(expression)")
                #expect(answer.status == "success")
                // Nobody need be near a limit, or be refused, here.
                let mayBeEmpty =
                    expression.contains(" > 0.") || expression.contains("refused") || expression.contains("_estimate")
                #expect(!answer.data.result.isEmpty || mayBeEmpty, "\(panel.title): \(expression)")
            }
        }
        #expect(observer.process.isRunning)
        // The rules are read, and none of them is wrong.
        let state = try #require(prometheus.get("/api/v1/rules"))
        #expect(state.contains("VMAsNearLimit") && !state.contains("\"health\":\"err\""), "\(state)")
    }

    @Test("metrics that rules and the dashboard name are among those that are documented")
    func names() throws {
        let docs = try String(contentsOf: Repository.root.appendingPathComponent("docs/system.md"), encoding: .utf8)
        for file in ["prometheus/rules.yml", "grafana/vmascope.json"] {
            let text = try String(contentsOf: Self.folder.appendingPathComponent(file), encoding: .utf8)
            for match in text.matches(of: #/vmascope_[a-z_]+[a-z]/#) {
                let name = String(match.0)
                let base = name.replacing(#/_(low|high)$/#, with: "")
                #expect(
                    docs.contains("`\(base)`") || docs.contains("`…\(base.split(separator: "_").suffix(1).joined())`")
                        || base.hasSuffix("_recoverable"), "\(file): \(name)")
            }
        }
    }
}

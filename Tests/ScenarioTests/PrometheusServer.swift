import Foundation

/// A Prometheus server that scrapes vmascope every second, and is asked.
struct PrometheusServer {
    struct Answer: Decodable {
        struct Value: Decodable {
            var text: String

            init(from decoder: any Decoder) throws {
                var list = try decoder.unkeyedContainer()
                _ = try list.decode(Double.self)
                text = try list.decode(String.self)
            }
        }
        struct Row: Decodable {
            var metric: [String: String]
            var value: Value
        }
        struct Body: Decodable { var result: [Row] }
        var status: String
        var data: Body
    }

    let process: Victim
    private let folder: TemporaryFolder
    private let port: Int

    /// - Parameters:
    ///   - metrics: the port at which vmascope serves them.
    ///   - rules: the path of a file with rules.
    init(scraping metrics: Int, rules: String? = nil) throws {
        folder = try TemporaryFolder()
        port = Int.random(in: 20_000 ..< 40_000)
        let configuration = """
            global: {scrape_interval: 1s, evaluation_interval: 1s}
            rule_files: [\(rules.map { "'\($0)'" } ?? "")]
            scrape_configs:
              - job_name: vmascope
                static_configs: [{targets: ['127.0.0.1:\(metrics)']}]
            """
        try configuration.write(toFile: folder.path("prometheus.yml"), atomically: true, encoding: .utf8)
        process = try Victim(
            "prometheus",
            [
                "--config.file", folder.path("prometheus.yml"), "--storage.tsdb.path", folder.path("data"),
                "--web.listen-address", "127.0.0.1:\(port)", "--log.level", "warn",
            ])
    }

    func get(_ path: String) -> String? { Client.get(port, path) }

    /// Nil while it does not answer.
    func ask(_ expression: String) -> Answer? {
        let escaped = expression.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
        guard let body = get("/api/v1/query?query=\(escaped)"), let start = body.firstIndex(of: "{"),
            let end = body.lastIndex(of: "}")
        else { return nil }
        return try? JSONDecoder().decode(Answer.self, from: Data(body[start ... end].utf8))
    }
}

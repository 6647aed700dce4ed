import Foundation

/// An interval as its readers see it: `vmascope.system.v1`.
struct SystemFile: Decodable, Sendable {
    struct Boundaries: Decodable, Sendable {
        var total: Int
        var blocked_by: [String: Int]
        var recoverable: Int
        var age_seconds: Double
    }
    struct Process: Decodable, Sendable {
        struct Count: Decodable, Sendable {
            var start: Int
            var now: Int
            var peak: Int
            var limit: Int
        }
        var pid: Int
        var namespace_pid: Int
        var comm: String
        var uid: Int
        var cgroup: String?
        var threads: Int
        var exited: Bool
        var vmas: Count
        var growth_per_minute: Double?
        var seconds_to_limit: Double?
        var boundaries: Boundaries?
        var near_limit: Bool?
    }
    struct Total: Decodable, Sendable {
        var processes: Int
        var vmas: Int
        var near_limit: Int
        var warnings: Int
        var swept: Int
        var boundaries: Boundaries?
    }
    struct Capture: Decodable, Sendable {
        var pid: Int
        var reason: String
        var file: String
        var complete: Bool?
        var failure: String?
    }
    struct Host: Decodable, Sendable { var stock: String }
    struct Others: Decodable, Sendable {
        var processes: Int
        var vmas: Int
    }
    struct Estimate: Decodable, Sendable {
        var estimate: Double
        var low: Double
        var high: Double
    }
    struct Sums: Decodable, Sendable {
        struct Miss: Decodable, Sendable {
            var op: String
            var blockers: [String]
            var missed: Estimate
        }
        struct Attempts: Decodable, Sendable {
            var attempts: Int
            var merged: Int?
        }
        var sections: [String: [String: Int]]
        var counted: [String: Attempts]?
        var told: Int
        var attempts: Estimate?
        var missed: Estimate?
        var missed_by: [Miss]

        func sections(_ operations: String...) -> Int {
            operations.reduce(0) { $0 + (sections[$1]?.values.reduce(0, +) ?? 0) }
        }
    }
    struct Flow: Decodable, Sendable {
        struct Agreement: Decodable, Sendable {
            var checked: Int
            var unexplained: Int
            var unjudged: Int
        }
        struct Events: Decodable, Sendable {
            var lost: Int
        }
        struct Range: Decodable, Sendable {
            var least: Int
            var most: Int
        }
        var events: Events
        var sample_one_in: Range
        var agreement: Agreement
        var layout_audit: ReportFile.Audit
        var watched: Double
        var sampled: Double
        var total: Sums
    }
    struct Own: Decodable, Sendable {
        var cpu_seconds: Double
        var cpu_percent: Double
        var budget_percent: Double
        var resident_bytes: Int
    }

    var schema: String
    var host: Host
    var interval: Int
    var seconds: Double
    var limit: Int
    var total: Total
    var processes: [Process]
    var others: Others
    var own: Own
    var captures: [Capture]?

    /// One of each line.
    static func all(_ text: String) throws -> [SystemFile] {
        try text.split(separator: "\n").map {
            try JSONDecoder().decode(SystemFile.self, from: Data(try Schema.valid(String($0), "system").utf8))
        }
    }

    func process(_ pid: String) -> Process? { processes.first { "\($0.pid)" == pid } }
}

/// The report at the end.
struct SystemReportFile: Decodable, Sendable {
    struct Host: Decodable, Sendable { var source: String? }
    struct Totals: Decodable, Sendable {
        var attempts: Int?
        var merged: Int?
    }
    struct System: Decodable, Sendable {
        var flow: SystemFile.Flow?
        var own: SystemFile.Own
    }
    var schema: String
    var host: Host
    var totals: Totals
    var system: System
    var processes: [SystemFile.Process]

    init(_ json: String) throws {
        self = try JSONDecoder().decode(SystemReportFile.self, from: Data(try Schema.valid(json, "report").utf8))
    }
}

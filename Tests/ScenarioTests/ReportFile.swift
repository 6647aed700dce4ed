import Foundation

/// A report as its readers see it: `vmascope.report.v1`.
struct ReportFile: Decodable, Sendable {
    struct Host: Decodable, Sendable {
        var kernel: String
        var source: String
        var merge_rules: String
    }
    struct Events: Decodable, Sendable {
        var received: Int
        var lost: Int
    }
    struct Agreement: Decodable, Sendable {
        var checked: Int
        var agreed: Int
        var unexplained: Int
    }
    struct Audit: Decodable, Sendable {
        var checked: Int
        var equal: Int
        var resynced: Int
    }
    struct Totals: Decodable, Sendable {
        var attempts: Int
        var merged: Int
        var missed: Int
        var missed_by: [String: Int]
        var what_if: [String: Int]
    }
    struct Process: Decodable, Sendable {
        struct Boundaries: Decodable, Sendable {
            var total: Int
            var blocked_by: [String: Int]
            var recoverable: Int
            var what_if: [String: Int]
        }
        struct Count: Decodable, Sendable {
            var start: Int
            var now: Int
            var peak: Int
            var limit: Int?
        }
        var pid: Int
        var comm: String
        var vmas: Count
        var attempts: Int
        var merged: Int
        var missed: Int
        var missed_by: [String: Int]
        var what_if: [String: Int]
        var boundaries: Boundaries
        var gaps: Gaps
    }
    struct Gaps: Decodable, Sendable { var total: Int }
    struct VMA: Decodable, Sendable {
        var start: String
        var end: String
        var prot: String
        var flags: [String]
        var pgoff: UInt64
        var anon_vma: Int?
        var file: String?
        var name: String?

        var address: UInt64 { UInt64(start.dropFirst(2), radix: 16) ?? 0 }
    }
    struct Miss: Decodable, Sendable {
        struct Example: Decodable, Sendable {
            var time: Double
            var proposed: VMA
            var prev: VMA?
            var next: VMA?
        }
        var pid: Int
        var op: String
        var side: String
        var blockers: [String]
        var detail: String?
        var count: Int
        var what_if: String?
        var example: Example
        var stack: [String]
    }

    struct Standing: Decodable, Sendable {
        struct Example: Decodable, Sendable {
            var left: VMA
            var right: VMA
        }
        var kind: String
        var pid: Int
        var blockers: [String]
        var what_if: String?
        var what_if_by: String?
        var count: Int
        var example: Example
    }

    var schema: String
    var host: Host
    var events: Events
    var agreement: Agreement
    var layout_audit: Audit
    var totals: Totals
    var processes: [Process]
    var missed: [Miss]
    var standing: [Standing]

    init(_ json: String) throws {
        self = try JSONDecoder().decode(ReportFile.self, from: Data(try Schema.valid(json, "report").utf8))
    }

    /// What must hold of every report that is to be trusted, in words where it does not.
    var doubts: [String] {
        var doubts: [String] = []
        func demand(_ holds: Bool, _ text: String) { if !holds { doubts.append(text) } }
        demand(events.lost == 0, "\(events.lost) events lost")
        demand(agreement.unexplained == 0, "\(agreement.unexplained) attempts unexplained")
        demand(agreement.agreed + agreement.unexplained == agreement.checked, "agreement does not add up")
        demand(agreement.checked == totals.attempts, "\(agreement.checked) of \(totals.attempts) attempts checked")
        demand(layout_audit.checked > 0, "no layout compared")
        demand(layout_audit.equal == layout_audit.checked, "\(layout_audit.equal) of \(layout_audit.checked) layouts equal")
        demand(layout_audit.resynced == 0, "\(layout_audit.resynced) layouts read anew")

        demand(processes.reduce(0) { $0 + $1.attempts } == totals.attempts, "attempts do not add up")
        demand(processes.reduce(0) { $0 + $1.merged } == totals.merged, "merged does not add up")
        demand(processes.reduce(0) { $0 + $1.missed } == totals.missed, "missed does not add up")
        demand(missed.reduce(0) { $0 + $1.count } == totals.missed, "counts of misses do not add up")
        demand(totals.missed_by.values.reduce(0, +) == totals.missed, "missed_by does not add up")
        for (key, count) in totals.missed_by {
            demand(processes.reduce(0) { $0 + ($1.missed_by[key] ?? 0) } == count, "missed_by \(key) does not add up")
            let rows = missed.filter { $0.blockers.joined(separator: "+") == key }
            demand(rows.reduce(0) { $0 + $1.count } == count, "rows of \(key) do not add up")
        }
        func standing(_ kind: String) -> Int { self.standing.reduce(0) { $0 + ($1.kind == kind ? $1.count : 0) } }
        demand(processes.reduce(0) { $0 + $1.boundaries.total } == standing("boundary"), "boundaries do not add up")
        demand(processes.reduce(0) { $0 + $1.gaps.total } == standing("gap"), "gaps do not add up")
        for (key, count) in totals.what_if {
            demand(processes.reduce(0) { $0 + ($1.what_if[key] ?? 0) } == count, "what_if \(key) does not add up")
        }
        for process in processes {
            let whatIf = process.boundaries.what_if
            demand(whatIf["recoverable"] == process.boundaries.recoverable, "recoverable boundaries are two numbers")
            let headlines = ["pgoff", "anon_vma", "pgoff+anon_vma"].map { process.boundaries.blocked_by[$0] ?? 0 }
            demand(whatIf.values.reduce(0, +) == headlines.reduce(0, +), "what_if of boundaries does not add up")
        }
        return doubts
    }
}

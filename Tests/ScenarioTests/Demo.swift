import Foundation

/// demo/workload.c and what its report has to show.
enum Demo {
    static func compile(_ path: String) throws {
        try Shell.must(
            "clang", "-static", "-O1", "-g", "-fno-omit-frame-pointer", "-o", path,
            Repository.root.appendingPathComponent("demo/workload.c").path)
    }

    private struct Promise {
        var op: String
        var blockers: [String]
        var detail: String?
        var caller: String
    }

    private static let promises = [
        Promise(op: "mremap", blockers: ["pgoff"], caller: "compact_arena"),
        Promise(op: "mmap", blockers: ["anon_vma"], caller: "fill_hole"),
        Promise(op: "mprotect", blockers: ["anon_vma"], caller: "drop_guard"),
        Promise(op: "mremap", blockers: ["pgoff", "anon_vma"], caller: "append_buffer"),
        Promise(op: "mmap", blockers: ["flags"], detail: "VM_DONTDUMP", caller: "map_behind"),
        Promise(op: "mmap", blockers: ["flags"], detail: "VM_ACCOUNT VM_NORESERVE", caller: "map_without_reserve"),
    ]

    /// What is not as promised, in words.
    static func complaints(_ report: ReportFile) -> [String] {
        var complaints = report.doubts
        for promise in promises {
            let found = report.missed.contains {
                $0.op == promise.op && $0.blockers == promise.blockers && $0.detail == promise.detail
                    && $0.stack.first { !$0.hasSuffix(" (inlined)") } == promise.caller && $0.stack.contains("main")
                    && ($0.side == "prev" ? $0.example.prev : $0.example.next) != nil
            }
            if !found { complaints.append("no miss of \(promise.op) by \(promise.blockers) from \(promise.caller)") }
        }
        if report.totals.merged < 100 { complaints.append("only \(report.totals.merged) merges") }
        return complaints
    }
}

/// `vmascope.doctor.v1`.
struct DoctorFile: Decodable, Sendable {
    struct Point: Decodable, Sendable {
        var name: String
        var kind: String
        var usable: Bool
        var why: String?
    }
    struct Source: Decodable, Sendable {
        var usable: Bool
        var why: String?
        var attach_points: [Point]
    }
    var schema: String
    var kernel: String
    var sources: [String: Source]
    var capabilities: [String: Bool]

    init(_ json: String) throws {
        self = try JSONDecoder().decode(DoctorFile.self, from: Data(try Schema.valid(json, "doctor").utf8))
    }
}

/// `vmascope.layout.v1`.
struct LayoutFile: Decodable, Sendable {
    struct Boundary: Decodable, Sendable {
        var index: Int
        var blockers: [String]
        var detail: String?
        var what_if: String?
    }
    var schema: String
    var pid: Int
    var comm: String
    var vmas: [ReportFile.VMA]
    var boundaries: [Boundary]

    init(_ json: String) throws {
        self = try JSONDecoder().decode(LayoutFile.self, from: Data(try Schema.valid(json, "layout").utf8))
    }
}

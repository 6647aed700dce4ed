import Foundation
import Testing
import VMACore

@testable import VMAReport

@Suite("JSON")
struct JSONTests {
    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private func keys(_ value: Any?) -> Set<String> { Set((value as? [String: Any] ?? [:]).keys) }

    @Test("a report has the promised keys and no others")
    func reportKeys() throws {
        let text = Sample.render("json")
        #expect(text.hasSuffix("}\n") && !text.hasSuffix("\n\n"))
        let report = try object(text)
        #expect(
            keys(report) == [
                "schema", "tool", "host", "window", "events", "agreement", "layout_audit", "totals", "refused", "processes",
                "missed",
                "standing", "standing_at_peak", "folded", "remedies", "answer",
            ])
        #expect(keys(report["folded"]) == ["missed", "standing", "standing_at_peak", "refused", "processes"])
        #expect(
            keys(report["answer"]) == [
                "pid", "image", "at_peak", "near", "filled_by", "left_by", "what_to_do", "meanwhile", "remedy", "trust",
            ])
        #expect(report["schema"] as? String == "vmascope.report.v1")
        #expect(keys(report["tool"]) == ["version"])
        #expect(keys(report["host"]) == ["kernel", "source", "merge_rules"])
        #expect(keys(report["window"]) == ["started", "seconds"])
        #expect(keys(report["events"]) == ["received", "lost", "sample_one_in"])
        #expect(keys(report["agreement"]) == ["checked", "agreed", "unexplained", "unjudged", "unjudged_by"])
        #expect(keys(report["layout_audit"]) == ["checked", "equal", "resynced"])
        #expect(
            keys(report["totals"]) == [
                "attempts", "merged", "missed", "missed_by", "what_if", "what_if_by_proposal", "gain", "other_stacks", "refused",
            ])

        let process = try #require((report["processes"] as? [[String: Any]])?.first)
        #expect(
            keys(process) == [
                "pid", "image", "comm", "vmas", "growth_per_minute", "growth_observed_seconds", "exited", "seconds_to_limit",
                "attempts",
                "merged", "missed", "missed_by",
                "what_if", "what_if_by_proposal", "gain", "refused", "boundaries", "gaps", "peak",
            ])
        #expect(keys(process["peak"]).isSuperset(of: ["vmas", "at", "boundaries", "gaps"]))
        #expect(keys(process["gaps"]) == ["total"])
        #expect(keys(process["vmas"]) == ["start", "now", "peak", "limit"])
        #expect(keys(process["boundaries"]) == ["total", "blocked_by", "recoverable", "what_if", "what_if_by_proposal"])

        let miss = try #require((report["missed"] as? [[String: Any]])?.first)
        #expect(
            keys(miss) == [
                "pid", "image", "op", "side", "blockers", "detail", "count", "what_if", "what_if_why", "what_if_by_proposal",
                "example",
                "stack", "stack_complete",
            ])
        let example = try #require(miss["example"] as? [String: Any])
        #expect(keys(example) == ["time", "proposed", "prev", "next"])
        #expect(keys(example["proposed"]) == ["start", "end", "prot", "flags", "pgoff", "anon_vma", "file", "name"])
        #expect(example["next"] is NSNull)

        let row = try #require((report["standing"] as? [[String: Any]])?.first)
        #expect(
            keys(row) == [
                "kind", "pid", "image", "op", "blockers", "detail", "left_only", "right_only", "what_if", "what_if_by",
                "what_if_when",
                "what_if_why", "what_if_now", "what_if_by_proposal", "count", "remedy", "example", "stack", "stack_complete",
            ])
        #expect(keys(row["example"]) == ["left", "right"])
    }

    @Test("growth is null without a trend, and what stands adds up to the boundaries")
    func standing() throws {
        let resting = try object(Sample.render("json"))
        for process in try #require(resting["processes"] as? [[String: Any]]) {
            #expect(process["growth_per_minute"] is NSNull && process["seconds_to_limit"] is NSNull)
        }
        let report = try object(Sample.render("json", Sample.report(Sample.growing())))
        let process = try #require((report["processes"] as? [[String: Any]])?.first)
        #expect(abs(try #require(process["growth_per_minute"] as? Double) - 60) < 5)
        #expect(try #require(process["growth_observed_seconds"] as? Double) > 5)
        // Hours away, by what was seen for seconds.
        #expect(process["seconds_to_limit"] is NSNull)
        let rows = try #require(report["standing"] as? [[String: Any]])
        let total = (process["boundaries"] as? [String: Any])?["total"] as? Int
        #expect(rows.reduce(0) { $0 + ($1["count"] as? Int ?? -1) } == total)
        let row = try #require(rows.first { $0["op"] as? String == "mmap" })
        #expect(row["blockers"] as? [String] == ["pgoff", "anon_vma"])
        #expect(row["count"] as? Int == 12)
        #expect(row["stack"] as? [String] == Sample.stack)
        #expect((resting["standing"] as? [[String: Any]])?.first?["op"] is NSNull)
    }

    @Test("the sums hold")
    func sums() throws {
        let report = try object(Sample.render("json"))
        let totals = try #require(report["totals"] as? [String: Any])
        let processes = try #require(report["processes"] as? [[String: Any]])
        let missed = try #require(report["missed"] as? [[String: Any]])
        func sum(_ key: String) -> Int { processes.reduce(0) { $0 + ($1[key] as? Int ?? -1) } }
        #expect(totals["attempts"] as? Int == 6)
        for key in ["attempts", "merged", "missed"] { #expect(sum(key) == totals[key] as? Int) }
        #expect(missed.reduce(0) { $0 + ($1["count"] as? Int ?? -1) } == totals["missed"] as? Int)
        let by = try #require(totals["missed_by"] as? [String: Int])
        #expect(by == ["pgoff": 3, "anon_vma": 0, "pgoff+anon_vma": 1, "flags": 1])
        #expect(totals["what_if"] as? [String: Int] == ["recoverable": 4, "shared": 0, "unknown": 0])
        for key in by.keys {
            let parts = processes.reduce(0) { $0 + (($1["missed_by"] as? [String: Int])?[key] ?? 0) }
            #expect(parts == by[key])
        }
    }

    @Test("values are as promised: hex addresses, small ids, null for unknown, seconds")
    func values() throws {
        let report = try object(Sample.render("json"))
        #expect((report["window"] as? [String: Any])?["seconds"] as? Double == 12.346)
        let miss = try #require((report["missed"] as? [[String: Any]])?.first)
        #expect(miss["count"] as? Int == 3)
        #expect(miss["blockers"] as? [String] == ["pgoff"])
        #expect(miss["op"] as? String == "mremap")
        #expect(miss["side"] as? String == "prev")
        #expect(miss["what_if"] as? String == "recoverable")
        #expect(miss["detail"] is NSNull)
        #expect(miss["stack"] as? [String] == Sample.stack)
        let example = try #require(miss["example"] as? [String: Any])
        #expect(example["time"] as? Double == 1.5)
        let proposed = try #require(example["proposed"] as? [String: Any])
        #expect(proposed["start"] as? String == "0x31000")
        #expect(proposed["prot"] as? String == "rw-p")
        #expect(proposed["pgoff"] as? Int == 0x99)
        #expect(proposed["anon_vma"] as? Int == 1)
        #expect(proposed["file"] is NSNull)
        let flagged = try #require((report["missed"] as? [[String: Any]])?.first { $0["detail"] as? String == "VM_DONTDUMP" })
        let prev = (flagged["example"] as? [String: Any])?["prev"] as? [String: Any]
        #expect(prev?["flags"] as? [String] == ["VM_DONTDUMP"])
        #expect(prev?["anon_vma"] is NSNull)
        #expect(flagged["what_if"] is NSNull)
    }

    @Test("a layout lists every gapless pair")
    func layout() throws {
        let observer = Sample.observer()
        let vmas = [Sample.page(0x10), Sample.page(0x11, pgoff: 0x50), Sample.page(0x12, pgoff: 0x51), Sample.page(0x20)]
        let layout = LayoutReport(
            pid: 7, command: "x", limit: nil, layout: Layout(vmas), judge: observer.judge,
            labels: Labels(files: [:], names: [:]))
        var text = ""
        JSONLayout().render(layout, into: &text)
        let json = try object(text)
        #expect(keys(json) == ["schema", "pid", "comm", "vmas", "boundaries", "gaps", "remedy", "what_to_do"])
        #expect((json["gaps"] as? [String: Any])?["total"] as? Int == 1)
        #expect(json["schema"] as? String == "vmascope.layout.v1")
        #expect((json["vmas"] as? [Any])?.count == 4)
        let boundaries = try #require(json["boundaries"] as? [[String: Any]])
        #expect(boundaries.map { $0["index"] as? Int } == [0, 1])
        #expect(boundaries.map { $0["blockers"] as? [String] } == [["pgoff"], []])
        #expect(keys(boundaries.first) == ["index", "blockers", "detail", "what_if", "what_if_now", "what_if_by_proposal"])
    }

    @Test(
        "strings are escaped as RFC 8259 says",
        arguments: [
            ("plain", "\"plain\""), ("a\"b\\c", "\"a\\\"b\\\\c\""), ("\n\t\r", "\"\\n\\t\\r\""),
            ("\u{1b}[1m\u{0}", "\"\\u001b[1m\\u0000\""),
            ("\u{9b}1m\u{7f}", "\"\\u009b1m\\u007f\""), ("a\u{202e}b\u{2028}", "\"a\\u202eb\\u2028\""),
            ("\u{e0041}", "\"\\udb40\\udc41\""), ("ü≠😀", "\"ü≠😀\""),
        ])
    func escapes(_ plain: String, _ quoted: String) throws {
        #expect(JSONWriter.quoted(plain) == quoted)
        let back = try JSONSerialization.jsonObject(with: Data(quoted.utf8), options: .fragmentsAllowed)
        #expect(back as? String == plain)
    }

    @Test("empty containers and nesting are well formed")
    func containers() throws {
        var json = JSONWriter()
        json.object { json in
            json.object("empty") { _ in }
            json.array("none") { _ in }
            json.array("some") { json in
                json.object { $0.field("a", 1) }
                json.object { _ in }
            }
            json.field("list", [String]())
            json.field("large", UInt64.max)
            json.field("nan", thousandths: .nan)
        }
        let text = json.finish()
        let object = try object(text)
        #expect(keys(object) == ["empty", "none", "some", "list", "large", "nan"])
        #expect(text.contains("18446744073709551615"))
        #expect(object["nan"] is NSNull)
    }
}

@Suite("A report of many processes")
struct BoundedTests {
    @Test("has the most frequent rows one by one, the others by kind, and all of their counts")
    func bounded() {
        var miss = Sample.report().missed[0]
        let rows = (0 ..< 100).map { index in
            miss.count = 100 - index
            miss.blockers = index % 2 == 0 ? .pgoff : .flags
            return miss
        }
        let bounded = Bounded(rows, limit: 10, key: \.blockers) { row, sum in
            var folded = row
            folded.count += sum?.count ?? 0
            return folded
        }
        #expect(bounded.rows.count == 12 && bounded.folded == 90)
        #expect(bounded.rows.map(\.count).reduce(0, +) == rows.map(\.count).reduce(0, +))
        #expect(Bounded(Array(rows.prefix(10)), limit: 10, key: \.blockers) { row, _ in row }.folded == 0)
    }

    @Test("is of a size that can be read")
    func size() {
        var report = Sample.report()
        let (miss, row) = (report.missed[0], report.standing[0])
        for pid in UInt32(1) ... 8000 {
            var (one, other) = (miss, row)
            (one.pid, one.image, other.pid, other.image) = (pid, pid, pid, pid)
            report.missed.append(one)
            report.standing.append(other)
        }
        let text = Sample.render("json", report)
        #expect(text.utf8.count < 12_000_000)
        #expect(text.contains("\"pid\": 0"))
    }
}

import Foundation
import Testing
import VMACore

@testable import VMAReport

@Suite("conditions and comparisons")
struct ComparisonTests {
    private let figures = Figures(Sample.report())

    @Test(
        "a condition holds when all its parts do, and says by which values",
        arguments: [
            ("missed>4", "missed is 5"), ("missed.pgoff >= 3", "missed.pgoff is 3"),
            ("missed.pgoff+anon_vma==1", "missed.pgoff+anon_vma is 1"),
            ("missed.prot<1", "missed.prot is 0"), ("missed>0,lost==0", "missed is 5, lost is 0"),
            ("missed>0 and what_if.recoverable!=0", "missed is 5, what_if.recoverable is 4"),
            ("vmas.now<=3", "vmas.now is 3"), ("boundaries.total==2", "boundaries.total is 2"),
            ("unexplained>-1", "unexplained is 0"),
            ("missed<5.5", "missed is 5"),
        ])
    func holds(_ text: String, _ failure: String) throws { #expect(try Condition(text).failure(figures) == failure) }

    @Test(
        "and does not when one does not, or is not known",
        arguments: [
            "missed>5", "missed.pgoff<3", "missed>0,lost>0", "missed>9 and lost==0", "growth_per_minute>0",
            "growth_per_minute<=0",
            "delta.missed==0",
        ])
    func holdsNot(_ text: String) throws { #expect(try Condition(text).failure(figures) == nil) }

    @Test("a report has the numbers that its JSON has")
    func same() throws {
        for observer in [nil, Sample.growing()] {
            let report = observer.map { Sample.report($0) } ?? Sample.report()
            var json = ""
            JSONReport().render(report, into: &json)
            #expect(try Figures(json) == Figures(report))
        }
    }

    @Test("of growth there is a number where there is a trend")
    func growth() throws {
        let growing = Figures(Sample.report(Sample.growing()))
        #expect(try Condition("growth_per_minute>50").failure(growing) != nil)
        #expect(try Condition("seconds_to_limit>0").failure(growing) == nil, "it is too far off to tell")
    }

    @Test(
        "a bad one is named",
        arguments: [
            ("", "is not a comparison"), ("missed", "'missed'"), ("missed>", "is not a number"), ("missed>x", "'x'"),
            ("missed=1", "'missed=1'"),
            ("mised>0", "no 'mised'"), ("missed.pgof>0", "no 'missed.pgof'"),
            ("missed.anon_vma+pgoff>0", "no 'missed.anon_vma+pgoff'"),
            ("missed.>0", "no 'missed.'"), ("what_if.x>0", "no 'what_if.x'"), ("missed>0,", "is not a comparison"),
            ("missed>0 and", "is not a comparison"), ("missed>nan", "'nan'"), ("missed>inf", "'inf'"),
            ("missed><1", "'missed><1'"),
            ("delta.delta.missed>0", "no 'delta.missed'"), ("boundaries.unexplained>0", "no 'boundaries.unexplained'"),
        ])
    func misuse(_ text: String, _ names: String) {
        #expect { try Condition(text) } throws: { ($0 as? Condition.Misuse)?.message.contains(names) == true }
    }

    @Test("two reports are compared number by number")
    func comparison() throws {
        let before = Figures(Sample.report(Sample.growing()))
        let condition = try Condition("delta.missed>0, delta.vmas.now<0")
        #expect(condition.comparesTwo)
        #expect(condition.failure(figures, since: before) == "delta.missed is 5, delta.vmas.now is -10")
        #expect(condition.failure(before, since: figures) == nil)

        let comparison = Comparison(before: before, after: figures)
        let text = comparison.text(("a\u{1b}.json", "b.json"))
        #expect(text.hasPrefix("before  a\\x1b.json\nafter   b.json\n"))
        let words = text.split { $0.isWhitespace }.joined(separator: " ")
        #expect(words.contains("missed.pgoff 0 3 +3"))
        #expect(words.contains("boundaries.pgoff+anon_vma 12 0 -12"))
        #expect(words.contains("vmas.now 13 3 -10"))
        #expect(words.contains("mremap 0 5 +5"))
        #expect(words.contains("lost 0 0 ="))
        let json = try JSONSerialization.jsonObject(with: Data(comparison.json().utf8)) as? [String: Any]
        let vmas = (json?["vmas"] as? [String: Any])?["vmas.now"] as? [String: Int]
        #expect(vmas == ["before": 13, "after": 3])
    }

    @Test(
        "what is no report is refused",
        arguments: ["", "[]", "{}", "{\"schema\":\"vmascope.layout.v1\"}", "{\"schema\":\"vmascope.report.v1\"}"])
    func noReport(_ text: String) { #expect(throws: Figures.NoReport.self) { try Figures(text) } }
}

@Suite("reading JSON")
struct JSONValueTests {
    @Test("what we write is read back, hostile names, too")
    func own() throws {
        let report = try JSONValue(Sample.render("json", HostileTests.report))
        #expect(report["processes"]?.array?.first?["comm"]?.string == HostileTests.evil)
        #expect(report["totals"]?["attempts"]?.number == 3)
    }

    @Test(
        "every kind of value",
        arguments: [
            ("null", JSONValue.null), (" [ true , false ] ", .array([.bool(true), .bool(false)])), ("-0.5e+2", .number(-50)),
            ("{\"a\":1,\"a\":2}", .object(["a": .number(2)])), ("\"\\u00e9\\ud83d\\ude00\\n\"", .string("é😀\n")),
            ("\"\\ud83d\"", .string("\u{fffd}")), ("{}", .object([:])), ("[]", .array([])),
            ("18446744073709551615", .number(18446744073709551615)),
        ])
    func kinds(_ text: String, _ value: JSONValue) throws { #expect(try JSONValue(text) == value) }

    @Test(
        "what is none is refused",
        arguments: [
            "", " ", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "[1 2]", "1 2", "01", "1.", ".5", "-", "1e", "+1", "nul", "\"",
            "\"\\x\"",
            "\"\\u12g4\"", "\"\u{1}\"", "1e999", "NaN", "\"\\ud83d\\u\"", "tru", "[", "\"\\", "{\"a\":1,}",
        ])
    func damaged(_ text: String) { #expect(throws: JSONValue.Damage.self) { try JSONValue(text) } }

    @Test("deep nesting ends in an error, not in an overflow")
    func depth() throws {
        func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        _ = try JSONValue(nested(JSONValue.depthLimit))
        #expect(throws: JSONValue.Damage.self) { try JSONValue(nested(JSONValue.depthLimit + 1)) }
        #expect(throws: JSONValue.Damage.self) { try JSONValue(String(repeating: "{\"a\":", count: 1_000_000)) }
    }

    @Test("no prefix of a report, and no report with a byte changed, does harm")
    func cut() {
        let bytes = Array(Sample.render("json").utf8)
        for length in stride(from: 0, to: bytes.count - 2, by: 61) {
            #expect(throws: JSONValue.Damage.self) { try JSONValue(String(decoding: bytes[..<length], as: UTF8.self)) }
        }
        for at in stride(from: 0, to: bytes.count, by: 41) {
            var changed = bytes
            changed[at] ^= UInt8(1 << (at % 8))
            _ = try? Figures(String(decoding: changed, as: UTF8.self))
        }
    }
}

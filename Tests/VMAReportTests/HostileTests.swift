import CTestSupport
import Foundation
import Testing
import VMACore

@testable import VMAReport

/// Whatever a process calls itself, its files, its memory and its functions.
@Suite("names from others")
struct HostileTests {
    /// Escape codes of 7 and 8 bits, line ends, changes of direction, invisible marks, markup, and
    /// more than fits.
    static let evil =
        "</script><img src=x onerror='a'>\"&\u{1b}[2J\u{9b}31m\r\n\u{7f}\u{0}\u{202e}\u{2066}\u{2028}\u{feff}-->"
        + String(repeating: "long", count: 40)

    static let report: Report = {
        let model = KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed)
        let observer = Observer(judge: Judge(model), isHooked: true)
        observer.apply(.file(1, path: "/" + evil))
        observer.apply(.name(1, text: evil))
        observer.apply(.adopted(1, tgid: 100, command: evil))
        observer.apply(.frames(1, 7, Array(repeating: evil, count: 3)))
        var named = Sample.page(0x10, anonVMA: 1)
        named.name = 1
        var file = Sample.page(0x11, anonVMA: 1)
        (file.file, file.flags) = (1, Sample.readWrite.union([.locked, .dontDump, .account, .dontCopy]))
        observer.apply(.snapshot(1, [named, file, Sample.page(0x12, pgoff: 0x7f00_0000_0000, anonVMA: 3)], asOf: 1_000_000_000))
        Sample.attempt(observer, mm: 1, Sample.page(0x31, pgoff: 0x7f00_0000_0000, anonVMA: 2), before: named)
        Sample.attempt(observer, mm: 1, file, before: Sample.page(0x10))
        observer.apply(.settled)
        // Disagreements and differences hold names, too.
        Sample.attempt(observer, mm: 1, Sample.page(0x31, pgoff: 0x99), before: Sample.page(0x30), merges: true)
        observer.apply(.compared(1, [named, file, Sample.page(0x12, pgoff: 0x77)]))
        return Sample.report(observer)
    }()

    private func unseen(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { $0 != "\n" && Fit.isUnseen($0) }
    }

    @Test("neither steer a terminal nor hide a character, in any format", arguments: ReportFormats.textNames)
    func formats(_ format: String) {
        for weight in Weight.allCases {
            var text = ""
            ReportFormats.named(format, colour: false, weight: weight)?.render(Self.report, into: &text)
            #expect(text.contains("onerror") || text.contains("&lt;img"))
            #expect(unseen(text).isEmpty)
        }
    }

    @Test("nor with a layout")
    func layouts() {
        let process = Self.report.processes[0]
        let layout = LayoutReport(
            pid: 1, command: process.command, limit: 1, layout: process.layout, judge: Self.report.judge,
            labels: Self.report.labels)
        var text = ""
        TextLayout(colour: false).render(layout, into: &text)
        JSONLayout().render(layout, into: &text)
        #expect(text.contains("onerror") && unseen(text).isEmpty)
    }

    @Test("a text report fits 100 columns whatever they are, its colours aside")
    func width() {
        for colour in [false, true] {
            let text = Sample.render("text", Self.report, colour: colour)
                .replacingOccurrences(of: "\u{1b}\\[[0-9]*m", with: "", options: .regularExpression)
            for line in text.split(separator: "\n") { #expect(line.count <= 100, "\(line.count): \(line)") }
            #expect(text.contains("…"))
        }
    }

    @Test("JSON keeps them as they are")
    func json() throws {
        let text = Sample.render("json", Self.report)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let process = try #require((object["processes"] as? [[String: Any]])?.first)
        #expect(process["comm"] as? String == Self.evil)
    }

    @Test("HTML has no element, attribute or end of script of theirs")
    func html() throws {
        let text = Sample.render("html", Self.report)
        #expect(!text.contains("<img"))
        #expect(text.components(separatedBy: "</script").count == 3)
        #expect(text.components(separatedBy: "<script").count == 3)
        let data = try #require(text.components(separatedBy: "id=data>").last?.components(separatedBy: "</script>").first)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any])
        let strings = try #require(object["strings"] as? [String])
        #expect(strings.contains { $0.hasPrefix("</script><img src=x onerror='a'>\"&\\x1b[2J") })
        #expect(!data.contains("<"))
    }

    @Test(
        "are spelt out, and what is only foreign stays",
        arguments: [
            ("plain", "plain"), ("ü≠😀日本", "ü≠😀日本"), ("\u{1b}[1m", "\\x1b[1m"), ("\u{9b}\u{7f}\t", "\\x9b\\x7f\\x09"),
            ("a\u{202e}b\u{200d}", "a\\u{202e}b\\u{200d}"), ("\u{2028}", "\\u{2028}"),
            ("sshd\u{3164}\u{fe0f}", "sshd\\u{3164}\\u{fe0f}"), ("e\u{301}\u{323}", "e\u{301}\u{323}"),
            ("a" + String(repeating: "\u{301}", count: 6) + "b", "a\u{301}\u{301}\u{301}\u{301}\\u{301}\\u{301}b"),
        ])
    func printable(_ text: String, _ shown: String) { #expect(Fit.printable(text) == shown) }

    @Test("take as many columns as the C library says")
    func columns() {
        var (all, different) = (0, 0)
        for value in 0x20 ... 0x3fffd as ClosedRange<UInt32> {
            guard let scalar = Unicode.Scalar(value), !Fit.isUnseen(scalar), scalar.properties.age != nil else { continue }
            let width = tests_columns(value)
            guard width >= 0 else { continue }
            all += 1
            if String(scalar).columns != Int(width) { different += 1 }
        }
        // They are not of the same version of Unicode.
        #expect(all > 100_000 && different < all / 500, "\(different) of \(all)")
        #expect("plain".columns == 5 && "".columns == 0 && "日本".columns == 4 && "ab".padded(4) == "ab  ")
        var table = TextTable(["a", "b"], right: [])
        table.add(["日本", "x"])
        table.add(["abc", "x"])
        #expect(table.lines == ["a     b", "日本  x", "abc   x"])
    }

    @Test("are shortened in the middle, lists at their end, and text is broken at spaces")
    func fitting() {
        #expect(Fit.middle("/usr/lib/libc.so", 9) == "/usr…c.so")
        #expect(Fit.middle("short", 5) == "short")
        #expect(Fit.middle("long", 1) == "…" && Fit.middle("long", 0) == "")
        #expect(Fit.end("one, two", 5) == "one,…")
        #expect(Fit.end("日本語のファイル", 9) == "日本語の…" && Fit.end("日本語", 6) == "日本語")
        #expect(Fit.middle("日本語のファイル", 8) == "日…イル" && "ｆ".columns == 2 && "e\u{301}\u{323}".columns == 1)
        #expect(Fit.wrap("one two three", 7) == ["one two", "three"])
        #expect(Fit.wrap("a enormous b", 6) == ["a", "en…ous", "b"])
        #expect(Fit.wrap("", 6) == [])
    }
}

import Foundation
import Testing
import VMACore

@testable import VMAReport

@Suite("text for people")
struct TextTests {
    @Test("there is a renderer for each format, and none for others")
    func formats() {
        #expect(ReportFormats.names == ["text", "json", "html", "folded", "pprof", "perfetto"])
        for name in ReportFormats.textNames { #expect(!Sample.render(name).isEmpty) }
        #expect(ReportFormats.named("yaml", colour: false) == nil)
    }

    @Test("a miss shows count, op, side, both VMAs, what differs between them, and the stack")
    func miss() {
        let text = Sample.render("text")
        #expect(text.contains("3×  pgoff  mremap, prev side, recoverable  worker1[100]"))
        #expect(text.contains("prev      0x30000-0x31000  rw-p  pgoff 0x30  anon_vma 1"))
        #expect(text.contains("pgoff: pgoff 0x31 would continue, it is 0x99"))
        #expect(text.contains("proposed  0x31000-0x32000"))
        #expect(text.contains("by        fill_hole ← main"))
        #expect(text.contains("flags: VM_DONTDUMP"))
        #expect(text.contains("pgoff+anon_vma: pgoff 0x31 would continue, it is 0x99; anon_vma 1 beside 2"))
        #expect(text.contains("6 merge attempts, 1 merged; 5 sides missed\nmerged by mremap 1\n"))
    }

    @Test("what the kernel's limits caused comes before what is more frequent but wanted")
    func order() throws {
        let observer = Sample.observer()
        var other = Sample.page(0x30)
        other.flags.remove(.write)
        for _ in 1 ... 9 { Sample.attempt(observer, mm: 1, Sample.page(0x31), before: other) }
        let text = Sample.render("text", Sample.report(observer))
        let pgoff = try #require(text.range(of: "3×  pgoff"))
        let wanted = try #require(text.range(of: "9×  prot"))
        #expect(pgoff.lowerBound < wanted.lowerBound)
    }

    @Test("escape codes only where colour is wanted, and never from a name of the process's")
    func escapeCodes() {
        let observer = Sample.observer()
        var file = Sample.page(0x30)
        file.file = 1
        Sample.attempt(observer, mm: 1, Sample.page(0x31), before: file)
        let report = Sample.report(observer)
        let plain = Sample.render("text", report)
        #expect(plain.contains("\\x1b[31mred"))
        #expect(!plain.contains("\u{1b}"))
        #expect(Sample.render("text", report, colour: true).contains("\u{1b}[31m─────────  pgoff:"))
    }

    @Test("a disagreement, a loss and a difference are printed")
    func distrust() {
        let observer = Sample.observer()
        // The rules forbid this one, and yet the kernel merges.
        Sample.attempt(observer, mm: 1, Sample.page(0x31, pgoff: 0x99), before: Sample.page(0x30), merges: true)
        observer.apply(.compared(2, [Sample.page(0x70)]))
        observer.apply(.settled)
        observer.apply(.lost(42))
        let report = Sample.render("text", Sample.report(observer))
        #expect(report.contains("\ntrust       not fully: 1 of 7 attempts unexplained, 42 events lost, 1 of 3 layouts not"))
        // However it is broken into lines.
        let text = report.split { $0.isWhitespace }.joined(separator: " ")
        #expect(text.contains("1 unexplained: this kernel has a rule that vmascope does not know"))
        #expect(text.contains("worker1[100] mremap: predicted prev apart, next apart; the kernel: prev merged"))
        #expect(text.contains("42 lost"))
        #expect(text.contains("in 2 of 3 comparisons"))
        #expect(text.contains("worker2[200] model"))
    }

    @Test("no attempts and no misses are said in words")
    func nothing() {
        let model = KernelModel(anonVMARule: .neighbour, hole: .next, close: .any)
        let empty = Observer(judge: Judge(model), isHooked: true)
        #expect(Sample.render("text", Sample.report(empty)).contains("no merge attempts were seen"))
        #expect(Sample.render("folded", Sample.report(empty)).isEmpty)
    }

    @Test("folded lines are one stack each, root first, and end in a count, of misses or of what stands")
    func folded() {
        let lines = Sample.render("folded").split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines.first == "worker1;a_b_c;main;fill_hole;[mremap prev pgoff] 3")
        var text = ""
        ReportFormats.named("folded", colour: false, weight: .boundaries)?
            .render(Sample.report(Sample.growing()), into: &text)
        #expect(text == "growing;a_b_c;main;fill_hole;[mmap pgoff+anon_vma] 12\n")
        // A mark that combines with a semicolon hides it from people only.
        let evil = Sample.render("folded", Sample.report(Sample.growing(command: "a;\u{301}b")))
        #expect(!evil.contains("a;"))
    }

    @Test("a layout shows a seam between touching VMAs and nothing across a gap")
    func layout() {
        let vmas = [Sample.page(0x10, anonVMA: 1), Sample.page(0x11, anonVMA: 2), Sample.page(0x20), Sample.page(0x21)]
        let report = LayoutReport(
            pid: 7, command: "x", limit: 100, layout: Layout(vmas), judge: Sample.observer().judge,
            labels: Labels(files: [:], names: [:]))
        var text = ""
        TextLayout(colour: false).render(report, into: &text)
        #expect(text.contains("x[7]: 4 VMAs of at most 100, 2 boundaries"))
        #expect(text.contains("─── anon_vma: anon_vma 1 beside 2"))
        #expect(text.contains("─── mergeable, but nothing has tried"))
        #expect(text.components(separatedBy: "───").count == 3)
        #expect(text.contains("1 boundary would go if pgoff and anon_vma were no limits"))
    }

    @Test("a layout says what would go, what would stay because it is shared, and of what nobody could tell")
    func sharing() {
        var shared = [Sample.page(0x11, anonVMA: 2), Sample.page(0x12, anonVMA: 3)]
        for index in shared.indices { shared[index].traits = .anonKnown }  // inherited
        let vmas = [Sample.page(0x10, anonVMA: 1)] + shared + [Sample.page(0x13, anonVMA: 4), Sample.page(0x14, anonVMA: 5)]
        let report = LayoutReport(
            pid: 7, command: "x", limit: 100, layout: Layout(vmas), judge: Sample.observer().judge,
            labels: Labels(files: [:], names: [:]))
        var text = ""
        TextLayout(colour: false).render(report, into: &text)
        #expect(text.contains("1 boundary would go if pgoff and anon_vma were no limits: 4 VMAs in place of 5\n"))
        #expect(text.contains("─── anon_vma: anon_vma 2 beside 3 (shared)\n"))
        #expect(text.contains("─── anon_vma: anon_vma 1 beside 2 (unknown)\n"))
        #expect(text.contains("\n1 would stay: another process shares the memory\n"))
        #expect(text.contains("\nof 2 it depends on which of the two is changed: one of them is shared\n"))
    }

    @Test(
        "figures are grouped in threes",
        arguments: [
            (0, "0"), (999, "999"), (1000, "1,000"), (65530, "65,530"), (1_234_567, "1,234,567"), (-1000, "-1,000"),
        ])
    func grouping(_ number: Int, _ text: String) { #expect(number.grouped == text) }
}

@Suite("explain")
struct ExplainTests {
    @Test("every blocker is explained, with the function that refuses and a remedy", arguments: MergeRules.table.map(\.slug))
    func each(_ slug: String) throws {
        let text = try #require(Explain.one(slug))
        let rule = try #require(MergeRules.rule(slug: slug))
        #expect(text.hasPrefix("\(slug) (\(rule.group.rawValue))"))
        #expect(text.contains(rule.refusedBy))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 130 })
        #expect(Explain.all().contains(rule.meaning))
    }

    @Test("an unknown one is not")
    func unknown() { #expect(Explain.one("nonsense") == nil) }

    @Test("docs/merge-rules.md is what the table prints")
    func page() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/merge-rules.md").standardizedFileURL
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text == Explain.markdown(), "stale: vmascope explain --markdown > docs/merge-rules.md")
    }
}

import Testing
import VMACore

@testable import VMAReport

@Suite("the answer in five lines")
struct AnswerTests {
    private func lines(_ report: Report) -> [Substring] {
        Sample.render("text", report).split(separator: "\n", omittingEmptySubsequences: false)
    }

    @Test("says how near, filled by what, left by whom, what to do, and how far to trust it")
    func growing() {
        let lines = lines(Sample.report(Sample.growing()))
        #expect(lines[0] == "vmascope    growing[100] has 13 of 65,530 VMAs (0%), +59 a minute: ENOMEM in 18 h")
        #expect(lines[1] == "filled by   12 boundaries: 12 pgoff+anon_vma; 12 recoverable")
        #expect(lines[2] == "left by     mmap by fill_hole ← main: 12 of the 12 pgoff+anon_vma")
        #expect(lines[3] == "what to do  pgoff: \(MergeRules.rule(slug: "pgoff")!.advice)")
        #expect(lines[4] == "trust       the rules explain all 0 attempts, no event lost, no layout compared")
        #expect(lines[5].isEmpty && lines[6].hasPrefix("vmascope 1.2.3 on 6.1.0, source hooks"))
    }

    @Test("of what has exited it says that, and of what rests that it rests")
    func others() {
        let exited = lines(Sample.report(Sample.growing(exits: true)))
        #expect(exited[0] == "vmascope    growing[100] had up to 13 of 65,530 VMAs (0%), and has exited")
        let resting = lines(Sample.report())
        #expect(resting[0] == "vmascope    worker1[100] has 3 of 65,530 VMAs (0%), no steady growth")
        #expect(resting[2] == "left by     what was there before (or exec): 1 of the 1 pgoff")
        var short = Sample.report()
        short.seconds = 2
        #expect(lines(short)[0].hasSuffix(", seen too shortly for a trend"))
        let empty = Observer(judge: Sample.observer().judge, isHooked: true)
        #expect(lines(Sample.report(empty))[0] == "vmascope    no process was seen")
    }

    @Test("the one that comes to the limit first is told of, not the largest")
    func nearest() throws {
        var report = Sample.report(Sample.growing())
        var larger = try #require(report.processes.first)
        (larger.pid, larger.now, larger.trend) = (7, 60000, nil)
        report.processes.insert(larger, at: 0)
        #expect(Answer.nearest(report.processes)?.pid == 100)
        report.processes[1].trend = nil
        #expect(Answer.nearest(report.processes)?.pid == 7)
        report.processes[0].exited = true
        #expect(Answer.nearest(report.processes)?.pid == 100)
    }

    @Test("rare misses of the kernel's limits are called that")
    func rare() {
        let observer = Sample.observer()
        #expect(!Sample.render("text", Sample.report(observer)).contains("which is rare"))
        for _ in 1...500 { Sample.attempt(observer, mm: 2, Sample.page(0x31), before: Sample.page(0x30), merges: true) }
        #expect(Sample.render("text", Sample.report(observer)).contains("which is rare, as in most programs"))
    }

    @Test("an attempt is drawn with its seam")
    func strip() {
        let lines = lines(Sample.report())
        let strip = lines.first { $0.contains("╫") }
        #expect(strip?.contains("├") == true && strip?.contains(" prev 4 KiB ") == true)
        #expect(strip?.contains("╫─") == true && strip?.contains(" proposed 4 KiB ") == true)
        let ruler = lines[lines.firstIndex { $0.contains("╫") }! - 1]
        #expect(ruler.contains("0x30000 ") && ruler.hasSuffix("0x31000"))
        // The address stands over the seam that it is of.
        #expect(ruler.count - "0x31000".count == strip!.prefix { $0 != "╫" }.count)
    }

    @Test("each remedy begins with what to do, short enough for its line", arguments: MergeRules.table.map(\.slug))
    func advice(_ slug: String) throws {
        let rule = try #require(MergeRules.rule(slug: slug))
        #expect(rule.remedy.hasPrefix(rule.advice) && rule.advice.hasSuffix("."))
        #expect("what to do  \(slug): \(rule.advice)".count <= 100)
    }
}

import Testing

@testable import VMACore

@Suite("Open write sections")
struct OpenSectionsTests {
    private func rows(_ reason: Rows.Reason, tid: UInt32, _ picture: String) -> Rows {
        Rows(Origin(time: 1, mm: 1, tgid: 1, tid: tid), pages(0, picture.count), reason, truncated: false, Drawing(picture).vmas)
    }

    private func end(_ sections: inout OpenSections, of thread: UInt32) -> [Int] {
        var seen: [Int] = []
        sections.end(of: thread) { seen = [$0.hasBegun ? 1 : 0, $0.before.count, $0.after.count] }
        return seen
    }

    @Test("are each thread's own")
    func threads() {
        var sections = OpenSections()
        sections.take(rows(.before, tid: 7, "A.B"))
        sections.take(rows(.before, tid: 8, "ABC"))
        sections.take(rows(.after, tid: 7, "AAA"))
        #expect(end(&sections, of: 8) == [1, 3, 0])
        #expect(end(&sections, of: 7) == [1, 2, 1])
    }

    @Test("begin with nothing of the one before")
    func again() {
        var sections = OpenSections()
        for picture in ["A.B", String(repeating: "A.", count: 100), "AB"] {
            sections.take(rows(.before, tid: 7, picture))
            let count = Drawing(picture).vmas.count
            #expect(end(&sections, of: 7) == [1, count, 0])
            #expect(end(&sections, of: 7) == [0, 0, 0])
        }
    }

    @Test("hold as many rows as the kernel's side sends, and say where more came")
    func cut() {
        var sections = OpenSections()
        let vmas = (0 ..< 66_000).map { VMA(pages($0 * 2, $0 * 2 + 1), pgoff: 0, flags: [.read]) }
        let rows = Rows(Origin(time: 1, mm: 1, tgid: 1, tid: 7), pages(0, 132_000), .after, truncated: false, vmas)
        var seen: [(Int, Bool)] = []
        for count in [2, 3] {
            for _ in 1 ... count { sections.take(rows) }
            sections.end(of: 7) { seen.append(($0.after.count, $0.isCut)) }
        }
        #expect(seen.map(\.0) == [132_000, 132_000] && seen.map(\.1) == [false, true])
    }
}

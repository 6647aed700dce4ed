import Foundation
import Testing
import VMACore

@testable import VMAReport

@Suite("HTML")
struct HTMLTests {
    private let page = Sample.render("html", Sample.report(Sample.growing()))

    private func data(_ page: String) throws -> [String: Any] {
        let text = try #require(page.components(separatedBy: "id=data>").last?.components(separatedBy: "</script>").first)
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test("is one whole document that fetches nothing")
    func document() {
        #expect(page.hasPrefix("<!doctype html>\n") && page.hasSuffix("</html>\n"))
        for id in ["where", "time", "missed", "code", "standing", "whatif", "processes", "trust"] {
            #expect(page.contains("<section id=\(id)>"))
        }
        #expect(page.contains("default-src 'none'"))
        for word in ["http://", "https://", "url(", "@import", " src=", "<link", "<iframe", "fetch("] {
            #expect(!page.contains(word), "\(word)")
        }
        for tag in ["section", "table", "dl", "figure", "svg", "tr", "td", "p", "style"] {
            let opened = page.components(separatedBy: "<\(tag)>").count + page.components(separatedBy: "<\(tag) ").count - 2
            #expect(opened == page.components(separatedBy: "</\(tag)>").count - 1, "\(tag)")
        }
    }

    @Test("says the same as the text does")
    func answer() {
        #expect(page.contains("<h1>growing[100] has 13 of 65,530 VMAs (0%), +59 a minute over 1"))
        #expect(page.contains("<td class=n>13</td><td class=n>1</td>"))
        #expect(page.contains(HTML.escaped(Remedies.table.first { $0.slug == "move-before-touch" }!.reason)))
    }

    @Test("holds every VMA, and what separates each two")
    func layout() throws {
        let data = try data(page)
        let strings = try #require(data["strings"] as? [String])
        let layout = try #require((data["layouts"] as? [[String: Any]])?.first)
        let v = try #require(layout["v"] as? [Int])
        #expect(v.count == 4 * 13)
        #expect(Array(v[0 ..< 2]) == [0x10, 1])
        #expect(strings[v[2]] == "rw-p anonymous")
        #expect(strings[v[3] - 1] == "pgoff+anon_vma")
        #expect(v[4 * 12 + 3] == 0)
        #expect((data["colours"] as? [String])?.count == strings.count)
    }

    @Test("holds the stacks of misses and of what stands, outermost frame first")
    func stacks() throws {
        let data = try data(Sample.render("html"))
        let strings = try #require(data["strings"] as? [String])
        let misses = try #require(data["misses"] as? [[Int]])
        #expect(misses.reduce(0) { $0 + $1[0] } == 5)
        #expect(
            misses[0].dropFirst().map { strings[$0] } == ["mremap prev", "pgoff", "worker1", "a;b\\x0ac", "main", "fill_hole"])
        let boundaries = try #require(data["boundaries"] as? [[Int]])
        #expect(boundaries.map { strings[$0[1]] } == ["before", "before"])
    }

    @Test("the limit is drawn where it is near, and told where it is far")
    func limit() {
        #expect(page.contains("the limit, 65,530, is far above") && !page.contains("class=limit"))
        var report = Sample.report(Sample.growing())
        report.processes[0].limit = 40
        #expect(Sample.render("html", report).contains("limit 40</text>"))
    }
}

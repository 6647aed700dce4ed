import Testing
import VMACore
import VMAReport

/// What only a browser can tell of the HTML report: that its scripts run, that it fits, and that names
/// stay text.
@Suite("the HTML report in a browser", .serialized)
struct BrowserTests {
    @Test("there is a browser")
    func browser() { #expect(Browser.path != nil, "\(Browser.advice)") }

    /// Without one the test above has failed, and says what to do.
    private static let isThere = ConditionTrait.enabled(if: Browser.path != nil, "\(Browser.advice)")

    /// A process of `count` VMAs and one of a file, most of which touch, and the last of which it has
    /// just mapped.
    private static func render(_ count: UInt64, _ name: String) -> String {
        let model = KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed)
        let observer = Observer(judge: Judge(model), isHooked: true)
        let file = VMA(AddressRange(0x1000, 0x2000), pgoff: 0, flags: [.read, .mayRead], file: 1)
        let vmas = (0 ..< count).map { index in
            let start = 0x7f00_0000_0000 + index * 0x4000 + index / 50 * 0x10_0000
            let readWrite: VMAFlags = [.read, .write, .mayRead, .mayWrite]
            return VMA(
                AddressRange(start, start + 0x4000), pgoff: index * 7, flags: index % 7 == 0 ? [.mayRead] : readWrite,
                anonVMA: UInt32(index + 1), traits: [.chainSingular, .ownRoot, .anonKnown])
        }
        observer.apply(.file(1, path: "/" + name))
        observer.apply(.adopted(1, tgid: 100, command: name))
        observer.apply(.frames(1, 7, ["mmap", name, "main"]))
        observer.apply(.snapshot(1, [file] + vmas.dropLast(), asOf: 0))
        let origin = Origin(time: 1_000_000_000, mm: 1, tgid: 100, tid: 100)
        let syscall = Syscall(number: 9, arguments: [0, 0x4000, 3, 0x22, 0, 0])
        let last = vmas[vmas.count - 1]
        observer.apply(.rows(Rows(origin, last.range, .after, truncated: false, [last])))
        observer.apply(
            .attempt(
                HookedAttempt(
                    origin, syscall, stack: 7, site: .newRange, proposed: last, prev: vmas.dropLast().last, next: nil,
                    middle: nil)))
        observer.apply(.section(Section(origin, syscall, stack: 7, ranges: [last.range], writes: 1, incomplete: false)))
        let report = Report(
            observer, version: "1", host: Report.Host(kernel: "6.1", source: "hooks", mergeRules: model.name),
            started: "2026-01-02T03:04:05Z", startTime: 0, seconds: 70, limit: 65530)
        var text = ""
        ReportFormats.named("html", colour: false)!.render(report, into: &text)
        return text
    }

    /// What must hold of every page: its scripts ran to their end and drew, before and after everything
    /// was pressed; nothing was fetched; nothing is wider than the window.
    private static func complaints(_ page: Browser.Page) -> [String] {
        var complaints = page.console.map(String.init)
        for (name, expected) in [("ready", "yes"), ("drawn", "true"), ("drawn-after", "true"), ("requests", ""), ("error", nil)]
            as [(String, String?)] where page.found(name) != expected
        {
            complaints.append("\(name) is \(page.found(name) ?? "not there")")
        }
        if (page.found("overflow").flatMap { Int($0) } ?? 1) > 0 {
            complaints.append("\(page.found("overflow") ?? "?") pixels too wide")
        }
        return complaints
    }

    @Test("its scripts run, and draw, and fetch nothing", isThere)
    func scripts() throws {
        let page = try Browser.open(Self.render(200, "worker"))
        #expect(Self.complaints(page) == [])
        // Made by the scripts: the choice of processes, and the frames.
        #expect(page.document.contains(">worker[100], 201 VMAs</option>"))
        #expect(page.document.contains(">all</div>"))
        #expect(page.document.contains("title=\"[mmap pgoff+anon_vma]: 1 ("))  // boundaries: the last button
        #expect(page.document.contains("title=\"main: 1 ("))
    }

    @Test("it fits a phone, and is dark where the reader's system is", isThere, arguments: [false, true])
    func phone(_ isDark: Bool) throws {
        let page = try Browser.open(Self.render(200, "a-command-with"), phone: 390, isDark: isDark)
        #expect(page.found("width") == "390")
        #expect(Self.complaints(page) == [])
        #expect(page.found("background") == (isDark ? "rgb(20, 23, 26)" : "rgb(255, 255, 255)"))
    }

    @Test("names stay text, and long ones fit", isThere)
    func hostile() throws {
        let evil = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'\u{202e}\u{1b}"
        let long = String(repeating: "long", count: 500)
        for name in [evil, long] {
            let page = try Browser.open(Self.render(20, name), phone: 390)
            #expect(Self.complaints(page) == [])
            #expect(!page.document.contains("<img") && !page.document.contains("<title>owned"))
            #expect(page.document.contains(name == evil ? "onerror" : "longlong"))
        }
    }

    @Test("65,000 VMAs weigh little, and open", isThere)
    func large() throws {
        let html = Self.render(65_000, "worker")
        #expect(html.utf8.count < 5_000_000)
        let page = try Browser.open(html)
        #expect(Self.complaints(page) == [])
        #expect(page.document.contains(">worker[100], 65,001 VMAs</option>"))
        print("65,001 VMAs: \(html.utf8.count) bytes, opened in \(page.found("milliseconds") ?? "?") ms")
    }
}

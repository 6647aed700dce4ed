import Foundation
import Testing
import VMACore

@testable import VMAReport

@Suite("the whole system, printed")
struct SystemReportTests {
    private func object(_ flow: Flow?, top: Int = 2) throws -> JSONValue {
        let text = SystemJSON.interval(SystemSample.host, SystemSample.interval(flow), time: "2026-01-01T00:00:06Z", top: top)
        #expect(text.hasSuffix("}\n") && text.count { $0 == "\n" } == 1)
        return try JSONValue(text)
    }

    @Test("an interval is one object on one line; those listed and the others are all")
    func interval() throws {
        let object = try object(nil)
        #expect(object["schema"]?.string == "vmascope.system.v1" && object["interval"]?.number == 3)
        #expect(object["total"]?["vmas"]?.number == 5600 && object["total"]?["swept"]?.number == 2)
        #expect(object["others"]?["vmas"]?.number == 300 && object["others"]?["processes"]?.number == 2)
        #expect(object["total"]?["boundaries"]?["total"]?.number == 4100)
        let first = try #require(object["processes"]?.array?.first)
        #expect(first["pid"]?.number == 7 && first["namespace_pid"]?.number == 1 && first["near_limit"] == .bool(true))
        #expect(first["boundaries"]?["blocked_by"]?["pgoff"]?.number == 3999 && first["boundaries"]?["age_seconds"]?.number == 6)
    }

    @Test("a process near the limit is listed whatever others have more VMAs, but no user's all")
    func near() {
        var processes = (1 ... 30).map { SystemSample.process($0, 60_000) } + [SystemSample.process(31, 56_000)]
        processes[30].uid = 6
        var interval = SystemSample.interval(nil, processes)
        interval.warned = Set(processes.map(\.key))
        let (listed, others) = interval.listed(3)
        #expect(listed.map(\.key.pid) == [1, 2, 3, 4, 5, 6, 7, 8, 31])
        #expect(others.count == 22)
        let page = SystemMetrics.render(SystemSample.host, interval, time: 0, top: 3)
        #expect(page.contains("vmascope_process_vmas{pid=\"31\""))
        interval.warned = []
        #expect(interval.listed(3).listed.count == 3)
    }

    @Test("processes that share an address space are one, the first")
    func shared() {
        var processes = [SystemSample.process(9, 100), SystemSample.process(8, 100), SystemSample.process(7, 50)]
        (processes[0].mm, processes[1].mm) = (3, 3)
        #expect(processes.oneForEachSpace().map(\.pid) == [8, 7])
        for index in processes.indices { processes[index].mm = 0 }
        #expect(processes.oneForEachSpace().count == 3)
    }

    @Test("what is not known is null")
    func unknown() throws {
        let object = try object(nil)
        #expect(object["flow"] == .null && object["own"]?["bpf_seconds"] == .null)
        let second = try #require(object["processes"]?.array?.last)
        #expect(second["boundaries"] == .null && second["flow"] == .null && second["growth_per_minute"] == .null)
        let report = try JSONValue(SystemJSON.report(SystemSample.report()))
        #expect(report["totals"]?["attempts"] == .null && report["events"]?["lost"] == .null)
        #expect(report["processes"]?.array?.first?["attempts"] == .null)
        for text in [SystemText(colour: false).report(SystemSample.report()), lines(nil), screen(nil).joined(separator: "\n")] {
            #expect(!text.contains("0 attempts") && !text.contains("merged"))
        }
        let metrics = metrics(nil)
        #expect(
            !metrics.contains("vmascope_sections_total") && !metrics.contains("vmascope_merge_attempts")
                && !metrics.contains("vmascope_events"))
        #expect(!metrics.contains("in=\"bpf\""))
    }

    @Test("counts are integers and estimates are not")
    func estimates() throws {
        let flow = try #require(try object(SystemSample.flow)["flow"])
        #expect(flow["total"]?["sections"]?["mmap"]?["same"]?.number == 900)
        #expect(flow["total"]?["attempts"]?.number == nil && flow["total"]?["attempts"]?["high"]?.number == 760)
        #expect(flow["total"]?["missed"]?.number == nil && flow["total"]?["missed"]?["low"]?.number == 100)
        #expect(flow["sample_one_in"]?["most"]?.number == 10)
        let report = try JSONValue(SystemJSON.report(SystemSample.report(SystemSample.flow)))
        for key in ["attempts", "merged", "missed", "missed_by", "what_if"] { #expect(report["totals"]?[key] == .null) }
        #expect(report["processes"]?.array?.first?["flow"]?["sections"]?["brk"]?["fewer"]?.number == 10)
        let text = SystemText(colour: false).report(SystemSample.report(SystemSample.flow))
        #expect(
            text.contains("1,000 sections; 700 ± 60 attempts, 500 ± 60 of them merged; 120 ± 20 sides missed")
                && text.contains("one in 1 to 10 recorded") && text.contains("1 unexplained"))
        #expect(text.contains("80 ± 20  mmap  pgoff"))
        #expect(lines(SystemSample.flow).contains("60 ± 10") && screen(SystemSample.flow).joined().contains("60 ± 10"))
    }

    @Test("captures are named in each face, with why and whether they are whole")
    func captures() throws {
        let process = SystemSample.processes[0]
        func capture(_ name: String, _ state: Capture.State) throws -> Capture {
            var plan = CapturePlan(within: 3600)
            let choice = plan.next([process], limit: 5000, near: [], refused: [:], at: 0)
            var capture = Capture(try #require(choice), started: "2026-01-01T00:00:00Z", path: "/d/\(name).vmt")
            capture.state = state
            return capture
        }
        var report = SystemSample.report()
        let kept = [try capture("a", .done), try capture("b", .running), try capture("c", .failed("the disk is\u{1b} full"))]
        report.last.captures = (kept, [.forecast: 3])
        let rows = try #require(try JSONValue(SystemJSON.report(report))["system"]?["captures"]?.array)
        #expect(rows.map { $0["file"]?.string } == ["/d/a.vmt", "/d/b.vmt", "/d/c.vmt"])
        #expect(rows[0]["complete"] == .bool(true) && rows[1]["complete"] == .null && rows[2]["complete"] == .bool(false))
        #expect(
            rows[0]["reason"]?.string == "forecast" && rows[0]["seconds_to_limit"]?.number == 0 && rows[0]["pid"]?.number == 7)
        #expect(rows[2]["failure"]?.string == "the disk is\u{1b} full")
        let text = SystemText(colour: false).report(report)
        #expect(text.contains("2026-01-01T00:00:00Z  redis[7], it is at the limit of VMAs: /d/a.vmt\n"), "\(text)")
        #expect(text.contains("not complete yet: /d/b.vmt\n") && !text.contains("\u{1b}"))
        #expect(
            SystemMetrics.render(SystemSample.host, report.last, time: 1, top: 2).contains(
                "vmascope_captures_total{reason=\"forecast\"} 3\n"))
        let none = try JSONValue(SystemJSON.report(SystemSample.report()))
        #expect(none["system"]?["captures"] == .null)
        #expect(SystemText.captured(kept[0], 30, ["vmascope  a", "filled by b"]).count == 3)
    }

    @Test("attempts that were counted one by one are integers, in each face")
    func counted() throws {
        var flow = SystemSample.flow
        flow.total.hooked = [.mmap: Flow.Attempts(count: 2500, merged: 1200), .brk: Flow.Attempts(count: 5, merged: 3)]
        flow.processes[ProcessKey(pid: 7, started: 7)] = flow.total
        let sums = try #require(try object(flow)["flow"]?["total"])
        #expect(sums["counted"]?["mmap"]?["attempts"]?.number == 2500 && sums["counted"]?["brk"]?["merged"]?.number == 3)
        #expect(sums["attempts"]?["estimate"]?.number == 700)
        let report = try JSONValue(SystemJSON.report(SystemSample.report(flow)))
        for place in [report["totals"], report["processes"]?.array?.first] {
            #expect(place?["attempts"]?.number == 2505 && place?["merged"]?.number == 1203 && place?["missed"] == .null)
        }
        let text = SystemText(colour: false).report(SystemSample.report(flow))
        #expect(text.contains("1,000 sections; 2,505 attempts, 1,203 of them merged; 120 ± 20 sides missed"))
        #expect(words(text).contains("sections fewer VMAs more VMAs attempts merged by 990 0 90 2,500 1,200 mmap"))
        let page = metrics(flow)
        #expect(
            page.contains(
                "# TYPE vmascope_merge_attempts_total counter\nvmascope_merge_attempts_total{operation=\"mmap\"} 2500\n"))
        #expect(page.contains("vmascope_merges_total{operation=\"brk\"} 3\n"))
        #expect(!metrics(SystemSample.flow).contains("vmascope_merges_total"))
    }

    @Test("they are not all that there were where there was a pause, or merges that nothing tells of")
    func countedInPart() throws {
        var flow = SystemSample.flow
        flow.total.hooked = [.mmap: Flow.Attempts(count: 2500, merged: nil), .mprotect: Flow.Attempts(count: 5, merged: 3)]
        let report = try JSONValue(SystemJSON.report(SystemSample.report(flow)))
        #expect(report["totals"]?["attempts"]?.number == 2505 && report["totals"]?["merged"] == .null)
        let text = SystemText(colour: false).report(SystemSample.report(flow))
        #expect(text.contains("2,505 attempts; 120") && words(text).contains("2,500 ? mmap"))
        #expect(metrics(flow).contains("vmascope_merges_total{operation=\"mprotect\"} 3\n"))
        #expect(!metrics(flow).contains("vmascope_merges_total{operation=\"mmap\"}"))
        flow.watched = 0.9
        let paused = try JSONValue(SystemJSON.report(SystemSample.report(flow)))
        #expect(paused["totals"]?["attempts"] == .null)
        #expect(paused["system"]?["flow"]?["total"]?["counted"]?["mmap"]?["attempts"]?.number == 2500)
    }

    @Test("a disagreement is printed in each face, never hidden, and nothing where there is none")
    func disagreements() throws {
        let report = { (flow: Flow) in SystemText(colour: false).report(SystemSample.report(flow)) }
        var flow = SystemSample.flow
        flow.agreed = 100
        #expect(!report(flow).contains("unexplained") && !lines(flow).contains("unexplained"))
        #expect(!screen(flow).joined().contains("doubt"))
        #expect(metrics(flow).contains("vmascope_attempts_unexplained_total 0\n"))
        (flow.agreed, flow.disagreements) = (97, ["[7] mmap: predicted apart", "[8] brk: \u{1b}[2J"])
        #expect(words(report(flow)).contains("3 unexplained [7] mmap: predicted apart [8] brk: \\x1b[2J … and 1 more"))
        #expect(words(lines(flow)).contains("3 of 100 attempts unexplained; [8] brk: \\x1b[2J"))
        #expect(screen(flow, width: 40)[1].hasPrefix("doubt    3 of 100 attempts unexplained"))
        let counter = "vmascope_attempts_unexplained_total"
        #expect(metrics(flow).contains("# TYPE \(counter) counter\n\(counter) 3\n"))
        let told = try JSONValue(SystemJSON.report(SystemSample.report(flow)))["system"]?["flow"]
        for found in [try object(flow)["flow"], told] {
            #expect(found?["agreement"]?["unexplained"]?.number == 3)
            #expect(found?["agreement"]?["disagreements"]?.array?.map(\.string) == flow.disagreements)
        }
        // Of processes that nobody asks for, too.
        flow.total = Flow.Sums()
        #expect(report(flow).contains("3 unexplained"))
    }

    @Test("what was read and is not what the kernel counts is told in each face")
    func audits() throws {
        let report = { (flow: Flow) in SystemText(colour: false).report(SystemSample.report(flow)) }
        var flow = SystemSample.flow
        flow.agreed = flow.checked
        (flow.audit.checked, flow.audit.equal) = (900, 900)
        #expect(report(flow).contains("as many VMAs came and went as the kernel counts in 900 of 900 sections of the sample\n"))
        #expect(!screen(flow).joined().contains("doubt"))
        (flow.audit.equal, flow.disagreements) = (898, ["[7] brk: 0 VMAs as read"])
        #expect(words(report(flow)).contains("in 898 of 900 sections of the sample [7] brk: 0 VMAs as read … and 1 more"))
        #expect(words(lines(flow)).contains("2 of 900 sections not as the kernel counts; [7] brk: 0 VMAs as read"))
        #expect(screen(flow, width: 60)[1].hasPrefix("doubt    2 of 900 sections not as the kernel counts"))
        #expect(metrics(flow).contains("vmascope_sections_compared_total 900\n"))
        #expect(metrics(flow).contains("vmascope_sections_different_total 2\n"))
        let told = try JSONValue(SystemJSON.report(SystemSample.report(flow)))
        for found in [try object(flow)["flow"], told["system"]?["flow"], told] {
            let audit = found?["layout_audit"]
            #expect(audit?["checked"]?.number == 900 && audit?["equal"]?.number == 898 && audit?["resynced"]?.number == 0)
        }
        #expect(try Figures(SystemJSON.report(SystemSample.report(flow))).value("layout_audit.different") == 2)
        #expect(try JSONValue(SystemJSON.report(SystemSample.report()))["layout_audit"] == .null)
    }

    /// Wherever lines were broken.
    private func words(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }

    @Test("a line is printed of calls that failed for lack of something, and not of wrong arguments")
    func shortages() {
        func warning(_ errno: Int32?, _ reason: Refusal.Reason?) -> String? {
            let refused = Refused(
                image: 0, pid: 7, command: "x", operation: .mremap,
                verdict: Refusal.Verdict(errno: errno, reason: reason, seen: errno != nil), count: 1, first: 1, last: 1, stack: []
            )
            return SystemText(colour: false).warning(refused: [refused])
        }
        for reason in Refusal.Reason.allCases where reason != .other { #expect(warning(nil, reason) != nil) }
        for errno in [ENOMEM, EAGAIN] { #expect(warning(errno, .other)?.contains("mremap failed") == true) }
        for errno in [EFAULT, EINVAL, EEXIST, nil] { #expect(warning(errno, errno == nil ? nil : .other) == nil) }
    }

    @Test("of very many rows of refused calls the first are listed, most frequent first, and the others counted")
    func refused() throws {
        func row(_ pid: UInt32) -> Refused {
            Refused(
                image: 0, pid: pid, command: "x", operation: .mmap,
                verdict: Refusal.Verdict(errno: 12, reason: .mapLimit, seen: true), count: pid == 5 ? 7 : 1, first: 1, last: 1,
                stack: [])
        }
        var interval = SystemSample.interval(nil)
        interval.refused = (1 ... 1400).map(row)
        let object = try JSONValue(SystemJSON.interval(SystemSample.host, interval, time: "t", top: 2))
        #expect(object["refused"]?.array?.count == 100 && object["refused_folded"]?.number == 1300)
        #expect(object["refused"]?.array?.first?["pid"]?.number == 5 && object["total"]?["refused"]?.number == 1406)
        #expect(object["processes"]?.array?.first?["refused"]?.number == 1)
        interval.refused = nil
        let none = try JSONValue(SystemJSON.interval(SystemSample.host, interval, time: "t", top: 2))
        #expect(none["refused"] == .null && none["refused_folded"] == .null)
    }

    @Test("what there was no room for is told in each face")
    func unseen() throws {
        var flow = SystemSample.flow
        #expect(!lines(flow).contains("further address spaces") && metrics(flow).contains("vmascope_sections_unseen_total 0\n"))
        flow.unseen = 12
        #expect(try object(flow)["flow"]?["unseen"]?.number == 12)
        #expect(metrics(flow).contains("vmascope_sections_unseen_total 12\n"))
        let report = SystemText(colour: false).report(SystemSample.report(flow))
        for text in [lines(flow), screen(flow, width: 300).joined(), report] {
            #expect(words(text).contains("12 sections of further address spaces not counted"))
        }
    }

    @Test("whose sections were not counted is told in each face, and no count is taken for whole then")
    func skipped() throws {
        var flow = SystemSample.flow
        flow.total.hooked = [.mmap: Flow.Attempts(count: 9, merged: 5)]
        #expect(!lines(flow).contains("not counted") && flow.wholeCount(flow.total) != nil)
        flow.total.skipped = 120_012
        flow.processes[ProcessKey(pid: 7, started: 7)]?.skipped = 120_000
        flow.sampled = 0.25
        #expect(flow.wholeCount(flow.total) == nil)
        let json = try object(flow)["flow"]
        #expect(json?["total"]?["not_counted"]?.number == 120_012 && json?["sampled"]?.number == 0.25)
        #expect(metrics(flow).contains("vmascope_sections_skipped_total 120012\n"))
        #expect(metrics(flow).contains("vmascope_sampled_ratio 0.25\n"))
        let report = SystemText(colour: false).report(SystemSample.report(flow))
        for text in [lines(flow), screen(flow, width: 400).joined(), report] {
            #expect(
                words(text).contains(
                    "not counted, to keep to the budget: 120,000 sections of redis[7], 12 sections of others"))
            #expect(words(text).contains("recorded in 25% of the time"))
        }
    }

    @Test("conditions don't take what was not counted for 0")
    func figures() throws {
        let figures = try Figures(SystemJSON.report(SystemSample.report()))
        #expect(figures.value("missed.pgoff") == nil && figures.value("attempts") == nil && figures.value("lost") == nil)
        #expect(figures.value("vmas.now") == 5000)
    }

    @Test("the report lists those that live and those that are gone, and says how many more there are")
    func report() {
        let text = SystemText(colour: false).report(SystemSample.report())
        #expect(text.hasPrefix("vmascope    redis[7] has 5,000 of 65,530 VMAs (7%)\n"))
        #expect(text.contains("5 processes seen, 1 of them gone"))
        #expect(text.contains("7/1  redis") && text.contains("exited") && text.contains("… and 2 more with 300 VMAs in all"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= Fit.width })
    }

    private func screen(_ flow: Flow?, _ sort: SystemSort = .vmas, width: Int = 120, height: Int = 20) -> [String] {
        SystemText(colour: false).screen(SystemSample.host, SystemSample.interval(flow), sort, width: width, height: height)
    }

    private func lines(_ flow: Flow?) -> String {
        SystemText(colour: false).lines(SystemSample.host, SystemSample.interval(flow), time: "now", top: 3)
    }

    @Test("a screen has just the size of the terminal, however small")
    func sizes() {
        for (width, height) in [(120, 20), (80, 24), (40, 10), (20, 6), (10, 3), (1, 1), (300, 100)] {
            let lines = screen(SystemSample.flow, width: width, height: height)
            #expect(lines.count == height && lines.allSatisfy { $0.count <= width }, "\(width)x\(height)")
        }
        #expect(screen(nil).last?.hasSuffix("[q]uit") == true)
    }

    @Test("a key sorts by what begins with it; what is not known comes last")
    func sorting() {
        #expect(Set(SystemSort.allCases.map(\.key)).count == SystemSort.allCases.count && SystemSort.of("q") == nil)
        func order(_ sort: SystemSort) -> [UInt32] { sort.sorted(SystemSample.interval(SystemSample.flow)).map(\.pid) }
        #expect(order(.vmas) == [7, 8, 9, 10] && order(.pid) == [7, 8, 9, 10])
        #expect(order(.boundaries) == [7, 9, 8, 10] && order(.misses).first == 7)
    }

    // MARK: metrics

    private func metrics(_ flow: Flow?, _ processes: [ProcessStock] = SystemSample.processes, top: Int = 2) -> String {
        SystemMetrics.render(SystemSample.host, SystemSample.interval(flow, processes), time: 1000, top: top)
    }

    @Test("metrics of those that are not listed are one series")
    func cardinality() {
        let many = (1 ... 5000).map { SystemSample.process(UInt32($0), 10, boundaries: 5) }
        let text = metrics(SystemSample.flow, many, top: 20)
        #expect(text.split(separator: "\n").count < 250)
        #expect(text.contains("vmascope_process_vmas{pid=\"\",comm=\"(others)\",cgroup=\"\"} 49800\n"))
        #expect(metrics(nil).contains("vmascope_process_vmas{pid=\"7\",comm=\"redis\",cgroup=\"\"} 5000\n"))
        #expect(
            metrics(nil).contains("vmascope_process_boundaries_timestamp_seconds{pid=\"7\",comm=\"redis\",cgroup=\"\"} 994\n"))
        #expect(metrics(nil).contains("vmascope_boundaries{blockers=\"none\"} 2\n"))
    }

    /// The series of processes on a page, without "(others)".
    private func series(_ page: String) -> [Substring] {
        page.split(separator: "\n").filter { $0.hasPrefix("vmascope_process_vmas{pid=\"") && !$0.contains("pid=\"\"") }
            .map { $0.prefix { $0 != "}" } }
    }

    @Test("a process has one series until exec, whatever it calls itself")
    func renamed() {
        var stock = Stock()
        var pages: Set<String> = []
        for round in 1 ... 9 {
            var process = SystemSample.process(7, 5000, "name-\(round)")
            // It goes on to be another program.
            if round > 6 { process.mm = 99 }
            process.cgroup = "/x"
            stock.update([process], at: UInt64(round) * 1_000_000_000)
            #expect(stock.processes[0].command == "name-\(round)")
            pages.formUnion(series(metrics(nil, stock.processes)).map(String.init))
        }
        #expect(pages.count == 2)
        #expect(pages.contains { $0.contains("comm=\"name-1\"") } && pages.contains { $0.contains("comm=\"name-7\"") })
    }

    @Test("new series of a user's processes are bounded in an hour, and no other's are")
    func newSeries() {
        var budget = SeriesBudget(top: 10)
        var all: Set<Substring> = []
        func page(_ scrape: Int, near: Bool = false) -> [Substring] {
            // Another process each time, or the same one in another cgroup.
            var processes = (0 ..< 5).map { SystemSample.process(UInt32(1000 + scrape * 5 + $0), 60_000) }
            processes[4] = SystemSample.process(2, 59_000)
            processes[4].cgroup = "/moved/\(scrape)"
            processes.append(SystemSample.process(1, 50_000, "other"))
            processes[5].uid = 6
            var interval = SystemSample.interval(nil, processes)
            interval.time = UInt64(scrape) * 1_000_000_000
            if near { interval.warned = [processes[0].key] }
            budget.update(interval, top: 10)
            let text = SystemMetrics.render(SystemSample.host, interval, time: 1000, top: 10, budget)
            #expect(text.contains("vmascope_vmas 349000\n"))
            if (100 ... 201).contains(scrape) { #expect(text.contains("vmascope_process_vmas{pid=\"\",comm=\"(others)\"")) }
            return series(text)
        }
        for scrape in 1 ... 200 {
            let found = page(scrape)
            all.formUnion(found)
            #expect(found.contains { $0.contains("comm=\"other\"") }, "\(scrape)")
        }
        #expect(all.count <= SeriesBudget.least + 10, "\(all.count)")
        // One that is near the limit still gets some.
        #expect(page(201, near: true).count == 2)
        // And after an hour there are as many again.
        #expect(page(201 + 3600).count == 6)
    }

    @Test("a container has its names in each face, and nothing else has such labels")
    func containers() throws {
        let id = String(repeating: "0", count: 64)
        var process = SystemSample.process(8, 5000)
        process.container = Container(cgroup: "/docker/\(id)")
        process.container?.name = "web"
        process.container?.pod = "web-0"
        process.container?.namespace = "shop"
        let text = metrics(nil, [process, SystemSample.process(9, 300)])
        #expect(
            text.contains(
                "vmascope_process_vmas{pid=\"8\",comm=\"redis\",cgroup=\"/system.slice/redis\","
                    + "namespace=\"shop\",pod=\"web-0\",container=\"web\"} 5000\n"))
        #expect(text.contains("vmascope_process_vmas{pid=\"9\",comm=\"redis\",cgroup=\"\"} 300\n"))
        let json = SystemJSON.report(SystemSample.report(nil, [process, SystemSample.process(9, 300)]))
        let parsed = try #require(try JSONValue(json)["processes"]?.array)
        #expect(parsed.first?["container"]?["pod"]?.string == "web-0" && parsed.first?["container"]?["id"]?.string == id)
        #expect(parsed.dropFirst().first?["container"] == .null)
    }

    @Test("labels hold whatever a process calls itself")
    func labels() {
        let evil = "a\"b\\c\nd\u{1b}e\u{202e}"
        let text = metrics(nil, [SystemSample.process(8, 10, evil)])
        #expect(text.contains(#"comm="a\"b\\c\\x0ad\\x1be\\u{202e}""#))
        #expect(!text.contains("\u{1b}") && !text.contains("\u{202e}"))
        for face in [lines(nil), SystemText(colour: false).report(SystemSample.report(nil, [SystemSample.process(8, 10, evil)]))]
        {
            #expect(!face.unicodeScalars.contains { $0 != "\n" && Fit.isUnseen($0) })
        }
    }

    @Test("estimates are gauges with their bounds, and counts are counters")
    func kinds() {
        let text = metrics(SystemSample.flow)
        #expect(text.contains("# TYPE vmascope_sections_total counter\n"))
        #expect(text.contains("vmascope_sections_total{operation=\"brk\",vmas=\"fewer\"} 10\n"))
        #expect(text.contains("vmascope_merge_attempts_estimate_low 650\n") && text.contains("vmascope_watched_ratio 1\n"))
        #expect(text.contains("# TYPE vmascope_missed_sides_estimate gauge\n"))
        #expect(text.contains("vmascope_missed_sides_estimate_low{operation=\"mmap\",blockers=\"pgoff\"} 60\n"))
        #expect(text.contains("vmascope_missed_sides_estimate_high{operation=\"mmap\",blockers=\"pgoff\"} 100\n"))
        #expect(text.contains("vmascope_cpu_seconds_total{in=\"bpf\"} 0.25\n"))
    }
}

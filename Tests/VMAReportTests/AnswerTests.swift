import Testing
import VMACore

@testable import VMAReport

@Suite("the answer in five lines")
struct AnswerTests {
    private func lines(_ report: Report, limit: Int? = nil) -> [Substring] {
        var report = report
        if let limit { for index in report.processes.indices { report.processes[index].limit = limit } }
        return Sample.render("text", report).split(separator: "\n", omittingEmptySubsequences: false)
    }

    @Test("says how near, filled by what, left by whom, what to do, and how far to trust it")
    func growing() {
        let lines = lines(Sample.report(Sample.growing()))
        #expect(lines[0].hasPrefix("vmascope    growing[100] has 13 of 65,530 VMAs (0%), +59 a minute over 1"))
        #expect(lines[1] == "filled by   12 boundaries: 12 pgoff+anon_vma; 12 recoverable")
        #expect(lines[2] == "left by     mmap by fill_hole ← main: 12 of the 12 pgoff+anon_vma")
        #expect(lines[3] == "what to do  \(Answer.nothing)")
        let near = self.lines(Sample.report(Sample.growing()), limit: 30)
        #expect(near[3] == "what to do  pgoff: \(MergeRules.rule(slug: "pgoff")!.advice)")
        #expect(lines[4] == "trust       no attempt to hold the rules against, no event lost, no layout compared")
        #expect(lines[5].isEmpty && lines[6].hasPrefix("vmascope 1.2.3 on 6.1.0, source hooks"))
    }

    @Test("of what has exited it says that, and of what rests that it rests")
    func others() {
        let exited = lines(Sample.report(Sample.growing(exits: true)))
        #expect(exited[0] == "vmascope    growing[100] had up to 13 of 65,530 VMAs (0%), and has exited")
        let resting = lines(Sample.report())
        #expect(resting[0] == "vmascope    worker1[100] has 3 of 65,530 VMAs (0%), no steady growth")
        #expect(resting[2] == "left by     exec, or the time before the observation: 1 of the 1 pgoff")
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
        report.processes[0].limit = 30  // 17 s away
        report.processes.insert(larger, at: 0)
        #expect(Answer.nearest(report.processes)?.pid == 100)
        report.processes[1].trend = nil
        #expect(Answer.nearest(report.processes)?.pid == 7)
        // One that was forked, has a VMA more, and has done nothing.
        var forked = larger
        (forked.pid, forked.now, report.processes[0].tally.attempts) = (8, 60001, 5)
        report.processes.append(forked)
        #expect(Answer.nearest(report.processes)?.pid == 7)
        // A living one is passed over if those that are gone had far more.
        for index in [0, 2] { report.processes[index].exited = true }
        #expect(Answer.nearest(report.processes)?.pid == 7)
        report.processes[1].now = 31_000
        #expect(Answer.nearest(report.processes)?.pid == 100)
        // Nor is it the sum of many that are gone.
        var others = forked
        (others.image, others.pid, others.now, others.peak) = (0, 0, 1_000_000, 1_000_000)
        report.processes.append(others)
        #expect(Answer.nearest(report.processes)?.pid == 100)
        #expect(Answer.ranked(report.processes).last?.image == 0)
        #expect(Answer.nearest([others])?.image == 0)
    }

    /// A process whose VMAs are `vmas`, with a boundary at the end of each of the first `count` that a call
    /// left whose frames are these.
    private func standing(_ vmas: [VMA], _ calls: [(boundary: UInt64, frames: [String])] = []) -> Report {
        let observer = Observer(judge: Sample.observer().judge, isHooked: true)
        observer.apply(.adopted(1, tgid: 100, command: "app"))
        observer.apply(.snapshot(1, vmas, asOf: 1_000_000_000))
        for (index, call) in calls.enumerated() {
            let stack = UInt32(index + 1)
            observer.apply(.frames(1, stack, call.frames))
            let origin = Origin(time: 2_000_000_000, mm: 1, tgid: 100, tid: 100)
            let seam = AddressRange(call.boundary, call.boundary + 0x1000)
            let right = vmas.filter { $0.start == seam.start }
            // As if it had been mapped anew.
            observer.apply(.rows(Rows(origin, right[0].range, .after, truncated: false, [])))
            observer.apply(.rows(Rows(origin, right[0].range, .after, truncated: false, right)))
            let syscall = Syscall(number: 9, arguments: [0, 4096, 3, 0x22, 0, 0])
            observer.apply(.section(Section(origin, syscall, stack: stack, ranges: [seam], writes: 1, incomplete: false)))
        }
        return Sample.report(observer)
    }

    private func guarded(_ number: UInt64, pages: UInt64 = 1) -> VMA {
        var vma = Sample.page(number, pages: pages)
        vma.flags = [.mayRead, .mayWrite, .mayExec]
        return vma
    }

    @Test("where gaps fill it, no boundary is to blame")
    func gaps() {
        let lines = lines(standing((1 ... 9).map { Sample.page(0x10 * $0) } + [Sample.page(0x91, pgoff: 7)]), limit: 10)
        #expect(lines[1] == "filled by   8 gaps, and 1 boundary: 1 pgoff; 1 recoverable")
        #expect(lines[2] == "left by     exec, or the time before the observation: 8 of the 8 gaps")
        #expect(lines[3].hasPrefix("what to do  gaps: Map larger pieces"))
    }

    @Test("what the dynamic loader leaves is nobody's fault, and hides nobody who does more")
    func loader() {
        let loader = ["mmap (ld-linux-x86-64.so.2)", "_dl_map_object (ld-linux-x86-64.so.2)"]
        let own = ["mmap (libc.so.6)", "grow(int) (app)", "main (app)"]
        let vmas = [Sample.page(0x10), guarded(0x11), Sample.page(0x12), guarded(0x13, pages: 64)]
        let most = lines(standing(vmas, [(0x11000, loader), (0x12000, loader), (0x13000, own)]))
        #expect(most[2] == "left by     the dynamic loader: 2 of the 3 prot")
        #expect(most[3].hasPrefix("what to do  nothing: "))
        let less = lines(standing(vmas, [(0x11000, loader), (0x12000, own), (0x13000, own)]))
        #expect(less[2] == "left by     mmap by grow(int) ← main: 2 of the 3 prot")
        let text = Sample.render("text", standing(vmas, [(0x11000, loader), (0x12000, own), (0x13000, own)]))
        #expect(text.contains("  1 boundary the dynamic loader left, as in every program\n"))
        #expect(!text.contains("_dl_map_object"))
    }

    @Test("who does it now is named before what stood there before")
    func before() {
        let vmas = [Sample.page(0x10), Sample.page(0x11, pgoff: 7), Sample.page(0x12, pgoff: 70), Sample.page(0x13, pgoff: 700)]
        let lines = lines(
            standing(vmas, [(0x13000, ["mremap (libc.so.6)", "main (app)", "__libc_start_call_main (libc.so.6)"])]))
        #expect(lines[2] == "left by     mmap in mremap by main: 1 of the 3 pgoff; 2 stood before")
    }

    @Test("guard pages have an advice of their own, and reserves have not")
    func guards() {
        let stack = ["mprotect (libc.so.6)"]
        let guarding = lines(standing([guarded(0x10), Sample.page(0x11)], [(0x11000, stack)]), limit: 3)
        #expect(guarding[2] == "left by     mmap in mprotect, whose caller was not seen: 1 of the 1 prot")
        #expect(guarding[3] == "what to do  prot: Make guard pages by MADV_GUARD_INSTALL (Linux 6.13 on): then they are no VMAs.")
        let reserve = lines(standing([guarded(0x10, pages: 64), Sample.page(0x50)], [(0x50000, ["mmap (libc.so.6)"])]), limit: 3)
        #expect(reserve[2] == "left by     mmap, its caller was not seen: 1 of the 1 prot")
        #expect(reserve[3] == "what to do  prot: Reserve one region, and give memory back by MADV_DONTNEED, not PROT_NONE.")
    }

    @Test("little beyond what every program has asks for nothing, and so does nobody who is far from the limit")
    func quiet() {
        let own = ["mmap (libc.so.6)", "grow(int) (app)", "main (app)"]
        let report = standing([guarded(0x10), Sample.page(0x11)], [(0x11000, own)])
        #expect(lines(report)[3] == "what to do  \(Answer.nothing)")
        #expect(lines(report, limit: 7)[3] != "what to do  \(Answer.nothing)")
        var many = report
        many.standing[0].count = AnswerStock.few
        #expect(lines(many)[3].hasPrefix("what to do  prot: "))
    }

    @Test("a peak of which nothing is left is what the answer is of")
    func peak() {
        let observer = Observer(judge: Sample.observer().judge, isHooked: true)
        observer.apply(.adopted(1, tgid: 100, command: "app"))
        observer.apply(.frames(1, 7, ["mprotect (libc.so.6)", "guards", "main"]))
        observer.apply(.snapshot(1, [Sample.page(0x1000, pages: 400)], asOf: 1_000_000_000))
        func call(_ number: Int32, _ vmas: [VMA]) {
            let origin = Origin(time: 2_000_000_000, mm: 1, tgid: 100, tid: 100)
            let whole = AddressRange(0x1000 << 12, 0x1190 << 12)
            observer.apply(.rows(Rows(origin, whole, .after, truncated: false, vmas)))
            let syscall = Syscall(number: number, arguments: [whole.start, 400 << 12, 0, 0, 0, 0])
            observer.apply(.section(Section(origin, syscall, stack: 7, ranges: [whole], writes: 1, incomplete: false)))
        }
        call(10, (0 ..< 400).map { $0 % 2 == 0 ? Sample.page(0x1000 + $0) : guarded(0x1000 + $0) })
        call(11, [])
        let report = Sample.report(observer)
        let text = lines(report)
        #expect(text[0].hasPrefix("vmascope    app[100] has 0 of 65,530 VMAs (0%), had 400 (0%)"))
        #expect(text[1] == "filled by   at the peak, 399 boundaries: 399 prot")
        #expect(text[2] == "left by     mprotect by guards ← main: 399 of the 399 prot")
        #expect(text[3].hasPrefix("what to do  prot: Make guard pages by MADV_GUARD_INSTALL"))
        #expect(text.contains("WHAT STOOD AT THE PEAK, AND WHO LEFT IT"))
        #expect(Sample.render("html", report).contains("What stood at the peak"))
        #expect(Figures(report).value("peak.prot") == 399)
    }

    @Test("each image of a process is judged by itself: the code of one before an exec is not blamed")
    func images() throws {
        let observer = Observer(judge: Sample.observer().judge, isHooked: true)
        for mm in [UInt32(1), 2] {
            observer.apply(.adopted(mm, tgid: 100, command: "app"))
            observer.apply(.frames(mm, 7, [mm == 1 ? "early" : "late", "main"]))
            observer.apply(.snapshot(mm, [Sample.page(0x1000, pages: 400)], asOf: 1_000_000_000))
            let origin = Origin(time: 2_000_000_000, mm: mm, tgid: 100, tid: 100)
            let whole = AddressRange(0x1000 << 12, 0x1190 << 12)
            let vmas = (0 ..< 400).map { $0 % 2 == 0 || mm == 1 && $0 > 300 ? Sample.page(0x1000 + $0) : guarded(0x1000 + $0) }
            observer.apply(.rows(Rows(origin, whole, .after, truncated: false, vmas)))
            let syscall = Syscall(number: 10, arguments: [whole.start, 400 << 12, 0, 0, 0, 0])
            observer.apply(.section(Section(origin, syscall, stack: 7, ranges: [whole], writes: 1, incomplete: false)))
            if mm == 1 { observer.apply(.exit(Life(origin, parent: 0, parentTgid: 0, command: "app"))) }
        }
        let text = lines(Sample.report(observer))
        #expect(text[2] == "left by     mprotect by late ← main: 399 of the 399 prot")
    }

    @Test("the image that has called exec is passed over, unless it had far more")
    func replaced() throws {
        var report = Sample.report(Sample.growing(exits: true))
        var next = try #require(report.processes.first)
        (next.image, next.command) = (9, "next")
        (next.peak, report.processes[0].peak) = (24, 36)
        report.processes.append(next)
        #expect(lines(report)[0] == "vmascope    next[100] had up to 24 of 65,530 VMAs (0%), and has exited with 13")
        report.processes[0].peak = 360
        #expect(lines(report)[0].hasPrefix("vmascope    growing[100] had up to 360 of 65,530 VMAs (0%), until it called exec"))
    }

    @Test("who was refused is named, whatever room its callers take, and what helps at once is said")
    func refused() throws {
        var report = Sample.report(Sample.growing())
        let image = try #require(report.processes.first).image
        let callers = ["mprotect (libc.so.6)", "instance_with_a_long_name(int)", "caller_with_a_long_name(int)", "main"]
        func refuse(_ image: MMID, _ pid: UInt32, _ reason: Refusal.Reason) {
            let verdict = Refusal.Verdict(errno: 12, reason: reason, seen: true)
            report.refused = [
                Refused(
                    image: image, pid: pid, command: "growing", operation: .mprotect, verdict: verdict, count: 1, first: 17.6,
                    last: 17.6, stack: callers)
            ]
        }
        refuse(image, 100, .mapLimit)
        var text = lines(report)
        let long = "instance_wi…ng_name(int)"
        #expect(text[0].hasPrefix("vmascope    mprotect failed once at the limit, at 17.6 s, by \(long): growing[100]"))
        #expect(text[5].hasPrefix("meanwhile   sysctl -w vm.max_map_count=262144 lets it go on"))
        #expect(Sample.render("html", report).contains("<dt>meanwhile</dt><dd>sysctl"))
        #expect(Sample.render("json", report).contains("\"meanwhile\": \"sysctl"))
        // Of another process than the answer is of.
        refuse(77, 7, .rlimitAS)
        text = lines(report)
        #expect(text[0].hasSuffix(": growing[7]") && text[5].isEmpty, "\(text[0])")
        #expect(text[3] == "what to do  \(Refusal.Reason.rlimitAS.remedy!)")
        // Where something has to be done about VMAs, too, both are said.
        for index in report.standing.indices { report.standing[index].count = 300 }
        text = lines(report)
        #expect(text[3].hasPrefix("what to do  pgoff: ") && text[5] == "meanwhile   \(Refusal.Reason.rlimitAS.remedy!)")
        for reason in Refusal.Reason.allCases { #expect((reason.remedy?.count ?? 0) <= Answer.room) }
    }

    @Test("gaps that are many are told beside boundaries that lead")
    func besides() {
        // 60 that touch and differ, and 110 apart.
        let touching = (0 ... 60).map { Sample.page(0x1000 + $0, pgoff: 7 * ($0 + 1)) }
        let apart = (1 ... 110).map { Sample.page(0x2000 + 0x10 * $0) }
        #expect(lines(standing(touching + apart))[1] == "filled by   60 boundaries: 60 pgoff; 60 recoverable; 110 gaps")
        #expect(lines(standing(touching + apart.prefix(20)))[1] == "filled by   60 boundaries: 60 pgoff; 60 recoverable")
    }

    @Test("a second caller gives way to the count")
    func long() {
        let frames = ["mprotect (libc.so.6)", String(repeating: "a", count: 40), String(repeating: "b", count: 40), "main"]
        let vmas = [Sample.page(0x10), guarded(0x11), Sample.page(0x12)]
        let line = lines(standing(vmas, [(0x11000, frames), (0x12000, frames)]))[2]
        #expect(line.hasSuffix(" by aaaaaaaaaaaaa…aaaaaaaaaaaaaa: 2 of the 2 prot"), "\(line)")
        let both = lines(standing(vmas, [(0x11000, frames + ["x"]), (0x12000, Array(frames.prefix(2)))]))[2]
        #expect(both.contains("of the 2 prot") && both.count <= 100)
    }

    @Test("a large program that is far from its limit is asked for nothing by what has left a few VMAs")
    func manyCauses() {
        let own = ["mprotect (libc.so.6)", "pthread_create (libc.so.6)", "start", "main"]
        var report = standing(
            [guarded(0x10), Sample.page(0x11), guarded(0x12, pages: 64)], [(0x11000, own), (0x12000, ["mmap", "f"])])
        for index in report.standing.indices { report.standing[index].count = report.standing[index].operation == nil ? 0 : 70 }
        var other = report.standing[0]
        other.blockers = .flags
        report.standing.append(other)
        #expect(lines(report)[3] == "what to do  \(Answer.manyCauses)")
        report.standing[0].count = 300
        #expect(lines(report)[3].hasPrefix("what to do  prot: "))
    }

    @Test("a caller that was not seen is said at its place")
    func unseen() {
        #expect(Stack.code(["mprotect (libc.so.6)", "…", "innocent", "main"], of: .mprotect) == " by … ← innocent ← main")
        #expect(Stack.code(["mprotect (libc.so.6)"], of: .mprotect) == ", its caller was not seen")
        #expect(Stack.code(["mprotect (libc.so.6)", "…"], of: .mprotect) == ", its caller was not seen")
        #expect(Stack.code([], of: .mprotect) == ", without a stack")
        let malloc = ["mprotect (libc.so.6)", "libc.so.6+0x9a1b3", "malloc (libc.so.6)", "slab", "worker"]
        #expect(Stack.code(malloc, of: .mprotect) == " in malloc by slab ← worker")
        // In a static program the library's functions are the program's; one of its own may be called as one of those.
        let linked = ["mprotect", "sysmalloc", "_int_malloc", "malloc", "slab", "worker"]
        #expect(Stack.code(linked, of: .mprotect) == " in malloc by slab ← worker")
        #expect(Stack.named(linked, of: .mprotect) == ["slab", "worker"])
        #expect(Stack.named(["mprotect", "sysmalloc", "_int_malloc", "__malloc", "slab"], of: .mprotect) == ["slab"])
        #expect(Stack.code(["__brk", "sbrk", "grow_heap", "worker"], of: .brk) == " by grow_heap ← worker")
        #expect(Stack.code(["syscall (libc.so.6)", "bind_slab", "load"], of: .mbind) == " by bind_slab ← load")
        let handler = ["mprotect (libc.so.6)", "barrier_hit", "libc.so.6+0x3c050", "mutator", "main"]
        #expect(Stack.code(handler, of: .mprotect) == " by barrier_hit ← mutator")
        #expect(Stack.code(["__brk (libc.so.6)", "sbrk (libc.so.6)", "grow", "main"], of: .brk) == " by grow ← main")
    }

    @Test("each advice fits its line", arguments: Remedies.table.map(\.slug))
    func fits(_ slug: String) throws {
        for remedy in Remedies.table where remedy.slug == slug {
            #expect(
                remedy.line.count <= Answer.room && remedy.advice.hasSuffix(".") && remedy.reason.hasSuffix("."), "\(remedy.line)"
            )
        }
    }

    @Test("what is alike in several processes is one row of text, and of JSON one for each")
    func alike() throws {
        let observer = Sample.observer()
        for _ in 1 ... 2 {
            Sample.attempt(observer, mm: 2, Sample.page(0x31, pgoff: 0x99, anonVMA: 1), before: Sample.page(0x30, anonVMA: 1))
        }
        let report = Sample.report(observer)
        #expect(Sample.render("text", report).contains("5×  pgoff  mremap, prev side, recoverable  worker1[100] and 1 other\n"))
        #expect(report.missed.filter { $0.blockers == .pgoff }.map(\.count) == [3, 2])
        #expect(report.missedAlike(8).map(\.count).reduce(0, +) == report.totals.missed)
    }

    @Test("rare misses of the kernel's limits are called that")
    func rare() {
        let observer = Sample.observer()
        #expect(!Sample.render("text", Sample.report(observer)).contains("this is rare"))
        for _ in 1 ... 500 { Sample.attempt(observer, mm: 2, Sample.page(0x31), before: Sample.page(0x30), merges: true) }
        #expect(Sample.render("text", Sample.report(observer)).contains("this is rare, as in most programs"))
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

    @Test("only a live process has a trend")
    func exitedTrend() throws {
        let report = Sample.report(Sample.growing(exits: false))
        let process = try #require(report.processes.first)
        let rate = try #require(process.trend?.perMinute)
        #expect(abs(rate - 60) < 5)
        #expect(process.secondsToLimit == nil, "hours away, by what was seen for seconds")
        var near = process
        near.limit = process.now + 60
        #expect(abs(try #require(near.secondsToLimit) - 60) < 6)
        near.limit = process.now
        #expect(near.secondsToLimit == 0)
        #expect(Sample.report(Sample.growing(exits: true)).processes.first?.trend == nil)
    }
}

import VMACore

@testable import VMAReport

/// A small observation made by hand: two processes, hooked, with misses of several kinds.
enum Sample {
    static let readWrite: VMAFlags = [.read, .write, .mayRead, .mayWrite, .mayExec]
    static let alone: VMA.Traits = [.chainSingular, .ownRoot, .anonKnown]
    static let stack: [String] = ["fill_hole", "main", "a;b\nc"]

    static func page(_ number: UInt64, pages: UInt64 = 1, pgoff: UInt64? = nil, anonVMA: UInt32 = 0) -> VMA {
        VMA(
            AddressRange(number << 12, (number + pages) << 12), pgoff: pgoff ?? number, flags: readWrite,
            anonVMA: anonVMA, traits: anonVMA == 0 ? [] : alone)
    }

    static func observer() -> Observer {
        let model = KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed)
        let observer = Observer(judge: Judge(model), isHooked: true)
        observer.apply(.file(1, path: "/tmp/\u{1b}[31mred \"quoted\""))
        for (mm, tgid) in [(UInt32(1), UInt32(100)), (2, 200)] {
            observer.apply(.adopted(mm, tgid: tgid, command: "worker\(mm)"))
            observer.apply(.frames(mm, 7, stack))
            var file = page(0x20)
            file.file = 1
            let vmas = [page(0x10, anonVMA: 1), page(0x11, pgoff: 0x50, anonVMA: 1), file]
            observer.apply(.snapshot(mm, vmas, asOf: 0))
            observer.apply(.compared(mm, vmas))
        }
        // Three times a page moved beside one that it does not continue, once beside another
        // anon_vma and another advice, too.
        for _ in 1 ... 3 { attempt(observer, mm: 1, page(0x31, pgoff: 0x99, anonVMA: 1), before: page(0x30, anonVMA: 1)) }
        attempt(observer, mm: 1, page(0x31, pgoff: 0x99, anonVMA: 2), before: page(0x30, anonVMA: 1))
        var advised = page(0x30)
        advised.flags.insert(.dontDump)
        attempt(observer, mm: 2, page(0x31), before: advised)
        attempt(observer, mm: 2, page(0x31), before: page(0x30), merges: true)
        return observer
    }

    static func attempt(_ observer: Observer, mm: MMID, _ proposed: VMA, before: VMA, merges: Bool = false) {
        let origin = Origin(time: 2_500_000_000, mm: mm, tgid: mm * 100, tid: mm * 100)
        let syscall = Syscall(number: 25, arguments: [0x7000, 4096, 4096, 0, 0, 0])
        observer.apply(
            .attempt(
                HookedAttempt(
                    origin, syscall, stack: 7, site: .vmaMerge, proposed: proposed, prev: before, next: nil,
                    middle: nil)))
        if merges { observer.apply(.commit(origin, before.range.union(proposed.range))) }
        observer.apply(
            .section(Section(origin, syscall, stack: 7, ranges: [proposed.range], writes: 1, incomplete: false)))
    }

    /// A process that maps one more page each second for 12 s, none of which merges.
    static func growing(exits: Bool = false, command: String = "growing") -> Observer {
        let observer = Observer(judge: Judge(KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed)), isHooked: true)
        observer.apply(.adopted(1, tgid: 100, command: command))
        observer.apply(.frames(1, 7, stack))
        observer.apply(.snapshot(1, [page(0x10, anonVMA: 1)], asOf: 1_000_000_000))
        for step in 1 ... 12 as ClosedRange<UInt64> {
            let origin = Origin(time: 1_000_000_000 * (step + 1), mm: 1, tgid: 100, tid: 100)
            let new = page(0x10 + step, pgoff: 0x1000 * step, anonVMA: UInt32(step) + 1)
            observer.apply(.rows(Rows(origin, new.range, .after, truncated: false, [new])))
            observer.apply(
                .section(
                    Section(
                        origin, Syscall(number: 9, arguments: [0, 4096, 3, 0x22, 0, 0]), stack: 7, ranges: [new.range],
                        writes: 1, incomplete: false)))
        }
        if exits {
            observer.apply(
                .exit(Life(Origin(time: 13_100_000_000, mm: 1, tgid: 100, tid: 100), parent: 0, parentTgid: 0, command: command)))
        }
        return observer
    }

    static func report(_ observer: Observer = observer()) -> Report {
        Report(
            observer, version: "1.2.3",
            host: Report.Host(kernel: "6.1.0", source: "hooks", mergeRules: observer.judge.model.name),
            started: "2026-01-02T03:04:05Z", startTime: 1_000_000_000, seconds: 12.3456, limit: 65530)
    }

    static func render(_ name: String, _ report: Report = report(), colour: Bool = false) -> String {
        var text = ""
        ReportFormats.named(name, colour: colour)?.render(report, into: &text)
        return text
    }
}

import Foundation
import Testing
import VMACore
import VMAReport

@testable import VMASession
@testable import VMATrace

/// Recordings that somebody made to harm who reads them.
@Suite("A hostile recording")
struct HostileRecordingTests {
    private func header(_ text: String = "6.1.0", waits: Bool = false) -> TraceHeader {
        TraceHeader(
            toolVersion: text, kernel: text, source: "hooks",
            model: KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed),
            isHooked: !waits, waits: waits, started: text, startTime: 1, mapLimit: 65530, hasStacks: true)
    }

    private func replay(
        _ header: TraceHeader, _ events: [Event], end: UInt64 = 2_000_000_000, freeVMAs: Int = Replay.freeVMAs,
        steps: (free: Int, perByte: Int) = Replay.steps
    ) throws -> Replay {
        var writer = TraceWriter()
        var bytes = TraceWriter.start(header)
        for event in events {
            writer.append(event)
            if writer.pendingBytes > 1 << 20 { bytes += writer.takeBlock() }
        }
        bytes += writer.takeBlock() + TraceWriter.end(TraceEnd(time: end))
        let path = NSTemporaryDirectory() + "hostile-\(UUID().uuidString).vmt"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        return try Replay(InputFile(path), for: "perfetto", freeVMAs: freeVMAs, steps: steps)
    }

    private func render(_ replay: Replay, _ format: String) throws -> String {
        var text = ""
        if let shown = ReportFormats.named(format, colour: false) {
            shown.render(replay.findings.report, into: &text)
        } else {
            try ReportFormats.binary(format)!.format.render(replay.findings.report) { text += "\($0.count)" }
        }
        return text
    }

    @Test("steers no terminal by the texts at its head", arguments: ReportFormats.textNames)
    func head(_ format: String) throws {
        let replay = try replay(header("\u{1b}]0;x\u{7}\u{202e}" + String(repeating: "x", count: 100_000)), [])
        let text = try render(replay, format)
        #expect(!text.unicodeScalars.contains { $0.value == 0x1b || $0.value == 7 || $0.value == 0x202e })
        #expect(text.utf8.count < 100_000)
    }

    @Test(
        "has no names of flags but such as the kernel's",
        arguments: ["", "VM_\u{1b}[31m", "vm_x", "VM X", String(repeating: "X", count: 33)])
    func flags(_ name: String) throws {
        var head = header()
        head.model.flagNames = FlagNames(learned: [11: "VM_OTHER", 41: name])
        #expect(throws: (any Error).self) { try replay(head, []) }
        head.model.flagNames = FlagNames(learned: [64: "VM_OTHER"])
        #expect(throws: (any Error).self) { try replay(head, []) }
        head.model.flagNames = FlagNames(learned: [11: "VM_OTHER", 41: "VM_X_2"])
        _ = try replay(head, [])
    }

    @Test("has no limit of VMAs but such as a kernel can have", arguments: ReportFormats.names)
    func limit(_ format: String) throws {
        for limit in [1 << 31, 1 << 61, Int.max - 1] {
            var head = header()
            head.mapLimit = limit
            #expect(throws: (any Error).self) { try replay(head, []) }
        }
        for limit in [0, 1, 1 << 31 - 1] {
            var head = header()
            head.mapLimit = limit
            let vma = VMA(AddressRange(1 << 12, 2 << 12), pgoff: 1, flags: [.read])
            var facts = Refusal.Facts()
            (facts.mapCount, facts.mapLimit) = (UInt64(limit) + 1, UInt64(limit))
            let events: [Event] = [
                .adopted(1, tgid: 7, command: "x"), .snapshot(1, [vma], asOf: 1),
                .refusal(
                    Refusal(
                        Origin(time: 2, mm: 1, tgid: 7, tid: 7), Syscall(number: 9, arguments: []), stack: 0, count: 1,
                        facts: facts)),
            ]
            _ = try render(try replay(head, events), format)
        }
    }

    @Test("is reported whatever its times are", arguments: ReportFormats.names)
    func times(_ format: String) throws {
        for times in [[UInt64.max - 5, 3, .max], [5, 4, 3], [1 << 63, 1, 1 << 62], [0, .max, 0], [.max, .max, 0]] {
            var events: [Event] = [.adopted(1, tgid: 7, command: "x")]
            let vma = { (page: UInt64) in VMA(AddressRange(page << 12, (page + 1) << 12), pgoff: page, flags: [.read]) }
            events.append(.snapshot(1, [vma(1)], asOf: times[0]))
            for (index, time) in times.enumerated() {
                let origin = Origin(time: time, mm: 1, tgid: 7, tid: 7)
                let new = vma(10 + 2 * UInt64(index))
                events.append(.rows(Rows(origin, new.range, .after, truncated: false, [new])))
                events.append(
                    .section(
                        Section(
                            origin, Syscall(number: 9, arguments: [0, 4096, 3, 0x22, 0, 0]), stack: 0, ranges: [new.range],
                            writes: 1,
                            incomplete: false)))
            }
            for end in [0, UInt64.max, 1 << 62] { _ = try render(replay(header(), events, end: end), format) }
        }
    }

    @Test("does not repeat a long text without end")
    func references() throws {
        let long = String(repeating: "y", count: 50_000)
        var events: [Event] = []
        for number in 1 ... 400 as ClosedRange<UInt32> {
            events.append(.adopted(number, tgid: number, command: long))
            events.append(.frames(number, 1, [String](repeating: long, count: 10)))
            events.append(.file(number, path: long))
        }
        let replay = try replay(header(), events)
        #expect(replay.damage == nil)
        #expect(try render(replay, "json").utf8.count < 10_000_000)
    }

    @Test("of very many processes that were refused something lists some, and sums over the others")
    func refusedProcesses() throws {
        let count = 5000
        let vma = VMA(AddressRange(1 << 12, 2 << 12), pgoff: 1, flags: [.read])
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (65_530, 65_530)
        let events = (1 ... UInt32(count)).flatMap { number -> [Event] in
            let refusal = Refusal(
                Self.origin(number, time: 2), Syscall(number: 9, arguments: []), stack: 0, count: number == 4500 ? 7 : 1,
                facts: facts)
            return [.adopted(number, tgid: number, command: "x"), .snapshot(number, [vma], asOf: 1), .refusal(refusal)]
        }
        let replay = try replay(header(), events)
        #expect(replay.damage == nil)
        let text = try render(replay, "json")
        // 6 kB for each process that is listed, and nothing for others.
        #expect(text.utf8.count < 20_000_000, "\(text.utf8.count)")
        struct Parts: Decodable {
            struct Process: Decodable {
                struct Count: Decodable { var now: Int }
                var pid: Int
                var comm: String
                var refused: Int
                var vmas: Count
            }
            struct Folded: Decodable { var processes: Int }
            struct Totals: Decodable { var refused: Int }
            var processes: [Process]
            var folded: Folded
            var totals: Totals
        }
        let parts = try JSONDecoder().decode(Parts.self, from: Data(text.utf8))
        #expect(parts.processes.count == 3001 && parts.folded.processes == count - 3000)
        #expect(parts.processes.contains { $0.pid == 4500 } && parts.processes.last?.comm == "(\(count - 3000) others)")
        #expect(parts.processes.reduce(0) { $0 + $1.vmas.now } == count)
        #expect(parts.totals.refused == count + 6)
    }

    @Test("whose calls were not judged says why on the first screen", arguments: ["text", "json", "html"])
    func unjudged(_ format: String) throws {
        let vma = VMA(AddressRange(1 << 12, 2 << 12), pgoff: 1, flags: [.read])
        var events: [Event] = [.adopted(1, tgid: 1, command: "x"), .snapshot(1, [vma], asOf: 1)]
        for _ in 0 ..< 3 {
            events.append(
                .section(
                    Section(
                        Self.origin(1, time: 2), Syscall(number: 90, arguments: [], isNative: false), stack: 0,
                        ranges: [vma.range],
                        writes: 1, incomplete: false)))
        }
        let text = try render(replay(header(waits: true), events), format)
        #expect(text.contains("not fully: 3 write sections not judged (32-bit calls)"), "\(text)")
        if format == "json" { #expect(text.contains("\"compat\": 3") && text.contains("\"process_madvise\": 0")) }
    }

    @Test("has no more VMAs than its bytes can tell")
    func layouts() throws {
        let vmas = (0 ..< 5000 as Range<UInt64>).map { VMA(AddressRange($0 << 13, ($0 << 13) + 4096), pgoff: $0, flags: [.read]) }
        // The first in full; of the others a bit for each VMA.
        let events = (1 ... 60 as ClosedRange<UInt32>).flatMap { number -> [Event] in
            [.adopted(number, tgid: number, command: "x"), .snapshot(number, vmas, asOf: 5)]
        }
        let replay = try replay(header(), events, freeVMAs: 50_000)
        #expect(replay.damage?.message.contains("more VMAs") == true)
        #expect(replay.findings.report.processes.count < 50)
    }

    private static func vmas(_ count: UInt64, shift: UInt64 = 0, flags: VMAFlags = [.read]) -> [VMA] {
        (0 ..< count).map {
            VMA(
                AddressRange($0 << 13 + shift << 12, $0 << 13 + (shift + 1) << 12), pgoff: $0, flags: flags,
                anonVMA: UInt32($0 + 1))
        }
    }

    private static func origin(_ mm: MMID, time: UInt64 = 1) -> Origin { Origin(time: time, mm: mm, tgid: mm, tid: mm) }

    private static func section(_ mm: MMID, _ number: Int32 = 11, _ range: AddressRange? = nil, time: UInt64 = 1) -> Event {
        .section(
            Section(
                origin(mm, time: time), Syscall(number: number, arguments: [0, 1 << 46, 5, 0x22]), stack: 0,
                ranges: range.map { [$0] } ?? [], writes: 1, incomplete: false))
    }

    private static func life(_ mm: MMID, parent: MMID = 0) -> Life {
        Life(origin(mm), parent: parent, parentTgid: 0, command: "x")
    }

    private static func attempt(_ mm: MMID, _ page: UInt64, _ site: HookedAttempt.Site, prev: VMA? = nil) -> Event {
        let range = AddressRange(page << 12, (page + 1) << 12)
        return .attempt(
            HookedAttempt(
                origin(mm), Syscall(number: 9, arguments: [0, 4096, 3, 0x22]), stack: 0, site: site,
                proposed: VMA(range, pgoff: page, flags: [.read]), prev: prev, next: nil, middle: nil))
    }

    /// Each of them took minutes, or hours, when it was found: each event went through all that the others had left.
    private static let long: [(name: String, isHooked: Bool, events: @Sendable () -> [Event])] = [
        ("losses", false, { (1 ... 15_000).map { .exec(life($0)) } + (1 ... 15_000).map { _ in .lost(1) } }),
        (
            "misses of many processes", true,
            {
                let prev = VMA(AddressRange(15 << 12, 16 << 12), pgoff: 15, flags: [.read, .write])
                return (1 ... 15_000).flatMap { [attempt($0, 16, .modify, prev: prev), section($0)] }
            }
        ),
        ("children of one", true, { [.adopted(1, tgid: 1, command: "x")] + (2 ... 30_000).map { .fork(life($0, parent: 1)) } }),
        (
            "attempts that wait for rows", true,
            { (1 ... 40_000).map { attempt(1, $0 * 2, .iteratedRows) } + [section(1)] }
        ),
        (
            "calls that change very many VMAs", false,
            {
                let (old, new) = (vmas(30_000), vmas(30_000, flags: [.read, .exec]))
                let range = AddressRange(0, old.last!.end)
                return [
                    .rows(Rows(origin(1), range, .before, truncated: false, old)),
                    .rows(Rows(origin(1), range, .after, truncated: false, new)), section(1, 10, range),
                ]
            }
        ),
        (
            "calls that map very many VMAs", false,
            {
                let (old, new) = (vmas(30_000), vmas(30_000, shift: 1))
                let range = AddressRange(0, new.last!.end)
                return [
                    .rows(Rows(origin(1), range, .before, truncated: false, old)),
                    .rows(Rows(origin(1), range, .after, truncated: false, new)), section(1, 9, range),
                ]
            }
        ),
    ]

    @Test("ends", .timeLimit(.minutes(3)), arguments: long.indices)
    func ends(_ index: Int) throws {
        let (_, isHooked, events) = Self.long[index]
        var header = header()
        (header.isHooked, header.waits) = (isHooked, !isHooked)
        let replay = try replay(header, events())
        #expect(replay.damage == nil)
        #expect(try !render(replay, "text").isEmpty)
    }

    @Test("does not have a large layout gone through by each of its events")
    func effort() throws {
        let layout: [Event] = [.adopted(1, tgid: 1, command: "x"), .snapshot(1, Self.vmas(5000), asOf: 1)]
        let sections = [Event](repeating: Self.section(1, 11, AddressRange(0, 1 << 40)), count: 5000)
        let damage = try replay(header(), layout + sections, steps: (1_000_000, 10)).damage
        #expect(damage?.message.contains("go through more VMAs") == true && damage?.status == 65)
        // What observations have is far from that.
        #expect(try replay(header(), layout + sections.prefix(100), steps: (1_000_000, 10)).damage == nil)
    }
}

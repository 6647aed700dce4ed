import Foundation
import Testing
import VMACore
import VMAReport

@testable import VMASession
@testable import VMATrace

/// Recordings that somebody made to harm who reads them.
@Suite("A hostile recording")
struct HostileRecordingTests {
    private func header(_ text: String = "6.1.0") -> TraceHeader {
        TraceHeader(
            toolVersion: text, kernel: text, source: "hooks",
            model: KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed),
            isHooked: true, waits: false, started: text, startTime: 1, mapLimit: 65530, hasStacks: true)
    }

    private func replay(
        _ header: TraceHeader, _ events: [Event], end: UInt64 = 2_000_000_000, freeVMAs: Int = Replay.freeVMAs
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
        return try Replay(InputFile(path), freeVMAs: freeVMAs)
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

    @Test("is reported whatever its times are", arguments: ReportFormats.names)
    func times(_ format: String) throws {
        for times in [[UInt64.max - 5, 3, .max], [5, 4, 3], [1 << 63, 1, 1 << 62], [0, .max, 0]] {
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
}

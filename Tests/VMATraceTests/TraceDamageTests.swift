import Foundation
import TestSupport
import Testing
import VMACore
import VMAReport

@testable import VMATrace

@Suite("A damaged recording")
struct TraceDamageTests {
    static let events: [Event] = {
        var source = EventSource(11)
        return source.events(60)
    }()
    static let whole = Recording.bytes(events)

    @Test("that is cut off anywhere gives its whole blocks, and says so")
    func cut() {
        let blocks = Recording.blocks(Self.whole)
        for length in 0 ..< Self.whole.count {
            let reading = Recording.read(Array(Self.whole[..<length]))
            // The header and the end hold no events.
            let complete = blocks.dropFirst().count { $0 <= length } - 1
            let expected = length < blocks[1] ? 0 : max(0, complete) * 20
            #expect(reading.events.count == expected, "\(length)")
            #expect(reading.end == nil)
            switch reading.error {
            case .empty: #expect(length == 0)
            case .cut(let at): #expect(at == (length < 12 ? 0 : blocks.last { $0 <= length }!))
            default: Issue.record("\(length): \(String(describing: reading.error))")
            }
        }
    }

    @Test("with any bit turned over is found out, and gives nothing that was not written")
    func flips() {
        let written = Self.events.map { "\($0)" }
        let end = Recording.blocks(Self.whole).last!
        for index in Self.whole.indices {
            var bytes = Self.whole
            bytes[index] ^= 1 << UInt8(index % 8)
            let reading = Recording.read(bytes)
            #expect(reading.error != nil, "byte \(index)")
            #expect(reading.events.count < written.count || index >= end)
            if let last = reading.events.last { #expect("\(last)" == written[reading.events.count - 1]) }
        }
    }

    @Test("that is none, or is for a later reader, is told apart")
    func foreign() {
        #expect(Recording.read([]).error == .empty)
        #expect(Recording.read(Array("#!/bin/sh\n".utf8)).error == .foreign)
        #expect(Recording.read(Array(repeating: 0, count: 100)).error == .foreign)
        var newer = Self.whole
        newer[8] = 5
        #expect(Recording.read(newer).error == .newer(version: 5))
        #expect(Recording.read(newer).error?.message.contains("version 5") == true)
        newer[8] = 0
        #expect(Recording.read(newer).error == .damaged(at: 8, "there is no version 0 of the format"))
    }

    @Test("is not one that has blocks of a kind which is not known here: they are passed over")
    func unknownBlocks() {
        let blocks = Recording.blocks(Self.whole)
        var block = TraceFormat.bytes(77, 3, 5, 0) + [1, 2, 3]
        block.replaceSubrange(12 ..< 16, with: TraceFormat.bytes(Checksum.of(Array(block[..<12]), [1, 2, 3])))
        var bytes = Self.whole
        bytes.insert(contentsOf: block, at: blocks[2])
        let reading = Recording.read(bytes)
        #expect(reading.error == nil)
        #expect(reading.events.count == Self.events.count)
    }

    @Test("that has something behind its end, or two headers, or none, is refused there")
    func order() {
        let blocks = Recording.blocks(Self.whole)
        #expect(Recording.read(Self.whole + [0]).error == .damaged(at: Self.whole.count, "data after the end"))
        let header = Array(Self.whole[blocks[0] ..< blocks[1]])
        var twice = Self.whole
        twice.insert(contentsOf: header, at: blocks[1])
        #expect(Recording.read(twice).error == .damaged(at: blocks[1], "a second header"))
        var without = Self.whole
        without.removeSubrange(blocks[0] ..< blocks[1])
        #expect(Recording.read(without).error == .damaged(at: 12, "no header at the start"))
    }

    @Test("that knows merge rules which are not known here can't be judged")
    func rules() {
        var bytes = Self.whole
        let name = Array("fork-child".utf8)
        let at = bytes.indices.first { bytes[$0...].starts(with: name) }!
        bytes[at] = UInt8(ascii: "F")
        Recording.mend(&bytes)
        #expect(Recording.read(bytes).error == .damaged(at: 12, "an unknown merge rule: Fork-child"))
    }

    @Test("that says it is larger than it is takes no more than there is")
    func claims() {
        for claim: UInt32 in [1 << 20, .max] {
            var bytes = Self.whole
            let at = Recording.blocks(bytes)[1]
            bytes.replaceSubrange(at + 4 ..< at + 8, with: TraceFormat.bytes(claim))
            let source = Recording.source(bytes)
            var most = 0
            #expect(throws: TraceError.cut(at: at)) {
                var reader = try TraceReader { count in
                    most = max(most, count)
                    return try source(count)
                }
                while try reader.next({ _ in }) {}
            }
            #expect(most <= 1 << 18)
        }
        // Numbers of VMAs, frames and events that there is no room for.
        for payload in [[20, 1, 0xff, 0xff, 0xff, 0x7f], [21, 1, 1, 0xff, 0xff, 0xff, 0x7f], [17]] as [[UInt8]] {
            var bytes = TraceWriter.start(Recording.header)
            bytes += TraceFormat.bytes(2, UInt32(payload.count), .max, 0) + payload
            Recording.mend(&bytes)
            guard case .damaged = Recording.read(bytes).error else {
                Issue.record("\(payload) was taken")
                continue
            }
        }
    }

    /// VMASCOPE_FUZZ=N for N inputs, VMASCOPE_FUZZ_SEED=N for others than those of seed 1.
    @Test("whatever its bytes are, ends in a report")
    func fuzz() {
        func setting(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }
        let wanted = Int(setting("VMASCOPE_FUZZ") ?? 1000)
        var fuzzer = Fuzzer(seed: setting("VMASCOPE_FUZZ_SEED") ?? 1)
        let (start, seconds) = (Date(), setting("VMASCOPE_FUZZ_SECONDS").map { Double($0) })
        var (done, slowest) = (0, 0.0)
        // Processor time of this thread: a busy machine makes no recording slow.
        func processorTime() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        while seconds.map({ Date().timeIntervalSince(start) < $0 }) ?? (done < wanted) {
            let (state, begin) = (fuzzer.dice.state, processorTime())
            fuzzer.round()
            let time = processorTime() - begin
            #expect(time < 2, "recording \(done), made from \(state), took \(time) s")
            slowest = max(slowest, time)
            done += 1
        }
        let count = done
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        #expect(fuzzer.reports + fuzzer.refused == count)
        // They get past the checks of the frame, and past those of the events.
        #expect(fuzzer.reports > count / 4)
        #expect(fuzzer.events > count)
        print(
            "fuzzed \(count) recordings: \(fuzzer.reports) reports, \(fuzzer.whole) of whole recordings; \(fuzzer.events) events; the slowest took \(Int(slowest * 1000)) ms, \(usage.ru_maxrss >> 10) MB at most"
        )
    }
}

/// Makes recordings that are wrong, and has each reported.
private struct Fuzzer {
    var dice: SplitMix64
    var seeds: [[UInt8]]
    var reports = 0
    var whole = 0
    var refused = 0
    var events = 0

    init(seed: UInt64) {
        dice = SplitMix64(state: seed)
        seeds = (1 ... 16 as ClosedRange<UInt64>).map { seed in
            var source = EventSource(seed)
            var header = Recording.header
            header.isHooked = seed % 2 == 0
            header.waits = seed % 3 == 0
            return Recording.bytes(source.events(Int(seed) * 6), perBlock: 25, header: header)
        }
    }

    mutating func round() {
        var bytes = seeds[dice.below(seeds.count)]
        for _ in 0 ... dice.below(6) { damage(&bytes) }
        // Behind a checksum that is wrong nothing would be looked at.
        if !dice.chance(16) { Recording.mend(&bytes) }
        var reader: TraceReader
        do {
            reader = try TraceReader(Recording.source(bytes))
        } catch {
            refused += 1
            return
        }
        let header = reader.header
        let observer = Observer(judge: Judge(header.model), isHooked: header.isHooked, waits: header.waits)
        do {
            while try reader.next({ event in
                observer.apply(event)
                _ = observer.takeRequests()
                events += 1
            }) {}
            whole += 1
        } catch {}
        let end = reader.end?.time ?? 0
        let report = Report(
            observer, version: header.toolVersion,
            host: Report.Host(kernel: header.kernel, source: header.source, mergeRules: header.model.name),
            started: header.started, startTime: header.startTime,
            seconds: end > header.startTime ? Double(end - header.startTime) / 1e9 : 0, limit: header.mapLimit)
        // One of them each time: all would take most of the time.
        let name = ReportFormats.names[dice.below(ReportFormats.names.count)]
        var text = ""
        if let format = ReportFormats.named(name, colour: false) {
            format.render(report, into: &text)
        } else {
            try? ReportFormats.binary(name)!.format.render(report) { text += "\($0.count)" }
        }
        reports += 1
    }

    private mutating func damage(_ bytes: inout [UInt8]) {
        guard bytes.count > 12 else { return }
        // Mostly behind the frame's first block, which little passes through.
        let from = dice.chance(20) ? 0 : min(bytes.count - 1, Recording.blocks(bytes).dropFirst().first ?? 12)
        let at = from + dice.below(bytes.count - from)
        let interesting: [UInt8] = [0, 1, 2, 0x7f, 0x80, 0xff, 16, 20]
        switch dice.below(8) {
        case 0: bytes[at] = UInt8(truncatingIfNeeded: dice.next())
        case 1: bytes[at] ^= 1 << UInt8(dice.below(8))
        case 2, 3: bytes[at] = interesting[dice.below(interesting.count)]
        case 4: bytes.insert(contentsOf: (0 ..< 1 + dice.below(10)).map { _ in UInt8(truncatingIfNeeded: dice.next()) }, at: at)
        case 5: bytes.removeSubrange(at ..< min(bytes.count, at + 1 + dice.below(10)))
        case 6:
            // A piece of it once more, elsewhere.
            let piece = Array(bytes[at ..< min(bytes.count, at + dice.below(60))])
            bytes.insert(contentsOf: piece, at: from + dice.below(bytes.count - from))
        default: if dice.chance(4) { bytes.removeSubrange(at...) }
        }
        fitLengths(&bytes)
    }

    /// The last block but the end grows or shrinks with what was put in or taken out.
    private mutating func fitLengths(_ bytes: inout [UInt8]) {
        guard dice.chance(2), let at = Recording.blocks(bytes).last(where: { TraceFormat.value(bytes, at: $0) == 2 })
        else { return }
        bytes.replaceSubrange(at + 4 ..< at + 8, with: TraceFormat.bytes(UInt32(bytes.count - at - TraceFormat.headSize)))
    }
}

import Testing
import VMACore

@testable import VMATrace

@Suite("A recording")
struct TraceTests {
    @Test("gives back what went into it, events of every kind", arguments: 1 ... 8 as ClosedRange<UInt64>)
    func roundTrip(_ seed: UInt64) {
        var source = EventSource(seed)
        let events = (0 ..< EventSource.kinds).map { source.event($0) } + source.events(150)
        let expected = events.map { "\($0)" }
        let bytes = Recording.bytes(events, perBlock: 1 + Int(seed) * 3)
        for atOnce in [Int.max, 7] {
            let reading = Recording.read(bytes, atOnce: atOnce)
            #expect(reading.error == nil)
            #expect(reading.header == Recording.header)
            #expect(reading.end == TraceEnd(time: 2_000_000_000_000))
            #expect(reading.events.map { "\($0)" } == expected)
        }
    }

    @Test("remembers no more than it may: what is forgotten is told again")
    func forgetting() {
        // More threads and kinds than any of its books holds.
        let rows = (0 ..< 10_000).map { index in
            let start = 0x1000_0000 + UInt64(index) << 12
            let vma = VMA(AddressRange(start, start + 0x1000), pgoff: 0, flags: [], file: UInt32(index % 5000))
            let origin = Origin(time: UInt64(index), mm: 1, tgid: 1, tid: UInt32(index % 5000))
            return Rows(origin, vma.range, .grown, truncated: false, [vma])
        }
        let again = Recording.read(Recording.bytes(rows.map { .rows($0) }, perBlock: 1000)).events
        #expect(again.count == rows.count)
        for case (.rows(let read), let written) in zip(again, rows)
        where read.origin != written.origin || read.vmas != written.vmas {
            Issue.record("\(read) for \(written)")
        }
        var book = WordBook<String>(limit: 2)
        for word in ["a", "b", "a", "c"] where book.number(of: word) == 0 { book.add(word) }
        #expect(["a", "b", "c"].map { book.number(of: $0) } == [0, 0, 1])
        #expect(book[1] == "c" && book[2] == nil && book[0] == nil)
    }

    @Test("keeps all that a report needs of the whole")
    func facts() {
        var header = Recording.header
        header.model = KernelModel(anonVMARule: .neighbour, hole: .next, close: .any, ignoredFlags: [])
        header.model.keptSource = .alone
        (header.mapLimit, header.isHooked, header.waits, header.hasStacks) = (nil, true, false, false)
        let end = TraceEnd(time: .max, damage: "a record of kind 77")
        let reading = Recording.read(Recording.bytes([], header: header, end: end))
        #expect(reading.header == header)
        #expect(reading.end == end)
        #expect(reading.error == nil)
    }

    @Test("has all merge rules in its header: a new one goes there, too (ByteStream.model)")
    func rules() {
        let known: Set = [
            "anonVMARule", "mergesCopiesOfForks", "keptSource", "hole", "close", "ignoredFlags", "addsMergeableLate",
            "hasAnonPgoff", "dropsAccount", "brk", "names", "flagNames",
        ]
        let other = KernelModel(anonVMARule: .neighbour, hole: .next, close: .any, ignoredFlags: [])
        let labels = { (model: KernelModel) in Mirror(reflecting: model).children.map { ($0.label!, "\($0.value)") } }
        #expect(Set(labels(other).map(\.0)) == known)
        // The sample has each of them set, so that one which is left out shows.
        for (sample, plain) in zip(labels(Recording.header.model), labels(other)) {
            #expect(sample.1 != plain.1, "\(sample.0)")
        }
    }

    @Test("tells what came again in few bytes")
    func density() {
        var source = EventSource(5)
        guard case .snapshot(let mm, let vmas, _) = source.event(13) else { return }
        let many = Array(repeating: Event.compared(mm, vmas), count: 100)
        let first = Recording.bytes([many[0]]).count
        let all = Recording.bytes(many, perBlock: 100).count
        // A bit for each VMA, and a few bytes for each event.
        #expect(all - first <= 99 * (5 + vmas.count / 8))
    }

    @Test("has the checksum that zlib has")
    func checksum() {
        #expect(Checksum.of(Array("123456789".utf8)) == 0xcbf4_3926)
        #expect(Checksum.of([], Array("1234".utf8), Array("56789".utf8)) == 0xcbf4_3926)
    }

    @Test("is as docs/trace-format.md shows it, byte for byte")
    func bytes() {
        var writer = TraceWriter()
        writer.append(.lost(300))
        writer.append(.adopted(1, tgid: 1234, command: "sh"))
        let payload: [UInt8] = [0x10, 0xac, 0x02, 0x12, 0x01, 0xd2, 0x09, 0x00, 0x02, 0x73, 0x68]
        let head: [UInt8] = [2, 0, 0, 0, 11, 0, 0, 0, 2, 0, 0, 0]
        #expect(writer.takeBlock() == head + TraceFormat.bytes(Checksum.of(head, payload)) + payload)
        let start = TraceWriter.start(Recording.header)
        #expect(start[..<12] == [0x89, 0x56, 0x4d, 0x54, 0x0d, 0x0a, 0x1a, 0x0a, 4, 0, 0, 0])
    }
}

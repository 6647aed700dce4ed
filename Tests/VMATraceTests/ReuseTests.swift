import CVMAEvent
import Testing
import VMACore

@testable import VMATrace

/// Both decoders put the VMAs of one event where those of the last one were.
@Suite("An event that is kept")
struct ReuseTests {
    private func vmas(_ event: Event) -> [AddressRange]? {
        if case .rows(let rows) = event { rows.vmas.map(\.range) } else { nil }
    }

    @Test("stays what it was when the next record is decoded")
    func wire() throws {
        var decoder = WireDecoder()
        let first = try decoder.decode(rowsRecord([row(0x1000, 0x2000), row(0x3000, 0x4000)]))
        let second = try decoder.decode(rowsRecord([row(0x5000, 0x6000)]))
        let third = try decoder.decode(rowsRecord([]))
        #expect(vmas(first) == [AddressRange(0x1000, 0x2000), AddressRange(0x3000, 0x4000)])
        #expect(vmas(second) == [AddressRange(0x5000, 0x6000)])
        #expect(vmas(third) == [])
    }

    @Test("is not the last one's where a record is refused half way")
    func refused() throws {
        var decoder = WireDecoder()
        _ = try decoder.decode(rowsRecord([row(0x1000, 0x2000), row(0x3000, 0x4000), row(0x5000, 0x6000)]))
        #expect(throws: WireDecoder.Failure.self) {
            try decoder.decode(rowsRecord([row(0x3000, 0x4000), row(0x1000, 0x2000)]))
        }
        let snapshot = UInt16(VME_SNAPSHOT.rawValue)
        let cut = try decoder.decode(rowsRecord([row(0x3000, 0x4000), row(0x1000, 0x2000)], reason: snapshot))
        #expect(vmas(cut) == [AddressRange(0x3000, 0x4000)])
    }

    @Test("stays what it was when the next of a recording is read")
    func recording() throws {
        var source = EventSource(5)
        let events = (0..<20).map { _ in source.event(0) }
        let read = Recording.read(Recording.bytes(events)).events
        #expect(read.count == 20 && read.map(vmas) == events.map(vmas))
    }
}

@Suite("A section of a recording")
struct SectionRangesTests {
    @Test("of more ranges than one can have is refused")
    func many() {
        var writer = TraceCodec(ByteWriter())
        let origin = Origin(time: 5, mm: 1, tgid: 2, tid: 3)
        let syscall = Syscall(number: 9, arguments: [])
        writer.write(
            .section(Section(origin, syscall, stack: 0, ranges: [], writes: 1, incomplete: false)))
        // The last three bytes: no ranges, the syscall, none of its arguments.
        var bytes = writer.stream.bytes
        #expect(bytes[bytes.count - 3] == 0)
        bytes[bytes.count - 3] = 3
        var reader = TraceCodec(ByteReader(bytes + Array(repeating: 0, count: 20)))
        #expect(reader.read() == nil)
        #expect(reader.stream.damage == "a section of 3 ranges")
    }
}

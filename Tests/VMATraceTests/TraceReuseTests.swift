import Testing
import VMACore

@testable import VMATrace

/// The decoder puts the VMAs of one event where those of the last one were.
@Suite("An event that is kept, of a recording")
struct TraceReuseTests {
    private func vmas(_ event: Event) -> [AddressRange]? {
        if case .rows(let rows) = event { rows.vmas.map(\.range) } else { nil }
    }

    @Test("stays what it was when the next of a recording is read")
    func recording() throws {
        var source = EventSource(5)
        let events = (0 ..< 20).map { _ in source.event(0) }
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
        #expect(reader.stream.damage == "a section with 3 ranges")
    }
}

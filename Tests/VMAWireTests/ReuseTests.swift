import CVMAWire
import Testing
import VMACore

@testable import VMAWire

/// Each decoder puts the VMAs of one event where those of the last one were.
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
}

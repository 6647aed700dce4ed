import CVMAWire
import Testing
import VMACore

@testable import VMAWire

@Suite("Where all are watched")
struct WireFlowTests {
    @Test("a section tells by what chance it was chosen, and how many VMAs it added")
    func chosen() throws {
        var decoder = WireDecoder()
        guard case .section(let all) = try decoder.decode(sectionRecord()),
            case .section(let some) = try decoder.decode(sectionRecord(oneIn: 40, growth: -2))
        else { throw Unexpected() }
        #expect(all.oneIn == 0 && some.oneIn == 40 && some.growth == -2)
    }

    @Test("what was counted of an address space that is gone is no event, and its number is free")
    func tally() throws {
        var tally = vme_tally()
        tally.h = header(VME_TALLY)
        tally.counts.told = 9
        tally.counts.skipped = 6
        tally.born = 77
        withUnsafeMutableBytes(of: &tally.counts.sections) { bytes in
            // mprotect, which is the fourth operation, leaving more VMAs.
            bytes.storeBytes(of: 7, toByteOffset: (3 * 3 + 2) * 8, as: UInt64.self)
        }
        withUnsafeMutableBytes(of: &tally.counts.attempts) { $0.storeBytes(of: 5, toByteOffset: 3 * 8, as: UInt64.self) }
        withUnsafeMutableBytes(of: &tally.counts.merged) { $0.storeBytes(of: 4, toByteOffset: 3 * 8, as: UInt64.self) }
        var decoder = WireDecoder()
        let id = decoder.interners.mms.id(tally.h.mm)
        let found = try #require(bytes(tally).withUnsafeBytes { decoder.tally($0) })
        #expect(found.mm == id && found.counts.recorded == 9 && found.counts.skipped == 6 && found.counts.born == 77)
        #expect(found.counts.sections.reduce(0, +) == 7 && found.counts[3, 2] == 7)
        #expect(found.counts.attempts == [0, 0, 0, 5] + Array(repeating: 0, count: Operation.allCases.count - 4))
        #expect(found.counts.merged.reduce(0, +) == 4 && found.counts.merged[3] == 4)
        #expect(decoder.interners.mms.id(tally.h.mm) != id)
        #expect(sectionRecord().withUnsafeBytes { decoder.tally($0) } == nil)
    }
}

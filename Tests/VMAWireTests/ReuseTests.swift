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

@Suite("Numbers of the kernel's objects")
struct InternerTests {
    @Test("are bounded: those that nothing has are forgotten, and the newest are kept")
    func bounded() {
        var interner = Interner()
        let (first, second) = (interner.id(0x1000), interner.id(0x2000))
        var most = 0
        for pointer in 3 ... 400_000 as ClosedRange<UInt64> {
            _ = interner.id(pointer << 12)
            if interner.isCrowded { interner.keep { $0 == first } }
            most = max(most, interner.count)
        }
        #expect(most <= 100_001)
        #expect(interner.id(0x1000) == first && interner.id(0x2000) > second && interner.id(400_000 << 12) == 400_000)
    }

    @Test("of a decoder are kept as far as an observation has them")
    func decoder() throws {
        var decoder = WireDecoder()
        func vma(_ number: UInt64) throws -> VMA {
            var row = row(0x1000, 0x2000)
            (row.policy, row.uffd, row.anon_vma, row.name) = (number, number, number, number)
            guard case .rows(let rows) = try decoder.decode(rowsRecord([row])) else { throw WireDecoder.Failure.invalid("") }
            return rows.vmas[0]
        }
        let observer = Observer(judge: Judge(KernelModel(anonVMARule: .forkChild, hole: .prev, close: .any)), isHooked: false)
        let first = try vma(1)
        observer.apply(.adopted(1, tgid: 1, command: "x"))
        observer.apply(.snapshot(1, [first], asOf: 1))
        let second = try vma(2)
        var round = UInt64(3)
        while !decoder.isCrowded {
            _ = try vma(round)
            round += 1
        }
        observer.forgetUnused()
        decoder.keep(observer.kept)
        #expect(!decoder.isCrowded)
        let again = (try vma(1), try vma(2), try vma(round - 1))
        #expect(again.0 == first)
        #expect(again.1.policy > second.policy && again.1.uffd > second.uffd && again.1.anonVMA > second.anonVMA)
        #expect(again.2.policy == UInt32(round - 1))
    }

    @Test("of files are too many at some time, even where the ring is never empty")
    func overcrowded() throws {
        var decoder = WireDecoder()
        let observer = Observer(judge: Judge(KernelModel(anonVMARule: .forkChild, hole: .prev, close: .any)), isHooked: false)
        var rounds = 0
        for file in 1 ... 500_000 as ClosedRange<UInt64> {
            var row = row(0x1000, 0x2000)
            row.file = file << 12
            guard case .rows(let rows) = try decoder.decode(rowsRecord([row])) else { throw WireDecoder.Failure.invalid("") }
            observer.apply(.file(rows.vmas[0].file, path: "/memfd:"))
            if decoder.isOvercrowded {
                observer.forgetUnused()
                decoder.keep(observer.kept)
                rounds += 1
                #expect(!decoder.isOvercrowded)
            }
        }
        // After the first 200,000, and after as many again but for the newest.
        #expect(rounds == 2)
    }
}

import CVMAWire
import TestSupport
import Testing
import VMACore

@testable import VMAWire

/// The error of a record that can't be decoded.
private func failure(_ record: [UInt8]) -> WireDecoder.Failure? {
    var decoder = WireDecoder()
    do {
        _ = try decoder.decode(record)
        return nil
    } catch {
        return error as? WireDecoder.Failure
    }
}

@Suite("A damaged record")
struct WireDamageTests {
    @Test("that is cut off anywhere is refused", arguments: everyRecord.indices)
    func truncated(_ index: Int) {
        let record = everyRecord[index]
        #expect(failure(record) == nil)
        for length in 0 ..< record.count {
            guard case .short(_, length, let needed) = failure(Array(record[..<length])) else {
                Issue.record("\(length) of \(record.count) bytes were taken")
                return
            }
            #expect(needed > length)
        }
    }

    @Test("that is longer than it need be is taken: a later writer may append to it", arguments: everyRecord.indices)
    func longer(_ index: Int) {
        #expect(failure(everyRecord[index] + [1, 2, 3]) == nil)
    }

    @Test("of a kind that is not known is refused by its number", arguments: [0, 11, 255, 0xffff] as [UInt16])
    func unknownKind(_ kind: UInt16) {
        var other = header(VME_COMMIT)
        other.kind = kind
        #expect(failure(bytes(other) + Array(repeating: 0, count: 2000)) == .unknownKind(kind))
    }

    @Test("with more rows than there is room for, or than it has, is refused")
    func tooManyRows() {
        let one = row(0x1000, 0x2000)
        for count: UInt32 in [UInt32(VME_ROWS_MAX) + 1, 1000, .max] {
            let record = rowsRecord([one], count: count) + Array(repeating: 0, count: 10_000)
            guard case .short = failure(record) else {
                Issue.record("\(count) rows were taken")
                continue
            }
        }
        #expect(failure(rowsRecord([one], count: 2)) == .short(kind: 1, bytes: 144, needed: 232))
    }

    @Test("with values that mean nothing is refused")
    func invalid() {
        #expect(failure(rowsRecord([], reason: 0)) == .invalid("rows for the unknown reason 0"))
        #expect(failure(rowsRecord([], reason: 8)) == .invalid("rows for the unknown reason 8"))
        #expect(failure(attemptRecord(site: 0)) == .invalid("an attempt at the unknown site 0"))
        #expect(failure(attemptRecord(site: 8)) == .invalid("an attempt at the unknown site 8"))
    }

    @Test("whose rows are not in order is refused: a layout relies on it")
    func disorder() {
        for rows in [
            [row(0x2000, 0x2000)], [row(0x3000, 0x2000)], [row(0x2000, 0x3000), row(0x1000, 0x2000)],
            [row(0x1000, 0x3000), row(0x2000, 0x4000)],
        ] {
            #expect(failure(rowsRecord(rows)) == .invalid("rows out of order"))
        }
    }

    @Test("that was read without the lock, while somebody changed it, ends where it is in disorder")
    func changedMeanwhile() throws {
        var decoder = WireDecoder()
        let rows = [row(0x1000, 0x2000), row(0x3000, 0x2000), row(0x4000, 0x5000)]
        guard case .rows(let found) = try decoder.decode(rowsRecord(rows, reason: UInt16(VME_SNAPSHOT.rawValue))) else {
            throw Unexpected()
        }
        #expect(found.truncated && found.vmas.map(\.start) == [0x1000])
    }

    @Test("never ends the program: random bytes", arguments: [1, 2, 3] as [UInt64])
    func random(_ seed: UInt64) {
        var random = SplitMix64(state: seed)
        var decoder = WireDecoder()
        for _ in 0 ..< 3_000 {
            var record = (0 ..< Int.random(in: 0 ... 1_500, using: &random)).map { _ in random.byte() }
            // Most of them with a kind that exists, or nothing else would be tried.
            if record.count > 1, Int.random(in: 0 ..< 10, using: &random) > 0 {
                (record[0], record[1]) = (UInt8.random(in: 0 ... 10, using: &random), 0)
            }
            record.withUnsafeBytes { _ = decoder.missing(before: $0) }
            _ = try? decoder.decode(record)
        }
    }

    @Test(
        "never ends the program: good records with some bytes changed, as far as the verdicts",
        arguments: [4, 5, 6] as [UInt64])
    func mutated(_ seed: UInt64) {
        var random = SplitMix64(state: seed)
        var decoder = WireDecoder()
        let model = KernelModel(anonVMARule: .neighbour, hole: .next, close: .any)
        let observer = Observer(judge: Judge(model), isHooked: Bool.random(using: &random))
        var taken = 0
        for _ in 0 ..< 3_000 {
            var record = everyRecord.randomElement(using: &random)!
            for _ in 0 ..< Int.random(in: 0 ... 4, using: &random) {
                record[Int.random(in: 2 ..< record.count, using: &random)] = random.byte()
            }
            guard let event = try? decoder.decode(record) else { continue }
            observer.apply(event)
            taken += 1
        }
        #expect(taken > 1_000)
    }
}

@Suite("The numbers of records")
struct SequenceTests {
    @Test("that are complete miss nothing")
    func complete() {
        var decoder = WireDecoder()
        for seq: UInt32 in 0 ..< 100 { #expect(decoder.missing(cpu: 0, seq: seq) == 0) }
    }

    @Test("begin at 0 on each CPU, so what came before the first is missing")
    func first() {
        var decoder = WireDecoder()
        #expect(decoder.missing(cpu: 3, seq: 0) == 0)
        #expect(decoder.missing(cpu: 4, seq: 7) == 7)
        #expect(decoder.missing(cpu: 4, seq: 8) == 0)
    }

    @Test("show a gap once, on their own CPU")
    func gaps() {
        var decoder = WireDecoder()
        #expect(decoder.missing(cpu: 0, seq: 0) == 0)
        #expect(decoder.missing(cpu: 1, seq: 0) == 0)
        #expect(decoder.missing(cpu: 0, seq: 4) == 3)
        #expect(decoder.missing(cpu: 1, seq: 1) == 0)
        #expect(decoder.missing(cpu: 0, seq: 5) == 0)
        #expect(decoder.missing(cpu: 1, seq: 1_000_000) == 999_998)
    }

    @Test("go on at 0 after 2^32")
    func wrapAround() {
        var decoder = WireDecoder()
        // No gap of more than half of them is believed, so it takes some steps to get there.
        for seq: UInt32 in [0x7fff_ffff, 0xffff_fff0] { _ = decoder.missing(cpu: 0, seq: seq) }
        #expect(decoder.missing(cpu: 0, seq: 0xffff_fff1) == 0)
        #expect(decoder.missing(cpu: 0, seq: 0xffff_ffff) == 13)
        #expect(decoder.missing(cpu: 0, seq: 0) == 0)
        #expect(decoder.missing(cpu: 0, seq: 1) == 0)
        #expect(decoder.missing(cpu: 0, seq: 5) == 3)
    }

    @Test("that wrap inside a gap count it whole")
    func wrapInGap() {
        var decoder = WireDecoder()
        for seq: UInt32 in [0x7fff_ffff, 0xffff_fffd] { _ = decoder.missing(cpu: 0, seq: seq) }
        #expect(decoder.missing(cpu: 0, seq: 2) == 4)
    }

    @Test("of one that was overtaken miss it once, and not four billion when it comes")
    func overtaken() {
        var decoder = WireDecoder()
        #expect(decoder.missing(cpu: 0, seq: 0) == 0)
        #expect(decoder.missing(cpu: 0, seq: 2) == 1)
        #expect(decoder.missing(cpu: 0, seq: 1) == 0)
        #expect(decoder.missing(cpu: 0, seq: 3) == 0)
    }

    @Test("at the end show what no later record could")
    func end() {
        var decoder = WireDecoder()
        #expect(decoder.missing(cpu: 0, seq: 0) == 0)
        #expect(decoder.missing(cpu: 2, seq: 0) == 0)
        #expect(decoder.missing(atEnd: [1, 0, 4]) == 3)
        #expect(decoder.missing(atEnd: [1, 0, 4]) == 0)
    }

    @Test("of a record too short to have one say nothing")
    func short() {
        var decoder = WireDecoder()
        let some: [UInt8] = [4, 0, 0, 0, 9, 0, 0, 0]
        some.withUnsafeBytes { #expect(decoder.missing(before: $0) == 0) }
    }
}

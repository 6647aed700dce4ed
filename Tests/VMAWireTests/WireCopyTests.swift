import CVMAWire
import Testing
import VMACore
import VMAWire

/// Copies of stacks, and what the stack of a record is called.
@Suite("A copy of a stack")
struct WireCopyTests {
    static func copy(_ key: UInt64, count: Int, says: UInt32? = nil, other: UInt64 = 0) -> [UInt8] {
        var copy = vme_copy()
        copy.h.kind = UInt16(VME_COPY.rawValue)
        copy.h.mm = 0xffff_8880_0000_1000
        copy.h.tgid = 12
        copy.key = key
        copy.registers.1 = 0x7fff_0000
        copy.asked = 4096
        copy.other = other
        copy.count = says ?? UInt32(count)
        copy.more = 1
        let bytes = withUnsafeBytes(of: copy) { Array($0) }
        return Array(bytes.prefix(MemoryLayout<vme_copy>.offset(of: \vme_copy.bytes)! + count))
    }

    static func section(_ stack: UInt64) -> [UInt8] {
        var section = vme_section()
        section.h.kind = UInt16(VME_SECTION.rawValue)
        section.stack = stack
        return withUnsafeBytes(of: section) { Array($0) }
    }

    @Test("has no more bytes than its record")
    func damage() {
        var decoder = WireDecoder()
        Self.copy(1, count: 40).withUnsafeBytes { record in
            let piece = decoder.copyPiece(record)
            #expect(piece?.bytes.count == 40 && piece?.stackPointer == 0x7fff_0000 && piece?.hasMore == true)
            #expect(piece?.other == 0)
        }
        Self.copy(1, count: 40, other: 0xc000_0000).withUnsafeBytes { #expect(decoder.copyPiece($0)?.other == 0xc000_0000) }
        for (count, says) in [(40, UInt32(41)), (0, .max), (8, 4097)] {
            Self.copy(1, count: count, says: says).withUnsafeBytes { #expect(decoder.copyPiece($0) == nil) }
        }
        for length in 0 ..< MemoryLayout<vme_copy>.offset(of: \vme_copy.bytes)! {
            Self.copy(1, count: 0).prefix(length).withUnsafeBytes { #expect(decoder.copyPiece($0) == nil) }
        }
    }

    @Test("gives its section a stack, the same as another copy of the same path and as a known path")
    func names() throws {
        var decoder = WireDecoder()
        func stack(_ key: UInt64) throws -> StackID? {
            guard case .section(let section) = try Self.section(key).withUnsafeBytes({ try decoder.decode($0) }) else {
                return nil
            }
            return section.stack
        }
        let (first, second, lost) = (VME_STACK_COPIED | 1, VME_STACK_COPIED | 2, VME_STACK_COPIED | 3)
        let named = decoder.name(copy: first, [1, 2, 3])
        #expect(named.event != nil && decoder.name(copy: second, [1, 2, 3]).event == nil)
        #expect(try stack(first) == named.stack && stack(second) == named.stack)
        #expect(try stack(VME_STACK_KNOWN | UInt64(named.stack)) == named.stack)
        #expect(try decoder.name(copy: second, [1, 2]).stack != named.stack && stack(second) != named.stack)
        // Nothing is known of what was lost, nor of what was left out.
        let unknown = try stack(lost)
        #expect(try unknown == stack(VME_STACK_THINNED) && unknown != named.stack && unknown != 0)
        #expect(try stack(0) == 0)
    }

    @Test("follows frame pointers where there is none, and says that the direct caller is not seen")
    func framePointers() throws {
        var calls = vme_calls()
        calls.h.kind = UInt16(VME_CALLS.rawValue)
        calls.count = 2
        (calls.addresses.0, calls.addresses.1) = (0x1000, 0x2000)
        var decoder = WireDecoder()
        let event = try withUnsafeBytes(of: calls) { try decoder.decode($0) }
        guard case .stack(_, let addresses) = event else { return #expect(Bool(false)) }
        #expect(addresses == [0x1000, CallPath.unseen, 0x2000])
    }
}

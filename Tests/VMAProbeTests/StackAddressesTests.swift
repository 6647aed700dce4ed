import Testing
import VMACore

@testable import VMAProbe

@Suite("Addresses of stacks")
struct StackAddressesTests {
    /// As many as a stack may have.
    private static let deep = [UInt64](repeating: 7, count: 512)

    @Test("are bounded, however deep stacks are: the older ones go, or further ones are not kept", arguments: [true, false])
    func bounded(_ forgetsOlder: Bool) {
        var addresses = StackAddresses()
        let count: StackID = 40_000
        for stack in 1 ... count { addresses.keep(Self.deep, of: stack, forgetsOlder: forgetsOlder) }
        let kept = (1 ... count).filter { addresses[$0] != nil }
        #expect(kept.count * Self.deep.count <= StackAddresses.limit && kept.count * Self.deep.count > StackAddresses.limit / 4)
        #expect(addresses.isFull == !forgetsOlder)
        #expect((addresses[count] != nil) == forgetsOlder && (addresses[1] == nil) == forgetsOlder)
    }

    @Test("of a stack that is told again take the place of its old ones")
    func again() {
        var addresses = StackAddresses()
        for _ in 0 ..< 20_000 { addresses.keep(Self.deep, of: 1, forgetsOlder: false) }
        #expect(addresses[1] == Self.deep && !addresses.isFull)
    }

    @Test("of flat stacks are bounded by the number of stacks")
    func flat() {
        var addresses = StackAddresses()
        for stack in 1 ... StackID(StackAddresses.stackLimit + 1) { addresses.keep([1], of: stack, forgetsOlder: true) }
        #expect(addresses[1] == nil && addresses[StackID(StackAddresses.stackLimit + 1)] == [1])
    }
}

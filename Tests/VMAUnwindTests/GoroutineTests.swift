import Testing

@testable import VMAUnwind

/// A function of Go that changes from a goroutine's stack to the thread's.
@Suite("A goroutine's stack")
struct GoroutineTests {
    /// Functions from 0x1000 on, 0x100 bytes each, by their names and the size of their frames.
    private static let functions: [(name: String, frame: Int)] = [
        ("main.leaf", 0), ("main.outer", 24), ("runtime.goexit.abi0", 0), ("runtime.systemstack.abi0", 0),
        ("main.caller", 24), ("main.small", 8), ("runtime.morestack_noctxt.abi0", 0), ("runtime.morestack.abi0", 0),
        ("c_inner", -1), ("c_outer", -1), ("runtime.asmcgocall.abi0", 0),
    ]

    /// Calls, by where they return to.
    private static func image(_ calls: [UInt64: UInt64]) throws -> UnwindTable {
        var bytes = [UInt8](repeating: 0x90, count: 0x100 * functions.count)
        for (back, target) in calls {
            // Of what is called by a register the target is 0.
            let call = target == 0 ? [0x90, 0x90, 0x90, 0xff, 0xd0] : [0xe8] + Frames.little(target &- back, 4)
            bytes.replaceSubrange(Int(back - 0x1005) ..< Int(back - 0x1000), with: call)
        }
        let go = try #require(GoTableTests.table(GoTableTests.bytes(functions: functions)))
        return UnwindTable(code: [Section(address: 0x1000, bytes: bytes)], go: go)
    }

    private static let goroutine: UInt64 = 0xc000_0000

    /// main.outer has called main.leaf on the thread's stack, and `switching` has called it. The goroutine's words are by
    /// their distance from its frame pointer.
    private static func walk(
        _ table: UnwindTable, in switching: UInt64 = 0x1310, chain: [UInt64] = [], words: Int = 0x80, _ goroutine: [Int: UInt64]
    ) -> Unwound {
        let pointer = Self.goroutine + 0x100
        var other = [UInt64](repeating: 7, count: words)
        for (distance, word) in goroutine { other[0x20 + distance / 8] = word }
        let thread: [UInt64] = [0x1120, 1, 2, pointer, switching, 0]
        var registers = Thread().registers
        registers[Registers.Number.rip] = 0x1010
        registers[Registers.Number.rbp] = 0x7018
        return thread.withUnsafeBytes { bytes in
            other.withUnsafeBytes { otherBytes in
                Unwinder.unwind(
                    registers,
                    stacks: [StackCopy(base: 0x7000, bytes: bytes), StackCopy(base: Self.goroutine, bytes: otherBytes)],
                    chain: chain
                ) { (0x1000 ..< 0x1b00).contains($0) ? CodePlace(table: table, bias: 0) : nil }
            }
        }
    }

    @Test("has the function that changes stacks below the frame pointer, and its callers behind it")
    func caller() throws {
        let table = try Self.image([0x1420: 0x1300, 0x1150: 0x1400])
        let walk = Self.walk(table, [-24: 0x1420, 8: 0x1150, 16: 7, 24: 7, 32: 0, 40: 0x1201])
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1310, 0x1420, 0x1150, 0x1201])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        #expect(walk.ending == .complete)
        // A call of something else, or a frame of another size, is none.
        let other = try Self.image([0x1420: 0x1200])
        #expect(Self.walk(other, [-24: 0x1420, 8: 0x1201]).frames.count == 3)
        #expect(Self.walk(table, [-32: 0x1420, 8: 0x1201]).frames.count == 3)
    }

    @Test("may hold what a function has left there that has returned: its caller says which of them runs")
    func stale() throws {
        let named = try Self.image([0x1420: 0x1300, 0x1530: 0x1300, 0x1150: 0x1400])
        let walk = Self.walk(named, [-24: 0x1420, -8: 0x1530, 8: 0x1150, 16: 7, 24: 7, 32: 0, 40: 0x1201])
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1310, 0x1420, 0x1150, 0x1201])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        let indirect = try Self.image([0x1420: 0x1300, 0x1530: 0x1300])
        let guessed = Self.walk(indirect, [-24: 0x1420, -8: 0x1530, 8: 0x1150, 16: 7, 24: 7, 32: 0, 40: 0x1201])
        #expect(guessed.frames.map(\.isGuessed) == [false, false, false, true, true, true])
    }

    @Test("is changed at the entry of a function that has no frame yet, too")
    func morestack() throws {
        // main.small has called morestack_noctxt, which jumps to morestack, before it had a frame.
        let table = try Self.image([0x1504: 0x1600, 0x1420: 0x1500, 0x1150: 0x1400])
        let walk = Self.walk(
            table, in: 0x1710, [-32: 0x1504, -24: 0x1420, 8: 0x1150, 16: 7, 24: 7, 32: 0, 40: 0x1201])
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1710, 0x1504, 0x1420, 0x1150, 0x1201])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        #expect(walk.ending == .complete)
    }

    @Test("may be that of C's functions, too, which have no tables: they are found by the calls that name them")
    func functionsOfC() throws {
        func walk(_ calls: [UInt64: UInt64], switched: UInt64 = 0) throws -> Unwound {
            let table = try Self.image(calls)
            var words = [UInt64](repeating: 5, count: 20)
            // Calls of c_inner, of c_outer by asmcgocall, of that by main.caller, which a goroutine has begun with.
            (words[1], words[3], words[9], words[10], words[12], words[16]) = (0x1910, 0x1a20, 0x7060, switched, 0x1420, 0x1201)
            var thread = Thread()
            thread.registers[Registers.Number.rip] = 0x1810
            thread.registers[Registers.Number.rbp] = 3
            thread.words = words
            return thread.unwind { (0x1000 ..< 0x1b00).contains($0) ? CodePlace(table: table, bias: 0) : nil }
        }
        let found = try walk([0x1910: 0x1800, 0x1a20: 0, 0x1420: 0x1a00])
        #expect(found.frames.map(\.address) == [0x1810, 0x1910, 0x1a20, 0x1420, 0x1201])
        #expect(found.frames.allSatisfy { !$0.isGuessed })
        #expect(found.ending == .complete)
        // The call is of another function; asmcgocall has changed stacks, or was called by nobody.
        #expect(try walk([0x1910: 0x1400, 0x1a20: 0, 0x1420: 0x1a00]).frames.first { $0.address == 0x1910 } == nil)
        let switched = try walk([0x1910: 0x1800, 0x1a20: 0, 0x1420: 0x1a00], switched: 9)
        let nobody = try walk([0x1910: 0x1800, 0x1a20: 0, 0x1420: 0x1400])
        for other in [switched, nobody] {
            #expect(other.frames.prefix(2).map(\.address) == [0x1810, 0x1910])
            #expect(other.frames.dropFirst(2).allSatisfy { $0.isGuessed })
        }
    }

    @Test("of one that was preempted is not that of what the scheduler does then")
    func preempted() throws {
        var functions = Self.functions
        functions[1].name = "runtime.schedule"
        let go = try #require(GoTableTests.table(GoTableTests.bytes(functions: functions)))
        let walk = Self.walk(UnwindTable(go: go), in: 0x1710, [-32: 0x1504, -24: 0x1420, 8: 0x1150])
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1710])
        #expect(walk.ending == .complete)
    }

    @Test("goes on by the kernel's chain of frame pointers where its copy ends")
    func chain() throws {
        let table = try Self.image([0x1420: 0x1300, 0x1150: 0x1400, 0x1160: 0x1100])
        // main.outer's frame pointer lies behind the copy.
        let chain: [UInt64] = [0x1010, 0x1310, 0x1150, 0x1160, 0x1201]
        let walk = Self.walk(
            table, chain: chain, words: 0x22, [-24: 0x1420, 0: Self.goroutine + 0x10000, 8: 0x1150])
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1310, 0x1420, 0x1150, 0x1160, 0x1201])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        #expect(walk.ending == .complete)
    }
}

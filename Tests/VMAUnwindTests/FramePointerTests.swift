import Testing

@testable import VMAUnwind

@Suite("A frame pointer")
struct FramePointerTests {
    /// From 0x1000 on: code of a file, with calls before 0x1105 and before 0x1205.
    private static var code: Section {
        var bytes = [UInt8](repeating: 0x90, count: 0x1000)
        for place in [0x100, 0x200] { bytes[place] = 0xe8 }
        return Section(address: 0x1000, bytes: bytes)
    }

    /// As a walk stands that came to `address` by rules: the rbp of that function is `pointer`.
    private static func walk(_ table: UnwindTable?, pointer: UInt64, _ words: [UInt64]) -> Unwound {
        var frames = Frames()
        frames.common()
        frames.function(0x5000, 0x100)
        let inner = frames.table
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x5010
        thread.registers[Registers.Number.rbp] = pointer
        thread.words = words
        return thread.unwind { address in
            switch address {
            case 0x1000 ..< 0x2000: CodePlace(table: table, bias: 0)
            case 0x5000 ..< 0x6000: CodePlace(table: inner, bias: 0)
            default: nil
            }
        }
    }

    @Test("of 0 is the end only where a frame pointer led there, or a program starts")
    func zero() {
        // The caller, 0x1105, is in a file that could not be read, or code made at run time.
        #expect(Self.walk(nil, pointer: 0, [0x1105]).ending == .unknown)
        #expect(Self.walk(UnwindTable(code: [Self.code]), pointer: 0, [0x1105]).ending == .unknown)
        var frames = Frames()
        frames.common()
        frames.function(0x1800, 0x10)
        #expect(Self.walk(frames.table, pointer: 0, [0x1105, 7, 9, 1]).ending == .unknown)
        // What the kernel gives a program: the number of arguments, and the first.
        #expect(Self.walk(frames.table, pointer: 0, [0x1105, 1, 0x7100]).ending == .complete)
        #expect(Self.walk(frames.table, pointer: 0, [0x1105, 0, 1, 0x7100]).ending == .complete)
        let led = Self.walk(UnwindTable(code: [Self.code]), pointer: 0x7010, [0x1105, 0, 0, 0x1205])
        #expect(led.frames.map(\.address) == [0x5010, 0x1105, 0x1205])
        #expect(led.frames.map(\.isGuessed) == [false, false, false])
        #expect(led.ending == .complete)
    }

    @Test("that a caller used for something else is a guess where a call stands before the return address")
    func somethingElse() {
        let table = UnwindTable(code: [Self.code])
        for saved: UInt64 in [1, 0x7001, 0x7000, 0x10, .max] {
            let walk = Self.walk(table, pointer: 0x7010, [0x1105, 0, saved, 0x1205])
            #expect(walk.frames.map(\.address) == [0x5010, 0x1105, 0x1205])
            #expect(walk.frames.map(\.isGuessed) == [false, false, true])
            #expect(walk.ending != .complete)
            // No call there: nothing.
            #expect(Self.walk(table, pointer: 0x7010, [0x1105, 0, saved, 0x1305]).frames.count == 2)
            // Nobody knows.
            #expect(Self.walk(nil, pointer: 0x7010, [0x1105, 0, saved, 0x1205]).frames.count == 2)
        }
    }

    @Test("is right in code made at run time where no return address lies below what it leads to")
    func madeAtRunTime() {
        // From 0x1105, in such code, to 0x1205, in such code, to 0x5020, in a file, which has no caller.
        func walk(_ between: UInt64, saved: UInt64 = 99) -> Unwound {
            var frames = Frames()
            frames.common()
            frames.function(0x5000, 0x10)
            frames.function(0x5018, 0x100, [0x07, 16])
            let table = UnwindTable(frames: frames.section, code: [Self.calls])
            var thread = Thread()
            thread.registers[Registers.Number.rip] = 0x5000
            thread.registers[Registers.Number.rbp] = 0x7018
            thread.words = [0x1105, 7, between, 0x7030, 0x1205, 8, saved, 0x5020]
            return thread.unwind { address in
                switch address {
                case 0x1000 ..< 0x2000: CodePlace(table: nil, bias: 0)
                case 0x5000 ..< 0x6000: CodePlace(table: table, bias: 0)
                default: nil
                }
            }
        }
        for between: UInt64 in [0, 0x7000, 0x2100, 0x5030] {
            let walk = walk(between)
            #expect(walk.frames.map(\.address) == [0x5000, 0x1105, 0x1205, 0x5020], "\(between)")
            #expect(walk.frames.allSatisfy { !$0.isGuessed }, "\(between)")
            #expect(walk.ending == .complete)
        }
        // There may have been a call from here.
        for between: UInt64 in [0x1150, 0x5020] {
            let walk = walk(between)
            #expect(walk.frames.map(\.isGuessed) == [false, false, true, true], "\(between)")
            #expect(walk.ending == .complete)
        }
    }

    /// From 0x5000 on, with a call before 0x5020.
    private static var calls: Section {
        var bytes = [UInt8](repeating: 0x90, count: 0x1000)
        bytes[0x1b] = 0xe8
        return Section(address: 0x5000, bytes: bytes)
    }
}

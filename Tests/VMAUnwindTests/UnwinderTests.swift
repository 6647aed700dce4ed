import Testing

@testable import VMAUnwind

@Suite("A walk")
struct UnwinderTests {
    /// `inner` (0x1000) and `middle` (0x2000) move rsp, `outer` (0x3000) keeps a frame pointer, `start` (0x4000)
    /// has no caller.
    static func program(debugFrame: Bool = false) -> Frames {
        var frames = Frames()
        frames.isDebugFrame = debugFrame
        frames.common()
        frames.function(0x1000, 0x100, [0x44, 0x0e, 0x18])  // after 4 bytes: rsp+24
        // rbx below the return address, then 16 bytes more
        frames.function(0x2000, 0x100, [0x41, 0x0e, 0x10, 0x83, 2, 0x44, 0x0e, 0x20])
        frames.function(0x3000, 0x100, [0x41, 0x0e, 0x10, 0x86, 2, 0x43, 0x0d, 6])
        frames.function(0x4000, 0x100, [0x07, 16])
        return frames
    }

    static let thread: Thread = {
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x1010
        thread.registers[Registers.Number.rbp] = 0x7050
        thread.registers[Registers.Number.rbx] = 99
        thread.words = [
            1, 2, 0x2020,  // inner
            3, 4, 77, 0x3030,  // middle, which keeps rbx
            5, 6, 7, 0, 0x4040,  // outer: locals, the saved rbp at 0x7050, the return address
            8,
        ]
        return thread
    }()

    @Test("follows rsp and rbp as the rules say, from .eh_frame_hdr, .eh_frame or .debug_frame")
    func follows() {
        let frames = Self.program()
        let tables = [
            frames.table, UnwindTable(frames: frames.section), Self.program(debugFrame: true).table,
            UnwindTable(frameHeader: Section(address: 0, bytes: [9]), frames: frames.section),
        ]
        for table in tables {
            let walk = Self.thread.unwind(table)
            #expect(walk.frames.map(\.address) == [0x1010, 0x2020, 0x3030, 0x4040])
            #expect(walk.frames.map(\.kind) == [.innermost, .caller, .caller, .caller])
            #expect(walk.frames.allSatisfy { !$0.isGuessed })
            #expect(walk.ending == .complete)
            #expect(walk.depth == 12 * 8)
        }
    }

    @Test("says how much more of the stack it wants")
    func cut() {
        var thread = Self.thread
        thread.words.removeLast(8)
        var walk = thread.unwind(Self.program().table)
        #expect(walk.frames.map(\.address) == [0x1010, 0x2020])
        #expect(walk.ending == .cut(wanted: 7 * 8))
        thread.words = []
        walk = thread.unwind(Self.program().table)
        #expect(walk.frames.map(\.address) == [0x1010])
        #expect(walk.ending == .cut(wanted: 3 * 8))
    }

    @Test("goes on by the kernel's frame-pointer chain where the copy ends")
    func chain() {
        var thread = Self.thread
        thread.words.removeLast(4)
        thread.chain = [0x1010, 0x4040]
        var walk = thread.unwind(Self.program().table)
        #expect(walk.frames.map(\.address) == [0x1010, 0x2020, 0x3030, 0x4040])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        #expect(walk.ending == .complete)
        // A chain that did not pass where the walk is.
        // A chain of another stack, whose beginning the copy contradicts.
        thread.registers[Registers.Number.rbp] = 0x7010
        thread.chain = [0x1010, 0x5050, 0x4040]
        walk = thread.unwind(Self.program().table)
        #expect(walk.frames.map(\.address) == [0x1010, 0x2020, 0x3030])
        #expect(walk.ending == .cut(wanted: nil) || walk.ending == .unknown)
    }

    @Test("follows a frame pointer where there is no information, and says where it guessed")
    func framePointer() {
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x5010
        thread.registers[Registers.Number.rbp] = 0x7008
        thread.words = [1, 0x7018, 0x5020, 0x7050, 0x3030, 0, 0, 0, 0, 0, 0, 0x4040, 0x0, 0x7000]
        thread.words[3] = 0x7058
        thread.words[4] = 0x3030
        thread.words[11] = 0
        thread.words[12] = 0x4040
        // What the thread's function has not pushed a frame above is a return address, and may be its own.
        for (top, isGuessed): (UInt64, Bool) in [(1, false), (0x5040, true)] {
            thread.words[0] = top
            // 0x5000 and up is code of no function, as that of a JIT.
            let walk = thread.unwind { address in
                switch address {
                case 0x5000 ..< 0x6000: CodePlace(table: nil, bias: 0)
                case 0x1000 ..< 0x5000: CodePlace(table: Self.program().table, bias: 0)
                default: nil
                }
            }
            #expect(walk.frames.map(\.address) == [0x5010, 0x5020, 0x3030, 0x4040])
            #expect(walk.frames.map(\.isGuessed) == [false, isGuessed, isGuessed, isGuessed])
            #expect(walk.ending == .complete)
        }
    }

    @Test("takes no frame pointer that leads nowhere")
    func falseFramePointer() {
        for (pointer, words) in [
            (0x7008, [1, 2, 3, 4]),  // no code
            (0x7009, [1, 0x7010, 0x1010, 4]),  // not aligned
            (0x6ff8, [1, 0x7010, 0x1010, 4]),  // below rsp
            (0x7008, [1, 0x7000, 0x1010, 4]),  // goes back
        ] as [(UInt64, [UInt64])] {
            var thread = Thread()
            thread.registers[Registers.Number.rip] = 0x5010
            thread.registers[Registers.Number.rbp] = pointer
            thread.words = words
            let walk = thread.unwind { (0x1000 ..< 0x6000).contains($0) ? CodePlace(table: nil, bias: 0) : nil }
            #expect(walk.frames.map(\.address) == [0x5010])
            #expect(walk.ending == .unknown)
        }
    }

    @Test("takes no frame pointer where there is no call before the return address")
    func noCall() {
        for (code, frames) in [([0xe8, 1, 2, 3, 4], 2), ([0x90, 0x90, 0x90, 0x90, 0x90], 1), ([0xff, 0xd0], 2)]
            as [([UInt8], Int)]
        {
            var thread = Thread()
            thread.registers[Registers.Number.rip] = 0x5010
            thread.registers[Registers.Number.rbp] = 0x7008
            thread.words = [1, 0, 0x1800 + UInt64(code.count)]
            let padding = [UInt8](repeating: 0x90, count: 0x800)
            let table = UnwindTable(code: [Section(address: 0x1000, bytes: padding + code)])
            #expect(thread.unwind(table).frames.count == frames)
        }
    }

    @Test("ends where nothing changes, and at its limits")
    func ends() {
        var frames = Frames()
        frames.common()
        frames.function(0x1000, 0x100, [0x0e, 0, 0x16, 16, 2, 0x80, 0])  // the caller is the function itself
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x1010
        thread.words = [0x1010]
        #expect(thread.unwind(frames.table).ending == .unknown)

        thread = Self.thread
        thread.limits.frames = 2
        #expect(thread.unwind(Self.program().table).ending == .limit)
        #expect(thread.unwind(Self.program().table).frames.count == 2)
        thread.limits = UnwindLimits(steps: 3)
        #expect(thread.unwind(Self.program().table).ending == .limit)
    }

    @Test("takes where a signal interrupted as it is, with all registers")
    func signal() {
        var frames = Self.program()
        let signal = frames.common("zRS", [])
        // CFA = [rsp+16]; rip = [rsp+8]; rbp = [rsp+24]
        frames.function(
            0x5000, 0x100, common: signal,
            [0x0f, 3, 0x77, 16, 0x06, 0x10, 16, 2, 0x77, 8, 0x10, 6, 2, 0x77, 24])
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x1000
        thread.words = [0x5010, 9, 0x3000, 0x7030, 0x7100, 0, 0x4040, 0]
        let walk = thread.unwind(frames.table)
        // 0x3000 is its function's first instruction: by the address before there would be none.
        #expect(walk.frames.map(\.address) == [0x1000, 0x5010, 0x3000, 0x4040])
        #expect(walk.frames.map(\.kind) == [.innermost, .caller, .interrupted, .caller])
        #expect(walk.ending == .complete)
    }
}

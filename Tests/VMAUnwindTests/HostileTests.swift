import Testing

@testable import VMAUnwind

/// SplitMix64, so that what failed can be drawn again.
private struct Draw {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }
}

@Suite("A hostile file")
struct HostileTests {
    /// All that a walk may spend, of which each step is one instruction.
    private static let limits = UnwindLimits(frames: 64, steps: 20_000)

    private static func walk(_ table: UnwindTable) -> Unwound {
        var thread = UnwinderTests.thread
        thread.chain = [0x1010, 0x4040, 0x1020, 0x2020]
        thread.limits = limits
        return thread.unwind(table)
    }

    /// A walk that has ended is all that is wanted: what it found is the file's own affair.
    private static func survive(_ table: UnwindTable) {
        for _ in 0 ..< 2 { #expect(walk(table).frames.count <= limits.frames) }
        var steps = 20_000
        for address: UInt64 in [0, 0x1000, 0x20ff, .max] { _ = table.row(at: address, steps: &steps) }
        #expect(table.footprint < 1 << 20)
    }

    /// One to four bytes changed, a part doubled or left out, or the end cut off.
    private static func mutate(_ bytes: [UInt8], _ draw: inout Draw) -> [UInt8] {
        var bytes = bytes
        guard !bytes.isEmpty else { return bytes }
        switch draw.below(6) {
        case 0: bytes.removeLast(draw.below(bytes.count))
        case 1:
            let start = draw.below(bytes.count)
            bytes.insert(contentsOf: bytes[start ..< min(bytes.count, start + draw.below(40))], at: draw.below(bytes.count))
        case 2:
            let start = draw.below(bytes.count)
            bytes.removeSubrange(start ..< min(bytes.count, start + draw.below(12)))
        default:
            for _ in 0 ... draw.below(4) {
                bytes[draw.below(bytes.count)] =
                    [0, 0xff, 0x7f, 0x80, UInt8(truncatingIfNeeded: draw.next())][draw.below(5)]
            }
        }
        return bytes
    }

    private static func mutate(_ section: Section, _ draw: inout Draw) -> Section {
        Section(address: section.address, bytes: mutate(section.bytes(at: 0, count: section.count), &draw))
    }

    @Test("ends no walk but by its own end, whatever its tables are")
    func mutated() {
        var draw = Draw(state: 18)
        for round in 0 ..< 4000 {
            let isDebugFrame = round % 4 == 3
            let frames = UnwinderTests.program(debugFrame: isDebugFrame)
            var (section, header) = (frames.section, frames.header())
            for _ in 0 ... draw.below(3) {
                section = Self.mutate(section, &draw)
                if draw.below(2) == 0 { header = Self.mutate(header, &draw) }
            }
            Self.survive(
                isDebugFrame
                    ? UnwindTable(debugFrames: section)
                    : UnwindTable(frameHeader: round % 4 == 0 ? nil : header, frames: section))
        }
    }

    @Test("is cut off at any byte")
    func truncated() {
        let frames = UnwinderTests.program()
        let (all, header) = (frames.section, frames.header())
        for count in 0 ..< all.count {
            Self.survive(UnwindTable(frames: Section(address: all.address, bytes: all.bytes(at: 0, count: count))))
            Self.survive(
                UnwindTable(
                    frameHeader: header, frames: Section(address: all.address, bytes: all.bytes(at: 0, count: count))))
        }
        for count in 0 ..< header.count {
            let part = Section(address: header.address, bytes: header.bytes(at: 0, count: count))
            Self.survive(UnwindTable(frameHeader: part, frames: all))
        }
    }

    @Test("says lengths and counts that nothing has")
    func lengths() {
        for length: [UInt8] in [
            [0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f], [0xff, 0xff, 0xff, 0xff] + Frames.little(.max, 8),
            [0xff, 0xff, 0xff, 0xff] + Frames.little(1 << 63, 8), [1, 0, 0, 0], [3, 0, 0, 0],
        ] {
            let frames = UnwinderTests.program()
            let bytes = frames.bytes
            Self.survive(UnwindTable(frames: Section(address: frames.address, bytes: length + bytes)))
            Self.survive(UnwindTable(frames: Section(address: .max - 20, bytes: length + bytes)))
            Self.survive(UnwindTable(frames: Section(address: frames.address, bytes: bytes + length)))
            var header = frames.header().bytes(at: 0, count: 4096)
            header.replaceSubrange(8 ..< 12, with: length.prefix(4))
            Self.survive(
                UnwindTable(frameHeader: Section(address: 0x3f_0000, bytes: header), frames: frames.section))
        }
    }

    @Test("has functions over one another, and each address still gets the rules of one")
    func overlapping() {
        var frames = Frames()
        frames.common()
        for start: UInt64 in [0x1000, 0x1000, 0x1008, 0x900, 0, 0x1008] { frames.function(start, 0x100) }
        frames.function(0x1000, .max)
        frames.function(.max - 4, 0x100)
        Self.survive(frames.table)
        Self.survive(UnwindTable(frames: frames.section))
        var steps = 1000
        #expect(UnwindTable(frames: frames.section).row(at: 0x1010, steps: &steps) != nil)
    }

    @Test("names as an entry's CIE the entry itself, an FDE, or what lies outside")
    func cycles() {
        for distance: UInt64 in [4, 0, 0x14, 0x24, 0xffff_fff0, 0x7fff_ffff] {
            let frames = UnwinderTests.program()
            var bytes = frames.bytes
            let entry = frames.places[0].1
            bytes.replaceSubrange(entry + 4 ..< entry + 8, with: Frames.little(distance, 4))
            Self.survive(UnwindTable(frames: Section(address: frames.address, bytes: bytes)))
            Self.survive(
                UnwindTable(frameHeader: frames.header(), frames: Section(address: frames.address, bytes: bytes)))
        }
    }

    @Test("has instructions without end, states without number, and expressions that run in circles")
    func endless() {
        var programs: [[UInt8]] = [
            [UInt8](repeating: 0x0a, count: 100_000),  // remember_state
            [UInt8](repeating: 0x0b, count: 50),  // restore_state of nothing
            [UInt8](repeating: 0, count: 120_000),
            [0x0f, 3, 0x2f, 0xfd, 0xff],  // skip to itself
            [0x0f, 4, 0x30, 0x2f, 0xfc, 0xff],  // push for ever
            [0x0f, 4, 0x31, 0x28, 0xfc, 0xff],  // bra to itself
            [0x0f, 3, 0x31, 0x30, 0x1b],  // divide by zero
            [0x0f, 3, 0x31, 0x30, 0x1d],  // modulo zero
            [0x0f, 12, 0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b],  // the least number by -1
            [0x0f, 2, 0x15, 0xff], [0x0f, 1, 0x16], [0x0f, 1, 0x17], [0x0f, 1, 0x06], [0x0f, 0], [0x0f, 0x80],
            [0x0f, 3, 0x77, 0, 0x94], [0x0f, 4, 0x77, 0, 0x94, 99], [0x0f, 2, 0x8f, 0], [0x0f, 4, 0x92, 0xff, 0x7f, 0],
            [0x0c, 99, 0], [0x0d, 99], [0x12, 7, 0x40], [0x13, 0x40], [0x09, 16, 99], [0x09, 16, 16], [0x08, 16],
            [0x0c, 7] + [UInt8](repeating: 0xff, count: 9) + [1], [0x01, 1, 2, 3, 4], [0x2f, 16, 1],
        ]
        programs += (0 ... 255).map { [UInt8($0)] }
        programs += (0 ... 255).map { [0x0f, 2, UInt8($0), 0] }
        for program in programs {
            var frames = Frames()
            frames.common()
            frames.function(0x1000, 0x100, program)
            frames.function(0x2000, 0x100)
            Self.survive(frames.table)
        }
        var frames = Frames()
        frames.common("zR", Frames.atEntry + [UInt8](repeating: 0x0a, count: 60_000))
        frames.function(0x1000, 0x100)
        Self.survive(frames.table)
    }

    @Test("costs no more the tenth time, and is not believed for ever for want of steps")
    func stepsAreBounded() {
        var frames = Frames()
        frames.common()
        frames.function(0x1000, 0x100, [UInt8](repeating: 0, count: 100_000))
        let table = frames.table
        var steps = 20_000
        #expect(table.row(at: 0x1010, steps: &steps) == nil)
        #expect(steps <= 0)
        steps = 200_000
        #expect(table.row(at: 0x1010, steps: &steps) != nil)
        let left = steps
        #expect(table.row(at: 0x1010, steps: &steps) != nil)
        #expect(steps == left)
    }

    @Test("keeps little of a table with very many functions")
    func manyFunctions() {
        var frames = Frames()
        frames.common()
        for index: UInt64 in 0 ..< 20_000 { frames.function(0x100_0000 + index * 16, 16) }
        let table = frames.table
        var steps = 10_000_000
        for index: UInt64 in 0 ..< 20_000 { #expect(table.row(at: 0x100_0000 + index * 16, steps: &steps) != nil) }
        #expect(table.footprint < 4096 * 256 + 4096)
    }
}

@Suite("An ELF image")
struct ImageTests {
    /// This test itself, which some linker has made.
    private static func own() -> [UInt8] {
        FileBytes("/proc/self/exe").map { Section(address: 0, source: $0).bytes(at: 0, count: 1 << 16) } ?? []
    }

    @Test("is read from what runs this test")
    func itself() throws {
        let image = try #require(FileBytes("/proc/self/exe").flatMap { UnwindImage($0) })
        #expect(!image.table.isEmpty)
        let code = try #require(image.segments.first { $0.isExecutable })
        #expect(image.address(ofOffset: code.offset + 16) == code.address + 16)
        #expect(image.address(ofOffset: .max) == nil)
        var steps = 1_000_000
        let found = stride(from: code.address, to: code.address + min(code.size, 1 << 20), by: 4096)
            .filter { image.table.row(at: $0, steps: &steps) != nil }
        #expect(found.count > 10)
    }

    @Test("survives any damage of its headers")
    func damaged() {
        let whole = Self.own()
        #expect(whole.count == 1 << 16)
        var draw = Draw(state: 7)
        for _ in 0 ..< 2000 {
            var bytes = Array(whole[..<(draw.below(4) == 0 ? draw.below(whole.count) : 4096)])
            for _ in 0 ..< 1 + draw.below(8) where !bytes.isEmpty {
                // Mostly in the ELF header and the program headers.
                let place = draw.below(min(bytes.count, draw.below(2) == 0 ? 64 : 1024))
                bytes[place] = [0, 0xff, 0x7f, UInt8(truncatingIfNeeded: draw.next())][draw.below(4)]
            }
            guard let image = UnwindImage(HeldBytes(bytes)) else { continue }
            var steps = 10_000
            for address: UInt64 in [0, 0x1000, 0x10_0000, .max] {
                _ = image.table.row(at: address, steps: &steps)
                _ = image.table.hasCall(before: address)
                _ = image.address(ofOffset: address)
            }
        }
    }

    @Test("is none of another machine, and no script")
    func others() {
        #expect(UnwindImage(HeldBytes([])) == nil)
        #expect(UnwindImage(HeldBytes(Array("#!/bin/sh\n".utf8))) == nil)
        var bytes = Self.own()
        bytes[18] = 183  // AArch64
        #expect(UnwindImage(HeldBytes(bytes)) == nil)
    }
}

import Testing

@testable import VMAUnwind

@Suite("Go's table of functions")
struct GoTableTests {
    /// Three functions from 0x1000 on, 0x100 bytes each: a leaf without a frame, one with a frame of 24 bytes, and
    /// `runtime.goexit`.
    static func bytes(magic: UInt64 = 0xffff_fff1) -> [UInt8] {
        let names = Array("\0main.leaf\0main.outer\0runtime.goexit.abi0\0".utf8)
        // value - before, zigzag; then how many bytes it holds for
        let values: [UInt8] = [9, 2] + Frames.uleb(0x100) + [0, 2, 8, 48, 0xf8, 1, 0]
        let header = 72
        let valuesAt = header + names.count
        let functionsAt = valuesAt + values.count
        var body: [UInt8] = []
        var index: [UInt8] = []
        for (number, (name, distances)) in [(1, 1), (11, 5), (22, 1)].enumerated() {
            let offset = (3 * 2 + 1) * 4 + body.count
            index += Frames.little(UInt64(number) * 0x100, 4) + Frames.little(UInt64(offset), 4)
            body += Frames.little(UInt64(number) * 0x100, 4) + Frames.little(UInt64(name), 4) + Frames.little(0, 8)
            body += Frames.little(UInt64(distances), 4) + [UInt8](repeating: 0, count: 20)
        }
        index += Frames.little(0x300, 4)
        var bytes = Frames.little(magic, 4) + [0, 0, 1, 8] + Frames.little(3, 8) + Frames.little(0, 8)
        bytes += Frames.little(0x1000, 8) + Frames.little(UInt64(header), 8) + Frames.little(0, 8) + Frames.little(0, 8)
        bytes += Frames.little(UInt64(valuesAt), 8) + Frames.little(UInt64(functionsAt), 8)
        return bytes + names + values + index + body
    }

    /// Functions from 0x1000 on, 0x100 bytes each, whose frames are there from their ninth byte on; of those of C, with a
    /// negative one, nothing is known.
    static func bytes(functions: [(name: String, frame: Int)]) -> [UInt8] {
        var (names, values, body, index): ([UInt8], [UInt8], [UInt8], [UInt8]) = ([0], [0], [], [])
        for (number, function) in functions.enumerated() {
            let start = UInt64(number) * 0x100
            index += Frames.little(start, 4) + Frames.little(UInt64((functions.count * 2 + 1) * 4 + body.count), 4)
            body += Frames.little(start, 4) + Frames.little(UInt64(names.count), 4) + Frames.little(0, 8)
            body += Frames.little(function.frame < 0 ? 0 : UInt64(values.count), 4)
            body += [UInt8](repeating: 0, count: 20)
            names += Array(function.name.utf8) + [0]
            // From -1 to 0, and from there to the frame; 0 ends.
            guard function.frame >= 0 else { continue }
            values += function.frame == 0 ? [2] + Frames.uleb(0x100) : [2, 8, UInt8(2 * function.frame)] + Frames.uleb(0xf8)
            values.append(0)
        }
        index += Frames.little(UInt64(functions.count) * 0x100, 4)
        let header = 72
        let valuesAt = UInt64(header + names.count)
        var bytes = Frames.little(0xffff_fff1, 4) + [0, 0, 1, 8] + Frames.little(UInt64(functions.count), 8)
        bytes += Frames.little(0, 8) + Frames.little(0x1000, 8) + Frames.little(UInt64(header), 8) + Frames.little(0, 16)
        bytes += Frames.little(valuesAt, 8) + Frames.little(valuesAt + UInt64(values.count), 8)
        return bytes + names + values + index + body
    }

    static func table(_ bytes: [UInt8]) -> GoTable? { GoTable(Section(address: 0, bytes: bytes), text: nil) }

    @Test("names functions, and leads from a leaf without a frame to where a goroutine began")
    func walk() throws {
        let go = try #require(Self.table(Self.bytes()))
        #expect(go.name(at: 0x1000) == "main.leaf")
        #expect(go.name(at: 0x11ff) == "main.outer")
        #expect(go.name(at: 0x12ff) == "runtime.goexit.abi0")
        #expect(go.name(at: 0x1300) == nil)
        #expect(go.name(at: 0xfff) == nil)
        var thread = Thread()
        thread.registers[Registers.Number.rip] = 0x1010
        thread.registers[Registers.Number.rbp] = 0x7018
        thread.words = [0x1120, 1, 2, 0, 0x1201, 0]
        let walk = thread.unwind(UnwindTable(go: go))
        #expect(walk.frames.map(\.address) == [0x1010, 0x1120, 0x1201])
        #expect(walk.frames.allSatisfy { !$0.isGuessed })
        #expect(walk.ending == .complete)
    }

    @Test("leads from the stack of a thread to that of a goroutine by the frame-pointer chain, which is asked for")
    func stacks() throws {
        let names = Array("\0main.leaf\0main.outer\0runtime.goexit.abi0\0".utf8)
        let other = Array("\0main.leaf\0main.outer\0runtime.systemstack\0".utf8)
        var bytes = Self.bytes()
        let at = try #require((0 ..< bytes.count - names.count).first { Array(bytes[$0 ..< $0 + names.count]) == names })
        // Shorter by a byte or longer makes no difference: names end at a zero.
        bytes.replaceSubrange(at ..< at + names.count, with: other[..<min(other.count, names.count)])
        let go = try #require(Self.table(bytes))
        try #require(go.name(at: 0x1210)?.hasPrefix("runtime.systemstack") == true)
        let goroutine = try #require(Self.table(Self.bytes()))
        func walk(_ chain: [UInt64]) -> Unwound {
            var thread = Thread()
            thread.registers[Registers.Number.rip] = 0x1010
            thread.registers[Registers.Number.rbp] = 0x7018
            // leaf, outer, which has saved the goroutine's frame pointer, systemstack
            thread.words = [0x1120, 1, 2, 0xc000_1000, 0x1210, 0]
            thread.chain = chain
            return thread.unwind { address in
                switch address {
                case 0x1000 ..< 0x1300: CodePlace(table: UnwindTable(go: go), bias: 0)
                case 0x2000 ..< 0x2300: CodePlace(table: UnwindTable(go: goroutine), bias: 0x1000)
                default: nil
                }
            }
        }
        let without = walk([])
        #expect(without.wantsChain)
        #expect(without.frames.map(\.address) == [0x1010, 0x1120, 0x1210])
        let with = walk([0x1010, 0x1210, 0x2130, 0x2201])
        #expect(!with.wantsChain)
        #expect(with.frames.map(\.address) == [0x1010, 0x1120, 0x1210, 0x2130, 0x2201])
        #expect(with.frames.map(\.isGuessed) == [false, false, false, true, true])
        #expect(with.ending == .complete)
    }

    @Test("survives any damage, and is none in another layout")
    func damaged() {
        #expect(Self.table(Self.bytes(magic: 0xffff_fffb)) == nil)
        var state: UInt64 = 11
        func draw(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, limit)
        }
        for _ in 0 ..< 3000 {
            var bytes = Self.bytes()
            if draw(4) == 0 { bytes.removeLast(draw(bytes.count)) }
            for _ in 0 ... draw(4) where !bytes.isEmpty {
                bytes[draw(bytes.count)] = [0, 0xff, 0x7f, 0x80, UInt8(draw(256))][draw(5)]
            }
            guard let go = Self.table(bytes) else { continue }
            for address: UInt64 in [0, 0x1010, 0x1120, 0x1201, 0x12ff, .max] {
                var steps = 1000
                _ = go.row(at: address, steps: &steps)
                _ = go.name(at: address)
            }
        }
    }
}

import CVMAWire
import Testing

@testable import VMAProbe

/// The tree that the kernel's side walks to know a call path (bpf/read/paths.h).
@Suite("The tree of known call paths")
struct PathTreeTests {
    /// The memory of the map, and what the programs do with it.
    final class Memory {
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: PathTree.bytes, alignment: 64)

        init() { bytes.initializeMemory(as: UInt8.self, repeating: 0, count: PathTree.bytes) }
        deinit { bytes.deallocate() }

        /// As `descend` in bpf/read/paths.h, in its words.
        func walk(_ root: UInt64, _ stack: [UInt64], registers: [UInt64] = Array(repeating: 0, count: 8)) -> UInt64? {
            let nodes = bytes.assumingMemoryBound(to: vme_path.self)
            var key = root
            for _ in 0 ..< VME_PATH_LEVELS {
                let first = vme_path_place(key)
                guard
                    let place = (0 ..< UInt32(4)).map({ Int((first + $0) & UInt32(VME_PATHS - 1)) }).first(where: {
                        nodes[$0].key == key
                    })
                else { return nil }
                var node = nodes[place]
                if node.stack != 0 { return node.stack }
                if node.count == 0, node.registers == 0 { return nil }
                let words = Int(node.span & UInt16(VME_PATH_WINDOW - 1)) + 1
                guard Int(node.from) + words <= stack.count else { return nil }
                let window = stack[Int(node.from)...]
                for register in 2 ..< 8 where node.registers & 1 << UInt8(register) != 0 {
                    key = PathTree.mix(key, registers[register])
                }
                withUnsafeBytes(of: &node.words) { offsets in
                    for index in 0 ..< Int(node.count) { key = PathTree.mix(key, window[Int(node.from) + Int(offsets[index])]) }
                }
            }
            return nil
        }
    }

    static func named(_ stack: UInt32) -> UInt64 { VME_STACK_KNOWN | UInt64(stack) }

    /// A stack of `words` numbers that come from `seed`.
    static func stack(_ words: Int, _ seed: UInt64 = 1) -> [UInt64] {
        (0 ..< UInt64(words)).map { ($0 &+ 1) &* 0x9e37_79b9 ^ seed &* 77 }
    }

    static func teach(_ tree: inout PathTree, _ root: UInt64, _ inputs: [UInt16], _ stack: [UInt64], _ name: UInt32) {
        tree.teach(root, inputs, stack: name) { input in
            input >= PathTree.firstRegister ? 5 : Int(input) < stack.count ? stack[Int(input)] : nil
        }
    }

    @Test("names a path by the words that were used, and by no others", arguments: [1, 4, 40, 300, 1200])
    func onePath(count: Int) {
        let memory = Memory()
        var tree = PathTree(memory.bytes)
        let inputs = (0 ..< count).map { UInt16($0 * 5) }
        var stack = Self.stack(count * 5 + 1)
        Self.teach(&tree, 99, inputs, stack, 7)
        #expect(memory.walk(99, stack) == Self.named(7))
        stack[1] = 3  // of no matter
        #expect(memory.walk(99, stack) == Self.named(7))
        for changed in [inputs[0], inputs[count / 2], inputs[count - 1]] {
            var other = stack
            other[Int(changed)] ^= 1
            #expect(memory.walk(99, other) == nil)
        }
        #expect(memory.walk(98, stack) == nil)
    }

    @Test("tells paths apart that part at any frame, whatever lies in the other's places")
    func branches() {
        let memory = Memory()
        var tree = PathTree(memory.bytes)
        // By the word at 3 the first goes on at 5 and 9, the second at 6 and 200, the third ends.
        var first = Self.stack(256), second = first, third = first
        second[3] = 1
        third[3] = 2
        for _ in 0 ..< 2 {
            Self.teach(&tree, 1, [0, 3, 5, 9], first, 1)
            Self.teach(&tree, 1, [0, 3, 6, 200], second, 2)
            Self.teach(&tree, 1, [0, 3], third, 3)
        }
        for noise in UInt64(0) ..< 20 {
            (first[6], first[200], second[5], second[9], third[7]) = (noise, noise, noise, noise, noise)
            #expect(memory.walk(1, first) == Self.named(1))
            #expect(memory.walk(1, second) == Self.named(2))
            #expect(memory.walk(1, third) == Self.named(3))
        }
        first[5] ^= 1
        #expect(memory.walk(1, first) == nil)
    }

    @Test("counts the registers that were used")
    func registers() {
        let memory = Memory()
        var tree = PathTree(memory.bytes)
        let stack = Self.stack(16)
        Self.teach(&tree, 1, [PathTree.firstRegister + 2, 0, 4], stack, 9)
        var registers = [UInt64](repeating: 5, count: 8)
        #expect(memory.walk(1, stack, registers: registers) == Self.named(9))
        registers[3] = 1
        #expect(memory.walk(1, stack, registers: registers) == Self.named(9))
        registers[2] = 1
        #expect(memory.walk(1, stack, registers: registers) == nil)
    }

    @Test("knows no wrong stack when it is full, and nearly every path that it was taught last")
    func full() {
        let memory = Memory()
        var tree = PathTree(memory.bytes)
        let paths = Int(VME_PATHS) / 2
        var (known, taught) = (0, 0)
        for path in 0 ..< paths {
            let stack = Self.stack(8, UInt64(path))
            Self.teach(&tree, UInt64(path) &* 0x1234_5678_9abc_def1 | 1, [0, 2, 7], stack, UInt32(path + 1))
            // What is new may take the place of what leads to it.
            if memory.walk(UInt64(path) &* 0x1234_5678_9abc_def1 | 1, stack) == Self.named(UInt32(path + 1)) { taught += 1 }
        }
        for path in 0 ..< paths {
            let found = memory.walk(UInt64(path) &* 0x1234_5678_9abc_def1 | 1, Self.stack(8, UInt64(path)))
            #expect(found == nil || found == Self.named(UInt32(path + 1)))
            if found != nil { known += 1 }
        }
        #expect(tree.evicted > 0 && known > paths / 16 && taught > paths * 99 / 100)
    }

    @Test("says how much of a path that is not known is wanted, and does not take that for a path")
    func wants() {
        let memory = Memory()
        var tree = PathTree(memory.bytes)
        let nodes = memory.bytes.assumingMemoryBound(to: vme_path.self)
        tree.want(2000, 5)
        tree.want(1000, 5)
        let node = (0 ..< Int(VME_PATHS)).first { nodes[$0].key == 5 }
        #expect(node.map { nodes[$0].want } == 2000)
        #expect(memory.walk(5, Self.stack(8)) == nil)
        Self.teach(&tree, 5, [1], Self.stack(8), 4)
        #expect(memory.walk(5, Self.stack(8)) == Self.named(4))
    }
}

import Foundation
import Testing
import VMAUnwind

@testable import VMAProbe

/// The unwinder's side of `ParserFuzz`: unwind tables, and what is said to it.
extension ParserFuzzTests {
    /// Programs without a C library, so that damage hits what matters: each has call-frame information of another kind.
    private static func seeds() throws -> [[UInt8]] {
        let shop = try Workshop()
        let source = try shop.write(
            "x.c",
            """
            static int work(int a) { volatile char room[200]; room[a & 127] = a; return room[3] + a; }
            __attribute__((noinline)) int alloca_in(int a) { char *p = __builtin_alloca(a); p[0] = a; return work(p[0]); }
            __attribute__((noinline)) int many(int a, int b, int c) { return alloca_in(a) * work(b) + work(c); }
            void _start(void) { many(1, 2, 3); __builtin_trap(); }
            """)
        return try [
            ["-fasynchronous-unwind-tables"], ["-fno-asynchronous-unwind-tables", "-g"], ["-fno-omit-frame-pointer"],
            ["-fasynchronous-unwind-tables", "-Wl,--no-eh-frame-hdr"],
        ].map { flags in
            try shop.run(
                try Workshop.tool("clang", "cc"),
                [
                    source, "-O1", "-nostdlib", "-static", "-fuse-ld=bfd", "-Wl,--build-id=none,-z,noseparate-code", "-o",
                    shop.path("x"),
                ] + flags)
            return Array(try Data(contentsOf: URL(fileURLWithPath: shop.path("x"))))
        }
    }

    private final class Held: ByteSource {
        let bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }
        var count: Int { bytes.count }

        func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
            guard offset >= 0, offset < bytes.count else { return 0 }
            let size = min(buffer.count, bytes.count - offset)
            bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset ..< offset + size])) }
            return size
        }
    }

    @Test func unwindTables() throws {
        let seeds = try Self.seeds()
        var trial = Trial("unwind tables", count: 2000)
        trial.run { dice in
            var bytes = seeds.randomElement(using: &dice)!
            // Its headers, and those of its sections, decide where tables are; the rest are tables, for the most part.
            Self.damage(&bytes, &dice, near: Bool.random(using: &dice) ? Array(0 ..< 512) : [])
            guard let image = UnwindImage(Held(bytes)) else { return }
            let code = image.segments.first { $0.isExecutable }
            let start = code?.address ?? 0x400000
            // Words that may be return addresses, others, and such as lead back to the stack.
            let base: UInt64 = 0x7fff_0000_1000
            let words = (0 ..< 256).map { _ -> UInt64 in
                switch Int.random(in: 0 ..< 4, using: &dice) {
                case 0: base &+ UInt64.random(in: 0 ..< 2048, using: &dice)
                case 1: UInt64.random(in: 0 ... .max, using: &dice)
                default: start &+ UInt64.random(in: 0 ..< 1024, using: &dice)
                }
            }
            let registers = Registers(
                rip: start &+ UInt64.random(in: 0 ..< 1024, using: &dice), rsp: base,
                rbp: base &+ UInt64.random(in: 0 ..< 1024, using: &dice), rbx: words[0], r12: words[1], r13: .max, r14: 0,
                r15: base)
            let unwound = words.withUnsafeBytes { bytes in
                Unwinder.unwind(registers, stacks: [StackCopy(base: base, bytes: bytes)]) { address in
                    address >= start && address < start &+ 4096 ? CodePlace(table: image.table, bias: 0) : nil
                }
            }
            #expect(unwound.frames.count <= 512)
            #expect(image.footprint < 64 << 20)
            _ = image.address(ofOffset: .max)
        }
    }

    @Test func unwindMessages() {
        var request = UnwindRequest()
        request.pieces = [.init(offset: 0, count: 64), .init(offset: 128, count: 192)]
        request.other = .init(address: 0xc000_0000, count: 64)
        request.bytes = [UInt8](repeating: 7, count: 320)
        request.chain = [1, 2, 3]
        request.mappings = [
            .init(start: 0x1000, end: 0x2000, fileOffset: 0, key: 1), .init(start: 0x3000, end: 0x4000, fileOffset: 9, key: 0),
        ]
        var reply = UnwindReply(ending: .cut(wanted: 100))
        reply.frames = [.init(address: 1, kind: .innermost, isGuessed: false), .init(address: 2, kind: .caller, isGuessed: true)]
        reply.inputs = [3, 0xfff2]
        reply.lacking = [4]
        reply.wantsChain = true
        let messages: [UnwindMessage] = [.unwind(id: 1, request), .unwound(id: 2, reply), .unwound(id: 3, UnwindReply())]
        for message in messages { #expect(UnwindMessage(message.bytes) == message) }
        let engine = UnwindEngine()
        var trial = Trial("messages of the unwinder", count: 3000)
        trial.run { dice in
            var bytes = messages.randomElement(using: &dice)!.bytes
            Self.damage(&bytes, &dice)
            guard let message = UnwindMessage(bytes) else { return }
            #expect(UnwindMessage(message.bytes) == message)
            // What the observer says wrong, in memory that the unwinder must not trust either.
            if case .unwind(_, let request) = message { _ = engine.unwind(request) }
        }
    }
}

@Suite("Records that wait for a stack")
struct BacklogTests {
    @Test("come in their order, and are gone then")
    func order() {
        let backlog = Backlog()
        var sizes: [Int] = []
        for size in [1, 70_000, 3, 2_000_000, 5] {
            [UInt8](repeating: UInt8(size & 0xff), count: size).withUnsafeBytes { backlog.append($0) }
            sizes.append(size)
        }
        #expect(backlog.size == sizes.reduce(0, +))
        var seen: [Int] = []
        while !backlog.isEmpty {
            backlog.takeFirst { record in
                #expect(record.allSatisfy { $0 == UInt8(record.count & 0xff) })
                seen.append(record.count)
            }
        }
        #expect(seen == sizes && backlog.size == 0)
        backlog.takeFirst { _ in Issue.record("there is none") }
        [UInt8]([1, 2]).withUnsafeBytes { backlog.append($0) }
        backlog.takeFirst { #expect(Array($0) == [1, 2]) }
    }

    @Test("have no more memory than those that wait take, if there is always one that does")
    func memory() {
        let backlog = Backlog()
        var (next, taken) = (0, 0)
        func append() {
            withUnsafeBytes(of: next) { head in
                ([UInt8](head) + [UInt8](repeating: UInt8(next & 0xff), count: 100 + next % 900)).withUnsafeBytes {
                    backlog.append($0)
                }
            }
            next += 1
        }
        for _ in 0 ..< 5_000 { append() }
        for _ in 0 ..< 100_000 {
            append()
            backlog.takeFirst { record in
                #expect(record.loadUnaligned(as: Int.self) == taken && record.count == 108 + taken % 900)
                #expect(record[record.count - 1] == UInt8(taken & 0xff))
            }
            taken += 1
        }
        #expect(backlog.capacity < 12 << 20, "\(backlog.capacity)")
    }
}

import CSystem
import Foundation
import Testing

@testable import VMAProbe

/// How much is tried, and what it took. `make fuzz-parsers` gives each kind its seconds; VMASCOPE_FUZZ=N tries N inputs.
///
/// An input's time is the thread's processor time: a busy machine makes no input slow.
struct Trial {
    private static func setting(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }

    let name: String
    private let count: Int
    private let seconds: Double?
    private let start = Date()
    private var slowest = 0.0
    private(set) var done = 0
    var dice = Seeded(state: setting("VMASCOPE_FUZZ_SEED") ?? 1)

    init(_ name: String, count: Int) {
        self.name = name
        self.count = Self.setting("VMASCOPE_FUZZ").map { Int($0) } ?? count
        seconds = Self.setting("VMASCOPE_FUZZ_SECONDS").map { Double($0) }
    }

    /// Of this thread, in seconds.
    private static var processorTime: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Runs `body` again and again; an input that takes more than two seconds is a fault.
    mutating func run(_ body: (inout Seeded) throws -> Void) rethrows {
        while seconds.map({ Date().timeIntervalSince(start) < $0 }) ?? (done < count) {
            let state = dice.state
            let begin = Self.processorTime
            try body(&dice)
            let time = Self.processorTime - begin
            #expect(time < 2, "\(name): seed \(state) took \(time) s")
            slowest = max(slowest, time)
            done += 1
        }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        print("fuzzed \(done) \(name): the slowest took \(Int(slowest * 1000)) ms, \(usage.ru_maxrss >> 10) MB at most")
        #expect(usage.ru_maxrss < 2 << 20)
    }
}

/// Parsers of what an observed process can write, on bytes that are wrong.
@Suite("ParserFuzz", .serialized)
struct ParserFuzzTests {
    private static func memory(_ bytes: [UInt8]) -> Int32 {
        var path = Array("/dev/shm/fuzz-XXXXXX".utf8CString)
        let fd = mkstemp(&path)
        unlink(path)
        _ = bytes.withUnsafeBytes { write(fd, $0.baseAddress, $0.count) }
        return fd
    }

    static func damage(_ bytes: inout [UInt8], _ dice: inout Seeded, near places: [Int] = []) {
        guard !bytes.isEmpty else { return }
        for _ in 0 ... Int.random(in: 0 ..< 6, using: &dice) {
            let at =
                places.isEmpty || Bool.random(using: &dice)
                ? Int.random(in: 0 ..< bytes.count, using: &dice) : min(bytes.count - 1, places.randomElement(using: &dice)!)
            switch Int.random(in: 0 ..< 6, using: &dice) {
            case 0: bytes[at] = UInt8.random(in: 0 ... 255, using: &dice)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0 ..< 8, using: &dice)
            case 2, 3: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &dice)!
            case 4:
                // A number of eight bytes, large or small.
                let value = UInt64.random(in: 0 ... .max, using: &dice) >> UInt64.random(in: 0 ..< 64, using: &dice)
                for byte in 0 ..< 8 where at + byte < bytes.count {
                    bytes[at + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
                }
            default: if Int.random(in: 0 ..< 10, using: &dice) == 0 { bytes.removeSubrange(at...) }
            }
            if bytes.isEmpty { return }
        }
    }

    @Test func elfFiles() throws {
        let shop = try Workshop()
        // Without a C library: small files are read fast, and most of their bytes matter.
        let text =
            "__attribute__((noinline)) int target(int a) { return a * 3 + 1; }\nvoid _start(void) { target(2); __builtin_trap(); }\n"
        var seeds: [[UInt8]] = []
        for flags in [["-Wl,--build-id", "-pie", "-fPIE"], ["-g", "-no-pie", "-fno-pie"], ["-shared", "-fPIC", "-g"]] {
            let source = try shop.write("x.c", text)
            try shop.run(
                try Workshop.tool("clang", "cc"),
                [source, "-O1", "-nostdlib", "-fuse-ld=bfd", "-Wl,-z,noseparate-code", "-o", shop.path("x")] + flags)
            try shop.objcopy("--add-gnu-debuglink=\(try shop.write("d", "debug"))", shop.path("x"), shop.path("y"))
            seeds.append(Array(try Data(contentsOf: URL(fileURLWithPath: shop.path("y")))))
        }
        var trial = Trial("ELF files", count: 2000)
        trial.run { dice in
            var bytes = seeds.randomElement(using: &dice)!
            // Headers decide most: the file's own, and those of the sections, at its end.
            let sections = Array(max(0, bytes.count - 2400) ..< bytes.count)
            Self.damage(&bytes, &dice, near: Bool.random(using: &dice) ? Array(0 ..< 1024) : sections)
            // One in some is read as a file, the others are in memory.
            let isFile = Int.random(in: 0 ..< 16, using: &dice) == 0
            guard let elf = isFile ? ElfFile(owning: Self.memory(bytes)) : ElfFile(bytes) else { return }
            let file = SymbolFile(elf) { _, place in isFile && place == 0 ? Self.memory(bytes) : nil }
            for offset in stride(from: UInt64(0), to: 1 << 13, by: 509) {
                if let address = file.address(ofOffset: offset) { _ = file.answer(at: address, place: offset) }
            }
            _ = file.address(ofOffset: .max)
            _ = file.answer(at: .max, place: 0)
        }
    }

    @Test func perfMaps() {
        var trial = Trial("perf maps", count: 300)
        trial.run { dice in
            var text: [UInt8] = []
            for _ in 0 ..< Int.random(in: 0 ..< 200, using: &dice) {
                let address = UInt64.random(in: 0 ... .max, using: &dice) >> UInt64.random(in: 0 ..< 64, using: &dice)
                let size = UInt64.random(in: 0 ... .max, using: &dice) >> UInt64.random(in: 0 ..< 64, using: &dice)
                text += Array("\(String(address, radix: 16)) \(String(size, radix: 16)) name\n".utf8)
            }
            Self.damage(&text, &dice)
            let map = PerfMap(pause: 0) { Self.memory(text) }
            for _ in 0 ..< 20 {
                _ = map.name(
                    of: UInt64.random(in: 0 ... .max, using: &dice) >> UInt64.random(in: 0 ..< 64, using: &dice), room: 1 << 20)
            }
            #expect(map.footprint < 4 << 20)
        }
    }

    private static let mangled = [
        "_ZN4shop3BoxIiE5twiceEi", "_ZNSt6vectorIiSaIiEE9push_backERKi", "_Z1fI1AIiiE1AIS1_S1_EEvT_", "_ZZ4mainENKUlvE_clEv",
        "_RNvCs1234_7mycrate3foo", "_RINvNtC3std3mem8align_ofjE", "_RNvXCs5_1aINtB2_3FooppENtB2_3Bar3baz",
        "_ZN4core3ptr13drop_in_place17h0123456789abcdefE",
        "$s4main3FooV3bar1xySi_tF", "$sSaySiGD", "$s4main1fyyF", "_T04main1fyyF",
    ]

    @Test func names() {
        var trial = Trial("names", count: 3000)
        trial.run { dice in
            var bytes = Array(Self.mangled.randomElement(using: &dice)!.utf8)
            for _ in 0 ..< Int.random(in: 0 ..< 4, using: &dice) {
                // A part of it once more, as what refers to itself has it.
                let from = Int.random(in: 0 ..< bytes.count, using: &dice)
                let piece = Array(bytes[from ..< min(bytes.count, from + Int.random(in: 1 ..< 12, using: &dice))])
                bytes.insert(contentsOf: piece, at: Int.random(in: 0 ... bytes.count, using: &dice))
                if Bool.random(using: &dice) {
                    bytes[Int.random(in: 0 ..< bytes.count, using: &dice)] = UInt8.random(in: 33 ..< 127, using: &dice)
                }
            }
            // Swift's demangler has no bound of its own: in the reader it has a timer.
            if bytes.count > 80, bytes.first == UInt8(ascii: "$") { bytes.removeLast(bytes.count - 80) }
            let text = Demangler.text(String(decoding: bytes, as: UTF8.self))
            #expect(text.utf8.count <= SymbolLimits.plainName + 4096)
        }
    }

    @Test func messages() {
        let messages: [HelperMessage] = [
            .open(
                key: 1,
                FileRequest(kind: .mapped, pid: 1, path: "/x", start: 1, end: 2, identity: FileIdentity(device: 1, inode: 2))),
            .open(
                key: 1,
                FileRequest(
                    kind: .mapped, pid: 1, path: "/x", start: 1, end: 2,
                    identity: FileIdentity(device: 1, inode: 2, content: .init(size: 3, modified: 4)))),
            .opened(key: 2, .another), .file(key: 3, .perfMap, .init(size: 1, modified: 2)),
            .more(key: 4, .buildID([1, 2, 3]), place: 1),
            .moreFile(found: true),
            .lookUp(id: 5, key: 6, .plain, [NameRequest(address: 7, isCaller: true)]),
            .names(id: 8, [NameAnswer(address: 9, isProgram: true, name: "x", line: "a.c:1", inlined: [.init(name: "y")])]),
            .names(id: 10, nil),
        ]
        for message in messages { #expect(HelperMessage(message.bytes) == message) }
        var trial = Trial("messages between processes", count: 3000)
        trial.run { dice in
            var bytes = messages.randomElement(using: &dice)!.bytes
            Self.damage(&bytes, &dice)
            if let message = HelperMessage(bytes) { #expect(HelperMessage(message.bytes) == message) }
        }
    }
}

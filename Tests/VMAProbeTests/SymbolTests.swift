import Foundation
import Testing
import VMACore

@testable import VMAProbe

private let headers = "#include <stdio.h>\n__attribute__((noinline)) int target(int a) { return a * 3 + 1; }\n"
private let program = headers + Running.main("target")

@Suite struct SymbolTests {
    let shop: Workshop
    let symbolizer = Symbolizer()

    init() throws { shop = try Workshop() }

    // MARK: kinds of files

    @Test(arguments: [
        ["-static"], ["-fPIE", "-pie"], ["-fno-pie", "-no-pie"], ["-static-pie", "-fPIE", "-fuse-ld=lld"],
    ])
    func functionOfProgram(_ flags: [String]) throws {
        let source = try shop.write("x.c", program)
        try shop.run(try Workshop.tool("clang", "cc"), [source, "-O1", "-o", shop.path("x")] + flags)
        let running = try Running(shop.path("x"))
        let start = try running.place("target")
        #expect(symbolizer.frame(start, pid: running.pid, isCaller: false) == "target")
        #expect(symbolizer.frame(start, pid: running.pid, isCaller: true) != "target")
        let second = try running.place("target", plus: 1)
        #expect(symbolizer.frame(second, pid: running.pid, isCaller: true) == "target")
    }

    @Test func functionOfLibrary() throws {
        let library = try shop.build(
            "libshop.so", "lib.c", "int shared_function(int a) { return a + 1; }", "-shared", "-fPIC")
        let text = "#include <stdio.h>\nint shared_function(int);\n" + Running.main("shared_function", "puts")
        let running = try Running(
            try shop.build("x", "x.c", text, "-fPIE", "-pie", library, "-Wl,-rpath,\(shop.directory)"))
        let place = try running.place("shared_function")
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "shared_function (libshop.so)")
        let puts = try running.place("puts")
        #expect(symbolizer.frame(puts, pid: running.pid, isCaller: false) == "puts (libc.so.6)")
    }

    @Test(arguments: ["-static", "-pie"]) func strippedFile(_ kind: String) throws {
        let file = try shop.build("bare", "x.c", program, kind, "-s", kind == "-pie" ? "-fPIE" : "-fno-pie")
        let running = try Running(file)
        let place = try running.place("target")
        var offset = place.address
        if kind == "-pie" {
            let maps = try String(contentsOfFile: "/proc/\(running.pid)/maps", encoding: .utf8)
            offset -= UInt64(maps.prefix { $0 != "-" }, radix: 16)!
        }
        let text = symbolizer.frame(place, pid: running.pid, isCaller: true)
        #expect(text == "bare+0x" + String(offset, radix: 16))
    }

    @Test func removedProgramAndEndedProcess() throws {
        let running = try Running(try shop.build("x", "x.c", program, "-static"))
        let place = try running.place("target")
        unlink(shop.path("x"))
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
        var deleted = place
        deleted.path! += " (deleted)"
        #expect(Symbolizer().frame(deleted, pid: running.pid, isCaller: false) == "target")
        // Another one in its place.
        _ = try shop.build("x", "y.c", "int main(void) { return 0; }", "-static", "-Wl,-e,main")
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
        unlink(shop.path("x"))
        running.stop()
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
        #expect(Symbolizer().frame(place, pid: running.pid, isCaller: false).hasPrefix("x+0x"))
    }

    @Test func pathOfHostForEndedProcess() throws {
        let running = try Running(try shop.build("x", "x.c", program, "-static"))
        let place = try running.place("target")
        running.stop()
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
    }

    @Test func processInContainer() throws {
        let program = try shop.build("inside", "x.c", program, "-static")
        try FileManager.default.createDirectory(atPath: shop.path("jail/tmp"), withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: program, toPath: shop.path("jail/inside"))
        let unshare = try Workshop.tool("unshare")
        let chroot = try Workshop.tool("chroot")
        let running = try Running(unshare, ["--fork", "--pid", chroot, shop.path("jail"), "/inside"])
        var place = try running.place("target")
        #expect(place.path == shop.path("jail/inside"))
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
        place.path = "/inside"
        #expect(symbolizer.frame(place, pid: running.pid, isCaller: false) == "target")
        // It calls itself 1.
        try "5000 10 made\n".write(toFile: shop.path("jail/tmp/perf-1.map"), atomically: false, encoding: .utf8)
        let made = MappedPlace(path: nil, fileOffset: 0, address: 0x5008, mappingStart: 0x5000)
        #expect(symbolizer.frame(made, pid: running.pid, isCaller: false) == "made (jit)")
    }

    // MARK: choice of symbols

    @Test func bestNameOfAnAddress() throws {
        let text = """
            #include <stdio.h>
            int __wk(int a) { return a + 1; }
            extern int work(int) __attribute__((weak, alias("__wk")));
            extern int work64(int) __attribute__((alias("__wk")));
            static int a_local(int) __attribute__((used, alias("__wk")));

            """
        let running = try Running(try shop.build("x", "x.c", text + Running.main("work"), "-static"))
        #expect(symbolizer.frame(try running.place("work"), pid: running.pid, isCaller: false) == "work")
    }

    @Test func labelsWithoutSize() throws {
        let text = """
            #include <stdio.h>
            void big(void); void bare(void); void after(void);
            __asm__(".text\\n.globl big, bare, after\\n.type big, @function\\nbig: .fill 8, 1, 0x90\\n"
                "inner: .fill 8, 1, 0x90\\n.size big, .-big\\nbare: .fill 16, 1, 0x90\\n"
                ".type after, @function\\nafter: ret\\n.size after, .-after\\n.fill 16, 1, 0x90\\n");

            """
        let running = try Running(
            try shop.build("x", "x.c", text + Running.main("big", "bare", "after"), "-static"))
        let frame = { (name: String, plus: UInt64) in
            symbolizer.frame(try running.place(name, plus: plus), pid: running.pid, isCaller: false)
        }
        #expect(try frame("big", 12) == "big")
        #expect(try frame("bare", 15) == "bare")
        #expect(try frame("bare", 16) == "after")
        #expect(try frame("after", 4).hasPrefix("x+0x"))
    }

    @Test func namesOfCxx() throws {
        let text = """
            #include <cstdio>
            namespace shop {
                template <class T> struct Box { __attribute__((noinline)) static T twice(T a) { return a * 2; } };
                namespace { __attribute__((noinline, used)) int hidden(int a, const char *) { return a + 1; } }
            }
            int main() {
                printf("box %lx\\nhidden %lx\\nready\\n", (long)shop::Box<int>::twice, (long)shop::hidden);
                fflush(stdout);
                return getchar();
            }
            """
        let running = try Running(try shop.build("x", "x.cpp", text, "-static"))
        let box = symbolizer.frame(try running.place("box"), pid: running.pid, isCaller: false)
        #expect(box == "shop::Box<int>::twice")
        let hidden = symbolizer.frame(try running.place("hidden"), pid: running.pid, isCaller: false)
        #expect(hidden == "shop::(anonymous namespace)::hidden")
    }

    // MARK: debug files

    /// A stripped program, its debug file as `debug`, and where `target` is.
    private func stripped(_ flags: String...) throws -> (file: String, address: UInt64) {
        let file = try shop.build("x", "x.c", program, "-g", "-no-pie", "-fno-pie", flags[0])
        let address = try Running(file).place("target").address
        try shop.objcopy("--only-keep-debug", file, shop.path("debug"))
        try shop.objcopy("--strip-all", "--add-gnu-debuglink=\(shop.path("debug"))", file)
        return (file, address)
    }

    private func names(_ file: String, _ openDebug: (String) -> Int32?) throws -> SymbolFile {
        guard let elf = RegularFile.open(file).flatMap({ ElfFile(owning: $0) }) else {
            throw Trouble(description: "\(file) is no ELF file")
        }
        return SymbolFile(elf) { what, place in
            let paths = FileOpener.paths(what, beside: file)
            return place % 2 == 0 && place / 2 < paths.count ? openDebug(paths[place / 2]) : nil
        }
    }

    @Test func debugFileByLink() throws {
        let (file, address) = try stripped("-Wl,--build-id=none")
        #expect(try names(file) { _ in nil }.function(at: address) == nil)
        #expect(try names(file) { RegularFile.open($0) }.function(at: address) == "target")
        for place in ["/.debug", "/usr/lib/debug" + shop.directory] {
            let wanted = place == "/.debug" ? shop.directory + "/.debug/debug" : place + "/debug"
            let found = try names(file) { $0 == wanted ? RegularFile.open(shop.path("debug")) : nil }
            #expect(found.function(at: address) == "target")
        }
        // One that was made for something else.
        let other = try FileHandle(forWritingTo: URL(fileURLWithPath: shop.path("debug")))
        try other.seekToEnd()
        try other.write(contentsOf: Data([0]))
        #expect(try names(file) { RegularFile.open($0) }.function(at: address) == nil)
    }

    @Test func debugFileByBuildID() throws {
        let (file, address) = try stripped("-Wl,--build-id=0x0123456789abcdef")
        let wanted = "/usr/lib/debug/.build-id/01/23456789abcdef.debug"
        let found = try names(file) { $0 == wanted ? RegularFile.open(shop.path("debug")) : nil }
        #expect(found.function(at: address) == "target")
        let other = try shop.build("other", "x.c", program, "-g", "-Wl,--build-id=0x0123456789abcdee")
        #expect(try names(file) { $0 == wanted ? RegularFile.open(other) : nil }.function(at: address) == nil)
    }

    // MARK: more than symbols

    private static let inlining =
        """
        static inline __attribute__((always_inline)) int inner(volatile int *a) { return ++*a * 3; }
        static inline __attribute__((always_inline)) int middle(volatile int *a) { return inner(a) + 1; }
        __attribute__((noinline)) int target(volatile int *a) { return middle(a); }

        #include <stdio.h>

        """ + Running.main("target")

    @Test func inlinedFunctionsAndLines() throws {
        let file = try shop.build("x", "x.c", Self.inlining, "-g", "-O2", "-no-pie", "-fno-pie")
        let address = try Running(file).place("target").address
        let answers = (0 ..< 16).map { try? names(file) { _ in nil }.answer(at: address + $0, place: 0) }
        let found = try #require(answers.compactMap { $0 }.first { $0.inlined.count == 2 })
        #expect(found.inlined.map(\.name) == ["inner", "middle"] && found.name == "target")
        #expect(found.inlined.map(\.line) == ["x.c:1", "x.c:2"] && found.line == "x.c:3")
        let place = MappedPlace(path: "/a/libx.so", fileOffset: 0, address: 1, mappingStart: 0)
        var library = found
        library.isProgram = false
        #expect(
            place.texts(library, wantsLines: false) == [
                "inner (inlined, libx.so)", "middle (inlined, libx.so)", "target (libx.so)",
            ])
        #expect(
            place.texts(found, wantsLines: true) == ["inner (inlined) at x.c:1", "middle (inlined) at x.c:2", "target at x.c:3"])
        let libc = MappedPlace(path: "/lib/libc.so.6", fileOffset: 0, address: 1, mappingStart: 0)
        #expect(libc.texts(library, wantsLines: false) == ["target (libc.so.6)"])
        for text in place.texts(library, wantsLines: true) { #expect(Frame(text).object == "libx.so", "\(text)") }
        #expect(Frame("target at x.c:3").function == "target" && Frame("inner (inlined) at x.c:1").object == nil)
    }

    @Test func packedSymbols() throws {
        let file = try shop.build("x", "x.c", Self.inlining, "-O2", "-no-pie", "-fno-pie")
        let address = try Running(file).place("target").address
        try shop.objcopy("--strip-debug", file, shop.path("mini"))
        try shop.run(try Workshop.tool("xz"), ["-k", "-f", shop.path("mini")])
        try shop.objcopy("--strip-all", "--add-section", ".gnu_debugdata=\(shop.path("mini.xz"))", file)
        #expect(try names(file) { _ in nil }.function(at: address) == "target")
    }

    // MARK: damage

    /// Asks for all there is to ask.
    private func exercise(_ file: String) {
        guard let elf = RegularFile.open(file).flatMap({ ElfFile(owning: $0) }) else { return }
        _ = elf.debugLink()
        _ = elf.symbols(exported: true)
        let names = SymbolFile(elf) { _, _ in RegularFile.open(file) }
        for offset in stride(from: UInt64(0), to: 1 << 16, by: 509) {
            if let address = names.address(ofOffset: offset) { _ = names.function(at: address) }
        }
        _ = names.address(ofOffset: .max)
        _ = names.function(at: .max)
    }

    @Test func damagedFiles() throws {
        let file = try shop.build("x", "x.c", program, "-Wl,--build-id", "-pie", "-fPIE")
        try shop.objcopy("--add-gnu-debuglink=\(try shop.write("d", "debug"))", file)
        let whole = try Data(contentsOf: URL(fileURLWithPath: file))
        let damaged = shop.path("damaged")
        func put(_ data: Data) throws {
            try data.write(to: URL(fileURLWithPath: damaged))
            exercise(damaged)
        }
        for length in stride(from: 0, to: whole.count, by: max(whole.count / 200, 1)) { try put(whole.prefix(length)) }
        for length in 0 ..< 80 { try put(whole.prefix(length)) }
        var random = Seeded(state: 1)
        // Headers decide most: the file's own, at its start, and those of the sections, at its end.
        let headers = Array(0 ..< 1024) + Array(whole.count - 2200 ..< whole.count)
        for round in 0 ..< 1500 {
            var data = whole
            for _ in 0 ... Int.random(in: 0 ..< 6, using: &random) {
                let anywhere = Int.random(in: 0 ..< data.count, using: &random)
                let at = round % 3 == 0 ? anywhere : headers.randomElement(using: &random)!
                let values = [0, 0xff, 0x7f, 0x80, UInt8.random(in: 0 ... 255, using: &random)]
                data[at] = values.randomElement(using: &random)!
            }
            try put(data)
        }
    }
}

struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

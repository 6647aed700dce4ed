import Foundation
import TestSupport
import Testing

@testable import VMAUnwind

/// Names and lines of a program that a compiler of this machine has made.
@Suite("Debug information")
struct DebugInfoTests {
    struct Trouble: Error {
        var text: String
    }

    private static let source = """
        #include <sys/mman.h>
        namespace part { template<class T> struct Deep {
            __attribute__((always_inline)) void *map(T size) {
                return mmap(nullptr, size, 1, 0x22, -1, 0);
            }
        }; }
        static inline __attribute__((always_inline)) void *middle(unsigned long size) {
            part::Deep<unsigned long> deep;
            return deep.map(size + 4096);
        }
        extern "C" __attribute__((noinline)) void *outer(unsigned long size) {
            void *memory = nullptr;
            for (int i = 0; i < 3; i++) {
                memory = middle(size + i);
                mprotect(memory, 1, 3);
            }
            return memory;
        }
        int main(int count, char **) { return outer(count) == nullptr; }
        """

    private static func run(_ command: [String]) throws -> String {
        let (status, bytes) = try Child.run(command)
        let text = String(decoding: bytes, as: UTF8.self)
        guard status == 0 else { throw Trouble(text: text) }
        return text
    }

    /// The bytes of the program, and the addresses behind the calls in `outer`, with what they call.
    private static func program(_ flags: [String]) throws -> (bytes: [UInt8], calls: [(address: UInt64, name: String)]) {
        let directory = FileManager.default.temporaryDirectory.appending(path: "debug-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try source.write(toFile: "\(directory)/source.cpp", atomically: false, encoding: .utf8)
        _ = try run(["c++", "-O2", "-fno-unroll-loops", "-o", "\(directory)/program", "\(directory)/source.cpp"] + flags)
        let text = try run(["objdump", "-d", "--no-show-raw-insn", "--disassemble=outer", "\(directory)/program"])
        let lines = text.split(separator: "\n")
        var calls: [(UInt64, String)] = []
        for (line, next) in zip(lines, lines.dropFirst()) where line.contains("call ") {
            guard
                let address = next.split(separator: ":").first.flatMap({
                    UInt64($0.trimmingCharacters(in: .whitespaces), radix: 16)
                })
            else { continue }
            calls.append((address, line.contains("mprotect") ? "mprotect" : "mmap"))
        }
        let file = try #require(FileBytes("\(directory)/program"))
        return (Section(address: 0, source: file).bytes(at: 0, count: file.count), calls)
    }

    @Test(
        "names what was inlined, and each line",
        arguments: [["-gdwarf-4"], ["-gdwarf-5", "-gz=zlib", "-ffunction-sections"]])
    func inlined(_ flags: [String]) throws {
        let (bytes, calls) = try Self.program(flags)
        let info = try #require(DebugInfo(DebugSections(HeldBytes(bytes))))
        #expect(calls.count >= 2)
        for (address, name) in calls {
            let functions = info.functions(at: address - 1)
            #expect(functions.allSatisfy { $0.file?.hasSuffix("/source.cpp") ?? false })
            if name == "mprotect" {
                #expect(functions.map(\.name) == ["outer"])
                #expect(functions.map(\.line) == [15])
            } else {
                #expect(functions.map(\.name).last == "outer")
                #expect(functions.dropLast().last?.name.contains("middle") ?? false)
                #expect(functions.first?.name.contains("map") ?? false)
                #expect(functions.map(\.line) == [4, 9, 14])
            }
            // The second time it is known.
            #expect(info.functions(at: address - 1) == functions)
        }
        #expect(info.functions(at: 0).isEmpty)
        #expect(info.functions(at: .max).isEmpty)
        #expect(info.footprint < 1 << 20)
    }

    @Test("survives any damage")
    func damaged() throws {
        let (bytes, calls) = try Self.program(["-g"])
        let whole = DebugSections(HeldBytes(bytes))
        let first = try #require(calls.first?.address)
        var state: UInt64 = 5
        func draw(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % max(1, limit)
        }
        let paths = DebugSections.names.map(\.1)
        for _ in 0 ..< 1500 {
            var sections = whole
            for _ in 0 ... draw(2) {
                let path = paths[draw(paths.count)]
                guard let section = sections[keyPath: path] else { continue }
                var bytes = section.bytes(at: 0, count: section.count)
                if draw(5) == 0 { bytes.removeLast(draw(bytes.count)) }
                for _ in 0 ... draw(4) where !bytes.isEmpty {
                    bytes[draw(draw(2) == 0 ? 64 : bytes.count) % bytes.count] = [0, 0xff, 0x7f, 0x80, UInt8(draw(256))][draw(5)]
                }
                sections[keyPath: path] = Section(address: 0, bytes: bytes)
            }
            guard let info = DebugInfo(sections) else { continue }
            for address in [first - 1, 0, .max] { #expect(info.functions(at: address).count <= 64) }
        }
    }
}

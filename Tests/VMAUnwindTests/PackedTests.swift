import Foundation
import TestSupport
import Testing

@testable import VMAUnwind

@Suite("What is packed")
struct PackedTests {
    /// What `command` makes of `bytes`.
    private static func pipe(_ bytes: [UInt8], _ command: String) throws -> [UInt8] {
        let path = FileManager.default.temporaryDirectory.appending(path: "packed-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(FileManager.default.createFile(atPath: path, contents: Data(bytes)))
        let (status, bytes) = try Child.run(["/bin/sh", "-c", "\(command) < \(path)"])
        #expect(status == 0, "this test needs: \(command)")
        return Array(bytes)
    }

    /// Texts that repeat, and noise, which does not.
    private static let samples: [[UInt8]] = {
        var state: UInt64 = 1
        func noise(_ count: Int) -> [UInt8] {
            (0 ..< count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1
                return UInt8(truncatingIfNeeded: state >> 33)
            }
        }
        let text = (0 ..< 9000).flatMap { Array("symbol_\($0 * $0)\0".utf8) }
        return [[1], Array(repeating: 7, count: 70_000), text, noise(3000) + text + noise(100_000) + text, noise(5)]
    }()

    private static let zlib =
        "python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read(), LEVEL))'"

    @Test("comes out as it went in", arguments: [0, 1, 2, 3, 4])
    func roundTrip(_ index: Int) throws {
        let bytes = Self.samples[index]
        for level in ["0", "1", "9"] {
            let packed = try Self.pipe(bytes, Self.zlib.replacingOccurrences(of: "LEVEL", with: level))
            #expect(Inflate.bytes(packed, size: bytes.count) == bytes)
            #expect(Inflate.bytes(packed, size: bytes.count - 1) == nil)
            #expect(Inflate.bytes(packed, size: bytes.count + 1) == nil)
        }
        for options in ["-0", "-6", "-C none", "-C sha256 --lzma2=lc=1,lp=2,pb=3", "--block-size=20000"] {
            let packed = try Self.pipe(bytes, "xz -c \(options)")
            #expect(XZ.bytes(packed, most: bytes.count) == bytes, "\(options)")
            #expect(XZ.bytes(packed, most: bytes.count - 1) == nil)
        }
    }

    @Test("ends, and traps on nothing, where it is damaged")
    func damaged() throws {
        let bytes = Array(Self.samples[2].prefix(4000))
        let zlib = try Self.pipe(bytes, Self.zlib.replacingOccurrences(of: "LEVEL", with: "9"))
        let xz = try Self.pipe(bytes, "xz -c")
        var state: UInt64 = 3
        func draw(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        for round in 0 ..< 600 {
            for packed in [zlib, xz] {
                var packed = packed
                if round % 4 == 0 { packed.removeLast(draw(packed.count)) }
                for _ in 0 ..< draw(4) where !packed.isEmpty {
                    packed[draw(round % 2 == 0 ? min(40, packed.count) : packed.count)] = UInt8(draw(256))
                }
                #expect((Inflate.bytes(packed, size: bytes.count)?.count ?? 0) <= bytes.count)
                #expect((XZ.bytes(packed, most: 5000)?.count ?? 0) <= 5000)
            }
        }
    }
}

import Glibc

@testable import VMAUnwind

/// A file read by pread(2).
final class FileBytes: ByteSource {
    let count: Int
    private let fd: Int32

    init?(_ path: String) {
        fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        var status = stat()
        fstat(fd, &status)
        count = Int(status.st_size)
    }

    deinit { close(fd) }

    /// Of a file in /proc, whose size nobody knows.
    static func text(_ path: String) -> String? {
        guard let file = FileBytes(path) else { return nil }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let got = pread(file.fd, &buffer, buffer.count, text.count)
            guard got > 0 else { return String(decoding: text, as: UTF8.self) }
            text += buffer[..<got]
        }
    }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        max(0, pread(fd, buffer.baseAddress, min(buffer.count, count - offset), offset))
    }
}

/// What tools/stack-oracle.c has written of one stop of a thread.
struct RecordedStop {
    struct Mapping {
        var start, end, offset: UInt64
        var path: String
    }

    struct Frame {
        var address: UInt64
        var isExact: Bool
        var name: String
    }

    var process: UInt64 = 0
    var call: UInt64 = 0
    var registers = Registers()
    var mappings: [Mapping] = []
    var chain: [UInt64] = []
    var stack: [UInt8] = []
    /// A part of another stack, to which frame pointers lead, and its address.
    var other: [UInt8] = []
    var otherBase: UInt64 = 0
    /// Why the reference ended; empty if it came to an end.
    var failure = ""
    var frames: [Frame] = []

    static func all(_ path: String) -> [RecordedStop] {
        guard let file = FileBytes(path) else { return [] }
        let bytes = Section(address: 0, source: file)
        var offset = 0
        func number() -> UInt64 {
            offset += 8
            return bytes.value(at: offset - 8, size: 8) ?? 0
        }
        func data(_ count: UInt64) -> [UInt8] {
            offset += Int(count)
            return bytes.bytes(at: offset - Int(count), count: Int(count))
        }
        func text() -> String { String(decoding: data(number()), as: UTF8.self) }
        var stops: [RecordedStop] = []
        while offset < bytes.count, number() == 0x706f_7473 {
            var stop = RecordedStop()
            stop.process = number()
            stop.call = number()
            for register in 0 ..< Registers.count { stop.registers[register] = number() }
            while number() == 1 {
                stop.mappings.append(Mapping(start: number(), end: number(), offset: number(), path: text()))
            }
            stop.chain = (0 ..< number()).map { _ in number() }
            stop.stack = data(number())
            stop.otherBase = number()
            stop.other = data(number())
            stop.failure = text()
            stop.frames = (0 ..< number()).map { _ in Frame(address: number(), isExact: number() != 0, name: text()) }
            // The oracle was ended while it wrote this one.
            guard offset <= bytes.count else { break }
            stops.append(stop)
        }
        return stops
    }
}

/// Files by their paths, each opened once.
final class RecordedFiles {
    private var images: [String: UnwindImage?] = [:]
    /// This machine's vdso, which all processes have.
    private lazy var vdso: UnwindImage? = {
        guard let maps = FileBytes.text("/proc/self/maps") else { return nil }
        for line in maps.split(separator: "\n") where line.hasSuffix("[vdso]") {
            let ends = line.prefix { $0 != " " }.split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard ends.count == 2, let start = UnsafeRawPointer(bitPattern: ends[0]) else { return nil }
            return UnwindImage(HeldBytes(Array(UnsafeRawBufferPointer(start: start, count: Int(ends[1] - ends[0])))))
        }
        return nil
    }()

    func place(_ address: UInt64, in stop: RecordedStop) -> CodePlace? {
        guard let mapping = stop.mappings.first(where: { $0.start <= address && address < $0.end }) else { return nil }
        guard let image = image(mapping.path),
            let inImage = image.address(ofOffset: address - mapping.start + mapping.offset)
        else { return CodePlace(table: nil, bias: 0) }
        return CodePlace(table: image.table, bias: address &- inImage)
    }

    /// By what a sampler would have: never more than the recorded part of the stack, and the frame-pointer chain where
    /// it is wanted.
    func unwind(_ stop: RecordedStop) -> Unwound {
        let walk = unwind(stop, chain: [])
        return walk.wantsChain ? unwind(stop, chain: stop.chain) : walk
    }

    private func unwind(_ stop: RecordedStop, chain: [UInt64]) -> Unwound {
        stop.stack.withUnsafeBytes { bytes in
            stop.other.withUnsafeBytes { other in
                var stacks = [StackCopy(base: stop.registers[Registers.Number.rsp] ?? 0, bytes: bytes)]
                if !chain.isEmpty, !other.isEmpty { stacks.append(StackCopy(base: stop.otherBase, bytes: other)) }
                return Unwinder.unwind(stop.registers, stacks: stacks, chain: chain) { place($0, in: stop) }
            }
        }
    }

    /// Both walks side by side.
    static func text(_ ours: Unwound, _ stop: RecordedStop) -> String {
        var text = "at system call \(stop.call): \(ours.ending), libdw: \(stop.failure)\n"
        for index in 0 ..< max(ours.frames.count, stop.frames.count) {
            let one = index < ours.frames.count ? ours.frames[index] : nil
            let other = index < stop.frames.count ? stop.frames[index] : nil
            let address = one?.address ?? other?.address ?? 0
            let mapping = stop.mappings.first { $0.start < address && address <= $0.end }
            text += one.map { String($0.address, radix: 16) + ($0.isGuessed ? "?" : "") } ?? "-"
            text += one?.address == other?.address ? " = " : " / "
            text += other.map { String($0.address, radix: 16) + " " + $0.name } ?? "-"
            text +=
                " \(mapping?.path ?? "unmapped")+\(String(address &- (mapping?.start ?? 0) &+ (mapping?.offset ?? 0), radix: 16))\n"
        }
        return text
    }

    private func image(_ path: String) -> UnwindImage? {
        if path == "[vdso]" { return vdso }
        guard path.hasPrefix("/"), path.count < 4096 else { return nil }
        if let known = images[path] { return known }
        let image = FileBytes(path).flatMap { UnwindImage($0) }
        images[path] = .some(image)
        return image
    }
}

/// How a walk of ours stands to the reference's.
enum Verdict: String, CaseIterable {
    case equal
    /// Ours ends earlier, and says so.
    case shorterMarked
    /// Ours ends earlier, and claims to be complete.
    case shorterUnmarked
    /// The reference ends earlier.
    case longer
    /// A frame differs, and ours is marked as a guess.
    case differsMarked
    case differs

    init(_ ours: Unwound, _ stop: RecordedStop) {
        // libdw tells of a last "frame" that is in no code, too.
        let reference = stop.frames.enumerated().prefix { index, frame in
            index == 0 || stop.mappings.contains { $0.start < frame.address && frame.address <= $0.end }
        }.map(\.element)
        let common = zip(ours.frames, reference).prefix { $0.address == $1.address }.count
        if common == ours.frames.count, common == reference.count {
            self = .equal
        } else if common == ours.frames.count {
            self = ours.ending == .complete ? .shorterUnmarked : .shorterMarked
        } else if common == reference.count {
            self = .longer
        } else {
            self = ours.frames[common].isGuessed ? .differsMarked : .differs
        }
    }
}

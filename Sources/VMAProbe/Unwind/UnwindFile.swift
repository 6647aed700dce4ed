import CElf
import Glibc
import VMAUnwind

/// The call-frame information of one ELF file, and where its parts are mapped.
final class UnwindFile {
    let table: UnwindTable
    private let segments: [Segment]
    private let sources: [FileBytes]

    struct Segment {
        var offset, address, size: UInt64
        var isExecutable: Bool
    }

    /// Takes over `fd`. Nil if it is no ELF file of this machine.
    init?(owning fd: Int32, path: String) {
        let file = OpenFile(fd)
        guard let header: Elf64_Ehdr = file.value(at: 0), header.e_ident.0 == 0x7f, header.e_ident.1 == UInt8(ascii: "E"),
            header.e_ident.4 == 2, header.e_machine == 62
        else { return nil }
        var segments: [Segment] = []
        var frameHeader: (UInt64, UInt64, UInt64)?
        for index in 0..<UInt64(min(header.e_phnum, 256)) {
            guard let part: Elf64_Phdr = file.value(at: header.e_phoff &+ index * UInt64(MemoryLayout<Elf64_Phdr>.size))
            else { break }
            if part.p_type == 1 {
                segments.append(
                    Segment(offset: part.p_offset, address: part.p_vaddr, size: part.p_filesz, isExecutable: part.p_flags & 1 != 0))
            } else if part.p_type == 0x6474_e550 {
                frameHeader = (part.p_offset, part.p_vaddr, part.p_filesz)
            }
        }
        self.segments = segments
        var sources: [FileBytes] = []
        func section(_ offset: UInt64, _ address: UInt64, _ size: UInt64) -> Section? {
            guard size > 0, offset < 1 << 40, size < 1 << 32 else { return nil }
            let source = FileBytes(file, Int(offset), Int(size))
            sources.append(source)
            return Section(address: address, source: source)
        }
        var frames: Section?
        var debugFrames: Section?
        if header.e_shstrndx < header.e_shnum,
            let names: Elf64_Shdr = file.value(
                at: header.e_shoff &+ UInt64(header.e_shstrndx) * UInt64(MemoryLayout<Elf64_Shdr>.size))
        {
            for index in 0..<UInt64(header.e_shnum) {
                guard let part: Elf64_Shdr = file.value(at: header.e_shoff &+ index * UInt64(MemoryLayout<Elf64_Shdr>.size))
                else { break }
                guard part.sh_type != 8 else { continue }
                let name = file.text(at: names.sh_offset &+ UInt64(part.sh_name))
                if name == ".eh_frame" { frames = section(part.sh_offset, part.sh_addr, part.sh_size) }
                if name == ".debug_frame", part.sh_flags & 0x800 == 0 { debugFrames = section(part.sh_offset, 0, part.sh_size) }
            }
        }
        let code = segments.filter(\.isExecutable).compactMap { section($0.offset, $0.address, $0.size) }
        table = UnwindTable(
            frameHeader: frameHeader.flatMap { section($0.0, $0.1, $0.2) }, frames: frames, debugFrames: debugFrames, code: code)
        self.sources = sources
    }

    /// Bytes.
    var footprint: Int { table.footprint + sources.reduce(1024) { $0 + $1.footprint } }

    /// The image's own address of what lies at `offset` in the file.
    func address(ofOffset offset: UInt64) -> UInt64? {
        var best: Segment?
        for slack in [UInt64(0), 4095] {
            for segment in segments where best == nil || segment.isExecutable && !best!.isExecutable {
                let start = segment.offset < slack ? 0 : segment.offset - slack
                if offset >= start, offset < segment.offset &+ segment.size &+ slack { best = segment }
            }
            if best != nil { break }
        }
        return best.map { offset &- $0.offset &+ $0.address }
    }
}

/// Read by pread(2): if somebody truncates a mapped file, whoever reads it dies.
private final class OpenFile {
    let fd: Int32

    init(_ fd: Int32) { self.fd = fd }
    deinit { close(fd) }

    func value<T: BitwiseCopyable>(at offset: UInt64) -> T? {
        guard offset < 1 << 40 else { return nil }
        return withUnsafeTemporaryAllocation(of: T.self, capacity: 1) { buffer in
            pread(fd, buffer.baseAddress!, MemoryLayout<T>.size, Int(offset)) == MemoryLayout<T>.size ? buffer[0] : nil
        }
    }

    func text(at offset: UInt64) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        guard offset < 1 << 40, pread(fd, &bytes, 31, Int(offset)) > 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// A part of a file, of which blocks that were read are kept.
private final class FileBytes: ByteSource {
    let count: Int
    private let file: OpenFile
    private let start: Int
    private var blocks: [Int: [UInt8]] = [:]
    private static let block = 4096

    init(_ file: OpenFile, _ start: Int, _ count: Int) { (self.file, self.start, self.count) = (file, start, count) }

    var footprint: Int { blocks.count * (Self.block + 64) }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var done = 0
        while done < buffer.count, offset + done < count {
            let at = offset + done
            let number = at / Self.block
            if blocks[number] == nil {
                var bytes = [UInt8](repeating: 0, count: Self.block)
                let got = pread(file.fd, &bytes, min(Self.block, count - number * Self.block), start + number * Self.block)
                guard got > 0 else { break }
                bytes.removeLast(Self.block - got)
                blocks[number] = bytes
            }
            let bytes = blocks[number]!
            let size = min(buffer.count - done, bytes.count - at % Self.block)
            guard size > 0 else { break }
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[(at % Self.block)..<(at % Self.block + size)]))
            }
            done += size
        }
        return done
    }
}

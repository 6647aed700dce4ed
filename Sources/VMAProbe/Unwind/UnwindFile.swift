import Glibc
import VMAUnwind

/// The call-frame information of one ELF file, and where its parts are mapped.
final class UnwindFile {
    private let image: UnwindImage
    private let bytes: FileBytes
    private let content: FileIdentity.Content?

    /// Takes over `fd`. Nil if it is no ELF file of this machine.
    ///
    /// - Parameter content: what the file has to hold.
    init?(owning fd: Int32, _ content: FileIdentity.Content? = nil) {
        let bytes = FileBytes(OpenFile(fd))
        guard let image = UnwindImage(bytes) else { return nil }
        (self.image, self.bytes, self.content) = (image, bytes, content)
    }

    /// Whether the file has been written to: it is read in parts, when they are needed.
    var isChanged: Bool { content != nil && bytes.content != content }

    var table: UnwindTable { image.table }

    /// Bytes.
    var footprint: Int { image.footprint + bytes.footprint }

    /// The image's own address of what lies at `offset` in the file.
    func address(ofOffset offset: UInt64) -> UInt64? { image.address(ofOffset: offset) }
}

/// A descriptor, closed with it. Files are read by pread(2): if somebody truncates a mapped one, whoever reads it dies.
final class OpenFile {
    let fd: Int32

    init(_ fd: Int32) { self.fd = fd }
    deinit { close(fd) }

    var content: FileIdentity.Content? { FileIdentity.Content(fd) }

    var size: Int {
        var status = stat()
        return fstat(fd, &status) == 0 ? max(0, Int(status.st_size)) : 0
    }
}

/// A file, of which blocks that were read are kept.
private final class FileBytes: ByteSource {
    let count: Int
    private let file: OpenFile
    private var blocks: [Int: [UInt8]] = [:]
    private static let block = 4096
    /// Blocks that are kept, 32 MiB of them.
    private static let mostBlocks = 1 << 13

    init(_ file: OpenFile) { (self.file, count) = (file, file.size) }

    var footprint: Int { blocks.count * (Self.block + 64) }

    var content: FileIdentity.Content? { file.content }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var done = 0
        while done < buffer.count, offset + done < count {
            let at = offset + done
            let number = at / Self.block
            if blocks[number] == nil {
                var bytes = [UInt8](repeating: 0, count: Self.block)
                let got = pread(file.fd, &bytes, min(Self.block, count - number * Self.block), number * Self.block)
                guard got > 0 else { break }
                if blocks.count >= Self.mostBlocks { blocks = [:] }
                bytes.removeLast(Self.block - got)
                blocks[number] = bytes
            }
            let bytes = blocks[number]!
            let size = min(buffer.count - done, bytes.count - at % Self.block)
            guard size > 0 else { break }
            bytes.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[done...]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: $0[(at % Self.block) ..< (at % Self.block + size)]))
            }
            done += size
        }
        return done
    }
}

import CZlib

/// Packs a stream as gzip(1) does, without a name and a time: equal bytes give equal bytes.
final class Gzip {
    private var stream = z_stream()
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)
    /// 15: the largest window; 16: gzip's frame.
    private static let windowBits: Int32 = 15 + 16

    init() throws {
        let version = zlibVersion()
        guard
            deflateInit2_(
                &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, Self.windowBits, 8, Z_DEFAULT_STRATEGY, version,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { throw Failure(message: "zlib could not begin", status: 70) }
    }

    deinit { deflateEnd(&stream) }

    func add(_ bytes: [UInt8], _ write: ([UInt8]) throws -> Void) throws { try run(bytes, Z_NO_FLUSH, write) }
    func finish(_ write: ([UInt8]) throws -> Void) throws { try run([], Z_FINISH, write) }

    private func run(_ bytes: [UInt8], _ flush: Int32, _ write: ([UInt8]) throws -> Void) throws {
        var bytes = bytes
        try bytes.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(input.count)
            var isFull = true
            while isFull {
                let size = buffer.count
                let result = buffer.withUnsafeMutableBufferPointer { output in
                    stream.next_out = output.baseAddress
                    stream.avail_out = UInt32(size)
                    return deflate(&stream, flush)
                }
                guard result != Z_STREAM_ERROR else { throw Failure(message: "zlib could not go on", status: 70) }
                let made = size - Int(stream.avail_out)
                if made > 0 { try write(Array(buffer[..<made])) }
                isFull = stream.avail_out == 0
            }
        }
    }
}

import CSystem

/// Records that have been taken from the ring, and wait until a stack has been unwound: what they mean depends on
/// what came before them. They may hold copies of stacks, and are cleared when they are used.
final class Backlog {
    private var bytes: [UInt8] = []
    /// Where each record ends.
    private var ends: [Int] = []
    private var next = 0

    var isEmpty: Bool { next == ends.count }
    /// Bytes of records that wait.
    var size: Int { bytes.count - start }

    /// Bytes of memory for records.
    var capacity: Int { bytes.capacity }

    private var start: Int { next == 0 ? 0 : ends[next - 1] }

    deinit { clear(0 ..< bytes.count) }

    private func clear(_ range: Range<Int>) {
        bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress.map { $0 + range.lowerBound }, range.count) }
    }

    func append(_ record: UnsafeRawBufferPointer) {
        if bytes.count + record.count > bytes.capacity { makeRoom(record.count) }
        bytes.append(contentsOf: record)
        ends.append(bytes.count)
    }

    /// Moves what waits to the front. A process that has another stack before each wait is over keeps records waiting
    /// for as long as it likes: what is taken may not grow with those that have gone.
    private func makeRoom(_ count: Int) {
        let (gone, waiting) = (start, size)
        if gone >= bytes.capacity / 2, waiting + count <= bytes.capacity {
            bytes.withUnsafeMutableBytes { $0.baseAddress!.copyMemory(from: $0.baseAddress! + gone, byteCount: waiting) }
            clear(waiting ..< bytes.count)
            bytes.removeLast(gone)
        } else {
            // Moved by hand: what is left behind has to be cleared.
            var more: [UInt8] = []
            more.reserveCapacity(max(1 << 20, 2 * waiting + count))
            more.append(contentsOf: bytes[gone...])
            clear(0 ..< bytes.count)
            bytes = more
        }
        ends.removeFirst(next)
        next = 0
        for index in ends.indices { ends[index] -= gone }
    }

    /// Hands over the first record, which is gone then. `body` appends none.
    func takeFirst(_ body: (UnsafeRawBufferPointer) -> Void) {
        guard !isEmpty else { return }
        let range = start ..< ends[next]
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
        clear(range)
        next += 1
        guard isEmpty else { return }
        (ends, next) = ([], 0)
        bytes.removeAll(keepingCapacity: bytes.capacity <= 4 << 20)
    }
}

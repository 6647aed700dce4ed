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

    private var start: Int { next == 0 ? 0 : ends[next - 1] }

    deinit { clear(0 ..< bytes.count) }

    private func clear(_ range: Range<Int>) {
        bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress.map { $0 + range.lowerBound }, range.count) }
    }

    func append(_ record: UnsafeRawBufferPointer) {
        if bytes.count + record.count > bytes.capacity {
            // Moved by hand: what is left behind has to be cleared.
            var more: [UInt8] = []
            more.reserveCapacity(max(1 << 20, 2 * bytes.count + record.count))
            more.append(contentsOf: bytes)
            clear(0 ..< bytes.count)
            bytes = more
        }
        bytes.append(contentsOf: record)
        ends.append(bytes.count)
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

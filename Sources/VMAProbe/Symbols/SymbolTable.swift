/// The functions of one symbol table, by address. Names stay in the string table until they
/// are asked for.
struct SymbolTable {
    struct Entry {
        var address: UInt64
        /// Bytes; 0 if the table does not say.
        var size: UInt64
        /// Up to here may a symbol without a size go: the end of its section.
        var limit: UInt64
        /// Offset of the name in the string table.
        var name: UInt32
        var isLocal: Bool
    }

    private let strings: [UInt8]
    private let index: SpanIndex
    /// Of the spans with this tag the size is known.
    private static let sized: UInt32 = 1 << 31

    var isEmpty: Bool { index.spans.isEmpty }
    /// Roughly, in bytes.
    var footprint: Int { strings.count + index.spans.count * 32 }

    init() {
        strings = []
        index = SpanIndex()
    }

    init(_ unsorted: [Entry], strings: [UInt8]) {
        self.strings = strings
        let entries = unsorted.sorted { $0.address < $1.address }
        var spans: [SpanIndex.Span] = []
        spans.reserveCapacity(entries.count)
        var first = 0
        while first < entries.count {
            // The symbols at one address are names of one thing: keep the one that people know.
            var best = entries[first]
            var next = first + 1
            while next < entries.count, entries[next].address == best.address {
                if Self.prefers(entries[next], best, strings) { best = entries[next] }
                next += 1
            }
            first = next
            guard best.name < Self.sized else { continue }
            if best.size > 0 {
                let (end, overflow) = best.address.addingReportingOverflow(best.size)
                spans.append(.init(start: best.address, end: overflow ? .max : end, tag: best.name | Self.sized))
            } else {
                let following = next < entries.count ? entries[next].address : .max
                spans.append(.init(start: best.address, end: min(following, best.limit), tag: best.name))
            }
        }
        index = SpanIndex(spans)
    }

    /// The name as it stands in the file of the function that holds `address`, which is one
    /// that says so with its size if there is one.
    func name(at address: UInt64) -> String? {
        var found: UInt32?
        // Symbols can lie in each other without end.
        var seen = 0
        index.forEach(holding: address) { span in
            seen += 1
            if seen > 1000 { return false }
            if span.tag & Self.sized != 0 {
                found = span.tag & ~Self.sized
                return false
            }
            found = found ?? span.tag
            return true
        }
        guard let found else { return nil }
        return String(decoding: Self.name(found, strings), as: UTF8.self)
    }

    /// Without its version (`memcpy@@GLIBC_2.14`).
    private static func name(_ offset: UInt32, _ strings: [UInt8]) -> ArraySlice<UInt8> {
        strings[min(Int(offset), strings.count)...].prefix(SymbolLimits.mangledName + 1).prefix {
            $0 != 0 && $0 != UInt8(ascii: "@")
        }
    }

    /// Whether `one` is the better name: `mmap` rather than `__mmap` or `mmap64`.
    private static func prefers(_ one: Entry, _ other: Entry, _ strings: [UInt8]) -> Bool {
        if (one.size > 0) != (other.size > 0) { return one.size > 0 }
        if one.isLocal != other.isLocal { return other.isLocal }
        let (left, right) = (name(one.name, strings), name(other.name, strings))
        let underscore = UInt8(ascii: "_")
        let (a, b) = (left.prefix { $0 == underscore }.count, right.prefix { $0 == underscore }.count)
        if a != b { return a < b }
        if left.count != right.count { return left.count < right.count }
        return left.lexicographicallyPrecedes(right)
    }
}

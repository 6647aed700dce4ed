import VMAUnwind

/// Address ranges that may overlap, sorted, to be asked which of them hold an address.
struct SpanIndex {
    struct Span {
        var start: UInt64
        /// The first address after it.
        var end: UInt64
        /// What the owner knows it by.
        var tag: UInt32
    }

    private(set) var spans: [Span]
    /// The furthest end of a span and all before it: where a search may stop.
    private var reach: [UInt64]

    init(_ unsorted: [Span] = []) {
        spans = unsorted.sorted { $0.start < $1.start }
        reach = []
        reach.reserveCapacity(spans.count)
        var furthest: UInt64 = 0
        for span in spans {
            furthest = max(furthest, span.end)
            reach.append(furthest)
        }
    }

    /// Calls `body` for each span that holds `address`, the latest start first, until it
    /// returns false.
    func forEach(holding address: UInt64, _ body: (Span) -> Bool) {
        var low = spans.partitioningIndex { $0.start > address }
        while low > 0, reach[low - 1] > address {
            low -= 1
            if spans[low].end > address, !body(spans[low]) { return }
        }
    }
}

/// What an open write section has shown so far.
struct OpenSection {
    /// What it found was told; without that nothing can be read off it.
    var hasBegun = false
    var before: [VMA] = []
    var after: [VMA] = []
    /// More than a section can have (bpf/read/rows.h) are of a recording that lies.
    private static let limit = 20_000
    /// Most have fewer, and room for these is kept.
    private static let room = 64

    /// Rows of what it found, or of what it left.
    mutating func take(_ rows: Rows) {
        if rows.reason == .before {
            hasBegun = true
            Self.append(rows.vmas, to: &before)
        } else {
            Self.append(rows.vmas, to: &after)
        }
    }

    private static func append(_ vmas: [VMA], to all: inout [VMA]) {
        // One by one: most records have one to three.
        for vma in vmas where all.count < limit { all.append(vma) }
    }

    fileprivate var count: Int { before.count + after.count }

    fileprivate var isEmpty: Bool { !hasBegun && before.isEmpty && after.isEmpty }

    fileprivate mutating func removeAll() {
        hasBegun = false
        Self.removeAll(&before)
        Self.removeAll(&after)
    }

    private static func removeAll(_ vmas: inout [VMA]) {
        if vmas.count > room { return vmas = [] }
        // For so few this is less than `removeAll(keepingCapacity:)`.
        while !vmas.isEmpty { vmas.removeLast() }
    }
}

/// The write sections of an address space that are open, by thread. Only one thread at a time can have
/// one, but the end of another's may have been lost.
struct OpenSections {
    private var thread: UInt32 = 0
    private var current = OpenSection()
    private var others: [UInt32: OpenSection] = [:]

    /// Rows of all that are open.
    var count: Int { others.values.reduce(current.count) { $0 + $1.count } }

    mutating func take(_ rows: Rows) {
        turn(to: rows.origin.tid)
        current.take(rows)
    }

    /// Calls `body` with what was seen of the section of `thread`, which ends.
    mutating func end(of thread: UInt32, _ body: (OpenSection) -> Void) {
        turn(to: thread)
        body(current)
        current.removeAll()
    }

    private mutating func turn(to next: UInt32) {
        guard next != thread else { return }
        if !current.isEmpty {
            others[thread] = current
            current = OpenSection()
        }
        thread = next
        if !others.isEmpty, let open = others.removeValue(forKey: next) { current = open }
    }
}

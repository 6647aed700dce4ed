/// The rows of an open write section that have arrived so far.
struct OpenSection {
    /// The rows that the section found have arrived; without them no attempt can be concluded.
    var hasBegun = false
    var before: [VMA] = []
    var after: [VMA] = []
    /// There were more rows than are kept: what is concluded from the others would be a part, and look like all.
    private(set) var isCut = false
    /// A section can't have more rows (two ranges of `MAX_ROUNDS` in bpf/read/rows.h, and their neighbours): only a
    /// damaged recording does.
    static let limit = 132_000
    /// Most sections have fewer, and memory for these is kept.
    private static let room = 64

    /// Takes rows that the section found, or left.
    mutating func take(_ rows: Rows) {
        if rows.reason == .before {
            hasBegun = true
            isCut = !Self.append(rows.vmas, to: &before) || isCut
        } else {
            isCut = !Self.append(rows.vmas, to: &after) || isCut
        }
    }

    private static func append(_ vmas: [VMA], to all: inout [VMA]) -> Bool {
        guard all.count + vmas.count <= limit else { return false }
        // One by one: most records have one to three.
        for vma in vmas { all.append(vma) }
        return true
    }

    fileprivate var count: Int { before.count + after.count }

    fileprivate var isEmpty: Bool { !hasBegun && before.isEmpty && after.isEmpty }

    fileprivate mutating func removeAll() {
        (hasBegun, isCut) = (false, false)
        Self.removeAll(&before)
        Self.removeAll(&after)
    }

    private static func removeAll(_ vmas: inout [VMA]) {
        if vmas.count > room { return vmas = [] }
        // For so few rows this costs less than `removeAll(keepingCapacity:)`.
        while !vmas.isEmpty { vmas.removeLast() }
    }
}

/// The open write sections of an address space, by thread. Only one thread at a time can have one, but the record of
/// another section's end may have been lost.
struct OpenSections {
    private var thread: UInt32 = 0
    private var current = OpenSection()
    private var others: [UInt32: OpenSection] = [:]

    /// The number of rows of all open sections.
    var count: Int { others.values.reduce(current.count) { $0 + $1.count } }

    /// Calls `body` for each row of all open sections.
    func forEach(_ body: (VMA) -> Void) {
        for section in [current] + others.values {
            section.before.forEach(body)
            section.after.forEach(body)
        }
    }

    mutating func take(_ rows: Rows) {
        turn(to: rows.origin.tid)
        current.take(rows)
    }

    /// Ends the section of `thread`: calls `body` with its rows.
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

/// The call-frame information of one ELF image. Reads what a lookup needs, and keeps little of it.
/// Whatever stands in the sections, a lookup ends, and traps on nothing.
public final class UnwindTable {
    private let frames: FrameSection?
    private let debugFrames: FrameSection?
    private let sorted: SortedIndex?
    private let code: [Section]
    private let go: GoTable?

    /// Made when they are first wanted.
    private var scanned: ScannedIndex?
    private var scannedDebug: ScannedIndex?
    private var commonEntries: [Int: CommonEntry?] = [:]
    private var commonDebugEntries: [Int: CommonEntry?] = [:]
    private var rows: [UInt64: UnwindRow?] = [:]

    private static let mostRows = 4096
    private static let mostCommonEntries = 1024

    /// Sections that are missing are nil. `code` is what is executable in the image: by it the walk checks
    /// that there is a call before a return address. Where `go` knows a function it is asked first.
    public init(
        frameHeader: Section? = nil, frames: Section? = nil, debugFrames: Section? = nil, code: [Section] = [],
        go: GoTable? = nil
    ) {
        self.go = go
        self.frames = frames.map { FrameSection(section: $0, isDebugFrame: false) }
        self.debugFrames = debugFrames.map { FrameSection(section: $0, isDebugFrame: true) }
        self.code = code
        if let frameHeader, let frames { sorted = SortedIndex(frameHeader, frames) } else { sorted = nil }
    }

    /// About how much memory it takes, in bytes, without what the sources of its sections keep.
    public var footprint: Int {
        (scanned?.footprint ?? 0) + (scannedDebug?.footprint ?? 0) + rows.count * 256
            + (commonEntries.count + commonDebugEntries.count) * 256 + (go?.footprint ?? 0) + 512
    }

    /// Whether it is of a Go program.
    var isGo: Bool { go != nil }

    /// Whether there is any call-frame information.
    public var isEmpty: Bool { frames == nil && debugFrames == nil && go == nil }

    // MARK: rows

    /// The rules at an address of the image; nil if there are none. `steps` is what may still be spent.
    func row(at address: UInt64, steps: inout Int) -> UnwindRow? {
        if let known = rows[address] { return known }
        let row =
            go?.row(at: address, steps: &steps)
            ?? entry(for: address).flatMap { FrameProgram.row($0, at: address, steps: &steps) }
        // What was given up for want of steps may be found by the next walk.
        guard steps > 0 else { return row }
        if rows.count >= Self.mostRows { rows.removeAll(keepingCapacity: true) }
        rows[address] = .some(row)
        return row
    }

    private func entry(for address: UInt64) -> FrameEntry? {
        if let frames, let entry = entry(in: frames, for: address) { return entry }
        guard let debugFrames else { return nil }
        if scannedDebug == nil { scannedDebug = ScannedIndex(debugFrames) { self.common($0, debugFrames) } }
        return scannedDebug?.offset(for: address).flatMap { entry(debugFrames, at: $0, for: address) }
    }

    private func entry(in frames: FrameSection, for address: UInt64) -> FrameEntry? {
        if let sorted {
            // Before the first function there is nothing; an entry that is not understood may be damage of the
            // table, and then all entries are read.
            guard let offset = sorted.offset(for: address) else { return nil }
            if let entry = frames.entry(at: offset, common: { common($0, frames) }) {
                return address >= entry.start && address < entry.end ? entry : nil
            }
        }
        if scanned == nil { scanned = ScannedIndex(frames) { self.common($0, frames) } }
        return scanned?.offset(for: address).flatMap { entry(frames, at: $0, for: address) }
    }

    private func entry(_ frames: FrameSection, at offset: Int, for address: UInt64) -> FrameEntry? {
        let entry = frames.entry(at: offset) { common($0, frames) }
        guard let entry, address >= entry.start, address < entry.end else { return nil }
        return entry
    }

    private func common(_ offset: Int, _ section: FrameSection) -> CommonEntry? {
        if let known = section.isDebugFrame ? commonDebugEntries[offset] : commonEntries[offset] { return known }
        let entry = section.common(at: offset)
        if section.isDebugFrame {
            if commonDebugEntries.count >= Self.mostCommonEntries { commonDebugEntries = [:] }
            commonDebugEntries[offset] = .some(entry)
        } else {
            if commonEntries.count >= Self.mostCommonEntries { commonEntries = [:] }
            commonEntries[offset] = .some(entry)
        }
        return entry
    }

    /// Of Go's functions that go on on the thread's stack, the one that holds an address of the image, or jumps there.
    func switchingFunction(at address: UInt64) -> String? { go?.switchingFunction(at: address) }

    /// Whether an address of the image is in Go's scheduler.
    func isGoScheduler(at address: UInt64) -> Bool { go?.isScheduler(at: address) ?? false }

    /// From where to where the function of Go lies that holds an address of the image.
    func goFunction(at address: UInt64) -> Range<UInt64>? { go?.range(at: address) }

    // MARK: code

    /// What the call before an address of the image calls, if the instruction says so itself.
    func callTarget(before address: UInt64) -> UInt64? {
        guard address >= 5, let section = code.first(where: { $0.contains(address - 5) }) else { return nil }
        let bytes = section.bytes(at: Int(address - 5 - section.address), count: 5)
        guard bytes.count == 5, bytes[0] == 0xe8 else { return nil }
        let distance = bytes[1...].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return address &+ UInt64(bitPattern: Int64(Int32(bitPattern: distance)))
    }

    /// Whether the instruction before an address of the image can be a call; nil if its bytes are not at hand.
    func hasCall(before address: UInt64) -> Bool? {
        let (last, underflow) = address.subtractingReportingOverflow(1)
        guard !underflow, let section = code.first(where: { $0.contains(last) }) else { return nil }
        let end = Int(last - section.address) + 1
        let start = max(0, end - CallInstruction.longest)
        let bytes = section.bytes(at: start, count: end - start)
        return bytes.count == end - start ? CallInstruction.ends(bytes) : nil
    }
}

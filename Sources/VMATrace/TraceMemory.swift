import VMACore

/// A book of values that occur again: each is written once, and by its number from then on.
struct WordBook<Word: Hashable> {
    private var words: [Word] = []
    private var numbers: [Word: UInt64] = [:]
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    subscript(number: UInt64) -> Word? {
        number > 0 && number <= words.count ? words[Int(number) - 1] : nil
    }

    /// The number of a value; 0 for a new one.
    func number(of word: Word) -> UInt64 { numbers[word] ?? 0 }

    /// Adds a value; a full book begins anew.
    mutating func add(_ word: Word) {
        if words.count >= limit {
            words.removeAll()
            numbers.removeAll()
        }
        words.append(word)
        numbers[word] = UInt64(words.count)
    }
}

/// The values that were written so far. Writer and reader build up the same memory, event for event, so that an event
/// only needs to contain what is new.
struct TraceMemory {
    struct Whose: Hashable {
        var mm: MMID = 0
        var tgid: UInt32 = 0
        var tid: UInt32 = 0
    }

    /// The attributes that many VMAs have in common.
    struct Kind: Hashable {
        var flags: UInt64 = 0
        var file: FileID = 0
        var policy: UInt32 = 0
        var uffd: UInt32 = 0
        var name: UInt32 = 0
        var traits: UInt16 = 0

        init() {}

        init(_ vma: VMA) {
            (flags, file, policy) = (vma.flags.rawValue, vma.file, vma.policy)
            (uffd, name, traits) = (vma.uffd, vma.name, vma.traits.rawValue)
        }
    }

    var time: UInt64 = 0
    var lastWhose = Whose()
    var owners = WordBook<Whose>(limit: 4096)
    var kinds = WordBook<Kind>(limit: 4096)
    var texts = WordBook<String>(limit: 65_536)
    /// The range of each thread's last event.
    private var ranges: [Whose: AddressRange] = [:]
    /// The range that was noted last, which may be newer here.
    private var latest: (whose: Whose, range: AddressRange)?
    /// The arguments of the last call of each syscall.
    private var arguments: [Int32: Syscall.Arguments] = [:]
    /// The last VMAs, by the address at which the VMA before them ended.
    private var rows: [UInt64: VMA] = [:]
    var lastKind = Kind()

    private static let rowLimit = 131_072
    private static let rangeLimit = 4096
    private static let syscallLimit = 1024

    func range(_ whose: Whose) -> AddressRange {
        if let latest, latest.whose == whose { return latest.range }
        return ranges[whose] ?? .empty
    }

    mutating func note(_ range: AddressRange, of whose: Whose) {
        defer { latest = (whose, range) }
        if ranges.count >= Self.rangeLimit {
            ranges.removeAll(keepingCapacity: true)
        } else if let latest {
            if latest.whose == whose { return }
            ranges[latest.whose] = latest.range
        }
        ranges[whose] = range
    }

    func arguments(_ number: Int32) -> Syscall.Arguments { arguments[number] ?? Syscall.Arguments() }

    mutating func note(_ last: Syscall.Arguments, of number: Int32) {
        if arguments.count >= Self.syscallLimit { arguments.removeAll(keepingCapacity: true) }
        arguments[number] = last
    }

    func row(after place: UInt64) -> VMA? { rows[place] }

    mutating func note(_ row: VMA, after place: UInt64) {
        if rows.count >= Self.rowLimit { rows.removeAll(keepingCapacity: true) }
        rows[place] = row
    }
}

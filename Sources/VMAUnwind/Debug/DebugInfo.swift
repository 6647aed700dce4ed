/// Names, with those of functions that the compiler has put into others, and lines, from the debug information of
/// one file. Reads what a lookup needs, and keeps little of it; whatever stands there, a lookup ends.
public final class DebugInfo {
    /// A function at an address.
    public struct Function: Equatable, Sendable {
        /// As the linker knows it, mangled, if the compiler has said so.
        public var name: String
        /// The file of the instruction, or of the call of the function further in; nil if unknown.
        public var file: String?
        public var line: UInt64?
    }

    let sections: DebugSections
    private let info: Section
    /// Where each unit has code, sorted; made when it is first wanted.
    private var spans: [Span]?
    private var units: [Int: DebugUnit] = [:]
    private var functions: [Int: [Span]] = [:]
    private var abbreviations: [UInt64: [UInt64: Abbreviation]] = [:]
    var linePrograms: [UInt64: DebugLines] = [:]
    private var answers: [UInt64: [Function]] = [:]
    /// Entries that may still be read, of all lookups: a file can have more than anybody waits for.
    private var budget: Int

    /// A range of addresses, and the offset in .debug_info of whose it is.
    private struct Span {
        var start, end: UInt64
        var offset: Int
    }

    /// The most units of a file, and the most ranges of units, and of functions in one unit.
    private static let (mostUnits, mostSpans) = (1 << 17, 1 << 19)
    /// The largest unit in bytes; larger ones are skipped.
    private static let largestUnit = 64 << 20
    /// Units, tables and answers that are kept.
    private static let mostKept = 64
    private static let mostAnswers = 1 << 14

    /// Nil if there is no debug information.
    ///
    /// - Parameter budget: entries that are read at most; when there are none left, nothing more is found.
    public init?(_ sections: DebugSections, budget: Int = 20_000_000) {
        self.budget = budget
        guard let info = sections.info, sections.abbreviations != nil else { return nil }
        self.sections = sections
        self.info = info
    }

    /// About how much memory it takes, in bytes, without what the sources of its sections keep.
    public var footprint: Int {
        (spans?.count ?? 0) * 24 + functions.values.reduce(0) { $0 + $1.count * 24 } + answers.count * 200
            + abbreviations.values.reduce(0) { $0 + $1.count * 200 } + linePrograms.values.reduce(0) { $0 + $1.footprint }
    }

    /// The functions at an address of the image, the innermost first: those that were inlined there, then the one
    /// that they stand in. Empty if nothing is known.
    public func functions(at address: UInt64) -> [Function] {
        if let known = answers[address] { return known }
        let found = find(address)
        if answers.count >= Self.mostAnswers { answers = [:] }
        answers[address] = found
        return found
    }

    private func find(_ address: UInt64) -> [Function] {
        guard budget > 0 else { return [] }
        guard let place = unit(holding: address), let unit = unit(at: place),
            let function = Self.holding(address, in: functions(of: unit))
        else { return [] }
        let chain = inlined(at: address, unit, function.offset)
        var result: [Function] = []
        // The place in the innermost is the instruction's own; each further out, where it calls the one before.
        var (file, line) = lines(of: unit).map { $0.place(of: address) } ?? (nil, nil)
        for entry in chain.reversed() {
            result.append(Function(name: name(of: entry, unit) ?? "", file: file, line: line))
            line = entry.callLine
            file = entry.callFile.flatMap { number in lines(of: unit)?.file(number) }
        }
        return result.contains { $0.name.isEmpty } ? result.filter { !$0.name.isEmpty } : result
    }

    // MARK: units

    private func unit(holding address: UInt64) -> Int? {
        if spans == nil { spans = scanUnits() }
        return Self.holding(address, in: spans ?? [])?.offset
    }

    /// The span with the last start that holds it; they hardly overlap.
    private static func holding(_ address: UInt64, in spans: [Span]) -> Span? {
        let low = spans.partitioningIndex { $0.start > address }
        for index in stride(from: low - 1, through: max(0, low - 16), by: -1) where address < spans[index].end {
            return spans[index]
        }
        return nil
    }

    private func scanUnits() -> [Span] {
        var spans: [Span] = []
        var offset = 0
        for _ in 0 ..< Self.mostUnits {
            budget -= 1
            guard spans.count < Self.mostSpans, budget > 0, let header = DebugUnit.header(info, at: offset) else { break }
            if header.isWhole, let (unit, first) = read(header) {
                for range in ranges(of: first, unit) {
                    spans.append(Span(start: range.lowerBound, end: range.upperBound, offset: header.start))
                }
            }
            offset = header.end
        }
        return spans.sorted { ($0.start, $0.offset) < ($1.start, $1.offset) }
    }

    private func unit(at offset: Int) -> DebugUnit? {
        if let known = units[offset] { return known }
        guard let header = DebugUnit.header(info, at: offset), let (unit, _) = read(header) else { return nil }
        if units.count >= Self.mostKept { units = [:] }
        units[offset] = unit
        return unit
    }

    /// A unit, and its first DIE.
    private func read(_ header: DebugUnit.Header) -> (DebugUnit, DebugEntry)? {
        guard header.end - header.start <= Self.largestUnit, let abbreviations = table(header.abbreviations) else { return nil }
        var unit = DebugUnit(
            start: header.start, first: header.first, end: header.end, version: header.version,
            offsetSize: header.offsetSize, abbreviations: abbreviations)
        var cursor = Cursor(info.bytes(at: header.first, count: min(4096, header.end - header.first)))
        var isNull = false
        guard let first = DebugEntry.read(&cursor, header.first, unit, isNull: &isNull) else { return nil }
        unit.stringOffsetsBase = first.stringOffsetsBase ?? UInt64(header.offsetSize == 8 ? 16 : 8)
        unit.addressesBase = first.addressesBase ?? 8
        unit.rangeListsBase = first.rangeListsBase ?? 12
        unit.lines = first.lines
        unit.directory = text(first.directory, unit)
        unit.base = first.low.flatMap { address($0, unit) } ?? 0
        return (unit, first)
    }

    private func table(_ offset: UInt64) -> [UInt64: Abbreviation]? {
        if let known = abbreviations[offset] { return known }
        guard let section = sections.abbreviations, let place = Int(exactly: offset), place < section.count else { return nil }
        if abbreviations.count >= Self.mostKept { abbreviations = [:] }
        let table = Abbreviation.table(section, at: place)
        abbreviations[offset] = table
        return table
    }

    func lines(of unit: DebugUnit) -> DebugLines? {
        guard let offset = unit.lines, let section = sections.lines else { return nil }
        if let known = linePrograms[offset] { return known }
        if linePrograms.count >= Self.mostKept { linePrograms = [:] }
        let lines = DebugLines(section, at: offset, sections, directory: unit.directory)
        linePrograms[offset] = lines
        return lines
    }

    // MARK: functions

    /// The functions of a unit: where they lie, sorted.
    private func functions(of unit: DebugUnit) -> [Span] {
        if let known = functions[unit.start] { return known }
        var spans: [Span] = []
        walk(unit, from: unit.first) { entry, _ in
            guard spans.count < Self.mostSpans else { return .stop }
            if entry.tag == 0x2e {  // subprogram
                for range in ranges(of: entry, unit) {
                    spans.append(Span(start: range.lowerBound, end: range.upperBound, offset: entry.offset))
                }
            }
            return .inward
        }
        spans.sort { ($0.start, $0.offset) < ($1.start, $1.offset) }
        if functions.count >= Self.mostKept { functions = [:] }
        functions[unit.start] = spans
        return spans
    }

    /// The DIE of the function, then those of what was inlined at `address`, from the outermost on.
    private func inlined(at address: UInt64, _ unit: DebugUnit, _ function: Int) -> [DebugEntry] {
        var chain: [DebugEntry] = []
        walk(unit, from: function) { entry, depth in
            if chain.isEmpty {
                chain.append(entry)
                return .inward
            }
            guard depth > 0 else { return .stop }
            switch entry.tag {
            case 0x1d:  // inlined_subroutine
                guard ranges(of: entry, unit).contains(where: { $0.contains(address) }) else { return .past }
                chain.append(entry)
                return chain.count < 64 ? .inward : .stop
            case 0x0b:  // lexical_block; some have no range of their own
                let ranges = ranges(of: entry, unit)
                return ranges.isEmpty || ranges.contains { $0.contains(address) } ? .inward : .past
            default: return .past
            }
        }
        return chain
    }

    private enum Way {
        /// To the children, if it has any.
        case inward
        /// To what stands beside it.
        case past
        case stop
    }

    /// Visits the DIEs from one on in their order, with their depth below it.
    private func walk(_ unit: DebugUnit, from start: Int, _ visit: (DebugEntry, _ depth: Int) -> Way) {
        var window = start
        var cursor = Cursor(info.bytes(at: window, count: min(unit.end - window, 1 << 16)))
        var depth = 0
        /// Below what was passed over: at this depth all counts again.
        var passed: Int?
        while true {
            // An entry that does not fit is read again with more.
            let before = cursor.offset
            var isNull = false
            let entry = DebugEntry.read(&cursor, window, unit, isNull: &isNull)
            budget -= 1
            guard budget > 0 else { return }
            if entry == nil, !isNull {
                let size = cursor.bytes.count
                guard window + size < unit.end, cursor.failed, before > 0 || size < 1 << 22 else { return }
                window += before
                cursor = Cursor(info.bytes(at: window, count: min(unit.end - window, before > 0 ? 1 << 16 : size * 4)))
                continue
            }
            if isNull {
                depth -= 1
                if let mark = passed, depth <= mark { passed = nil }
                if depth <= 0 { return }
                continue
            }
            guard let entry else { return }
            var way = Way.past
            if passed == nil {
                way = visit(entry, depth)
                if way == .stop { return }
            }
            if entry.hasChildren {
                if way == .past, passed == nil {
                    if let sibling = entry.sibling, sibling > entry.next, sibling <= unit.end {
                        if sibling - window <= cursor.end {
                            cursor.move(to: sibling - window)
                        } else {
                            window = sibling
                            cursor = Cursor(info.bytes(at: window, count: min(unit.end - window, 1 << 16)))
                        }
                        continue
                    }
                    passed = depth
                }
                depth += 1
            } else if depth == 0 {
                return
            }
            guard depth < 1 << 10 else { return }
        }
    }

    // MARK: names

    private func name(of entry: DebugEntry, _ unit: DebugUnit) -> String? {
        var (entry, unit) = (entry, unit)
        var plain: String?
        for _ in 0 ..< 8 {
            if let name = text(entry.linkageName, unit), !name.isEmpty { return name }
            plain = plain ?? text(entry.name, unit)
            guard let origin = entry.origin else { break }
            if origin < unit.start || origin >= unit.end {
                guard let other = unitOffset(of: origin), let found = self.unit(at: other) else { break }
                unit = found
            }
            var cursor = Cursor(info.bytes(at: origin, count: min(4096, unit.end - origin)))
            var isNull = false
            guard let next = DebugEntry.read(&cursor, origin, unit, isNull: &isNull) else { break }
            entry = next
        }
        return plain
    }

    private var starts: [Int]?

    /// The offset of the unit that holds an offset of .debug_info.
    private func unitOffset(of offset: Int) -> Int? {
        if starts == nil {
            var (found, place): ([Int], Int) = ([], 0)
            while found.count < Self.mostUnits, let header = DebugUnit.header(info, at: place) {
                found.append(header.start)
                place = header.end
            }
            starts = found
        }
        guard let starts else { return nil }
        let low = starts.partitioningIndex { $0 > offset }
        return low > 0 ? starts[low - 1] : nil
    }

    private func text(_ text: DebugText?, _ unit: DebugUnit) -> String? {
        switch text {
        case nil: return nil
        case .here(let offset): return info.text(at: UInt64(offset))
        case .strings(let offset): return sections.strings?.text(at: offset)
        case .lineStrings(let offset): return sections.lineStrings?.text(at: offset)
        case .index(let index):
            guard index < 1 << 32, let offsets = sections.stringOffsets,
                let place = Int(exactly: unit.stringOffsetsBase &+ index &* UInt64(unit.offsetSize)),
                let offset = offsets.value(at: place, size: unit.offsetSize)
            else { return nil }
            return sections.strings?.text(at: offset)
        }
    }

    // MARK: addresses

    private func address(_ value: DebugValue, _ unit: DebugUnit) -> UInt64? {
        switch value {
        case .address(let address): return address
        case .addressIndex(let index):
            guard index < 1 << 32, let place = Int(exactly: unit.addressesBase &+ index &* 8) else { return nil }
            return sections.addresses?.value(at: place, size: 8)
        default: return nil
        }
    }

    private func ranges(of entry: DebugEntry, _ unit: DebugUnit) -> [Range<UInt64>] {
        if let ranges = entry.ranges {
            let context = DebugRanges(sections, unit) { self.address($0, unit) }
            return context.list(ranges)
        }
        guard let low = entry.low.flatMap({ address($0, unit) }), let high = entry.high else { return [] }
        let end: UInt64?
        switch high {
        case .number(let size): end = low &+ size
        default: end = address(high, unit)
        }
        // Functions that the linker has dropped lie at 0.
        guard let end, end > low, low != 0 else { return [] }
        return [low ..< end]
    }
}

extension Section {
    /// A text that ends with a 0, of at most 4 KiB.
    func text(at offset: UInt64) -> String? {
        guard let place = Int(exactly: offset), place < count else { return nil }
        var bytes = bytes(at: place, count: 128)
        if !bytes.contains(0) { bytes = self.bytes(at: place, count: 4096) }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

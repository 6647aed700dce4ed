import VMACore

/// profile.proto of pprof: what was missed, what stands, what was refused, by call stack. (The caller packs it by gzip.)
///
/// What a sample is charged to: a missed side to the call that attempted it; a boundary or a gap, and the VMA that it
/// costs, to the call that left it. VMAs that no boundary stands for are a sample without a stack, so `vmas` adds up.
struct PprofReport: BinaryFormat {
    func render(_ report: Report, to write: ([UInt8]) throws -> Void) throws {
        var profile = PprofWriter(sampleTypes: ["misses", "boundaries", "gaps", "refusals", "vmas"])
        for miss in report.missed {
            profile.sample(
                [miss.count, 0, 0, 0, 0], miss.stack,
                Self.labels(miss.pid, miss.command, miss.operation, miss.blockers.key, miss.whatIf) + [("side", "\(miss.side)")])
            try profile.flush(write)
        }
        var counted: [MMID: Int] = [:]
        for row in report.standing {
            let count = row.count
            counted[row.image, default: 0] += count
            profile.sample(
                row.isGap ? [0, 0, count, 0, count] : [0, count, 0, 0, count], row.stack,
                Self.labels(row.pid, row.command, row.operation, row.word, row.whatIf))
            try profile.flush(write)
        }
        for process in report.processes {
            let rest = process.now - counted[process.image, default: 0]
            guard rest > 0 else { continue }
            profile.sample([0, 0, 0, 0, rest], [], Self.labels(process.pid, process.command, nil, nil, nil))
        }
        for row in report.refused {
            profile.sample(
                [0, 0, 0, row.count, 0], row.stack,
                Self.labels(row.pid, row.command, row.operation, row.verdict.reason?.rawValue, nil))
        }
        try profile.flush(write)
        profile.finish(
            period: UInt64(max(0, min(report.seconds, 1e9)) * 1e9),
            comments: ["vmascope \(report.version) on \(report.host.kernel)", "from \(report.started)"])
        try profile.flush(write, all: true)
    }

    private static func labels(
        _ pid: UInt32, _ command: String, _ operation: Operation?, _ blockers: String?, _ whatIf: WhatIf?
    ) -> [(String, PprofWriter.Label)] {
        [
            ("pid", .number(Int(pid))), ("comm", .text(Fit.printable(command))), ("op", .text(operation?.rawValue ?? "before")),
            ("blockers", .text(blockers ?? "none")), ("what_if", .text(whatIf?.rawValue ?? "none")),
        ]
    }
}

/// A profile while it is written. Strings, functions, locations and mappings get their numbers at their first use, and
/// are written then, so that no sample has to be kept.
struct PprofWriter {
    enum Label: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        case text(String)
        case number(Int)

        init(stringLiteral value: String) { self = .text(value) }
    }

    private var out = Protobuf()
    private var strings: [String: UInt64] = [:]
    private var mappings: [String: UInt64] = [:]
    private var functions: [String: UInt64] = [:]
    private var locations: [String: UInt64] = [:]

    init(sampleTypes: [String]) {
        _ = string("")
        for name in sampleTypes {
            let (type, unit) = (string(name), string("count"))
            out.message(1) { $0.valueType(type, unit) }
        }
        let first = string(sampleTypes[0])
        out.field(14, first)
    }

    mutating func flush(_ write: ([UInt8]) throws -> Void, all: Bool = false) throws { try out.flush(write, all: all) }

    /// - Parameter stack: innermost frame first.
    mutating func sample(_ values: [Int], _ stack: [String], _ labels: [(String, Label)]) {
        var places: [UInt64] = []
        for frame in stack { places.append(location(frame)) }
        var sample = Protobuf()
        sample.packed(1, places)
        sample.packed(2, values.map { UInt64($0) })
        for (key, label) in labels {
            let key = string(key)
            var body = Protobuf()
            body.field(1, key)
            switch label {
            case .text(let text):
                let text = string(text)
                body.field(2, text)
            case .number(let number): body.field(3, number)
            }
            sample.field(3, body)
        }
        out.field(2, sample)
    }

    mutating func finish(period: UInt64, comments: [String]) {
        out.field(10, period)
        var numbers: [UInt64] = []
        for comment in comments { numbers.append(string(Fit.printable(comment))) }
        out.packed(13, numbers)
    }

    /// The table of strings is a list in the order of their numbers: each is written when it gets its own.
    private mutating func string(_ text: String) -> UInt64 {
        if let known = strings[text] { return known }
        let number = UInt64(strings.count)
        strings[text] = number
        out.field(6, text)
        return number
    }

    private mutating func location(_ text: String) -> UInt64 {
        if let known = locations[text] { return known }
        let frame = Frame(text)
        let mapping = frame.object.map { self.mapping($0) } ?? 0
        let function = frame.function.map { self.function($0, frame.file) } ?? 0
        let number = UInt64(locations.count + 1)
        locations[text] = number
        out.message(4) { body in
            body.field(1, number)
            if mapping != 0 { body.field(2, mapping) }
            if let offset = frame.offset { body.field(3, offset) }
            guard function != 0 else { return }
            body.message(4) { line in
                line.field(1, function)
                if let number = frame.line { line.field(2, number) }
            }
        }
        return number
    }

    private mutating func mapping(_ object: String) -> UInt64 {
        if let known = mappings[object] { return known }
        let number = UInt64(mappings.count + 1)
        mappings[object] = number
        let name = string(Fit.printable(object))
        out.message(3) { body in
            body.field(1, number)
            // Addresses in it are those of the file.
            body.field(3, UInt64.max >> 1)
            body.field(5, name)
        }
        return number
    }

    private mutating func function(_ name: String, _ file: String?) -> UInt64 {
        let key = name + "\n" + (file ?? "")
        if let known = functions[key] { return known }
        let number = UInt64(functions.count + 1)
        functions[key] = number
        let (name, path) = (string(Fit.printable(name)), file.map { string(Fit.printable($0)) })
        out.message(5) { body in
            body.field(1, number)
            body.field(2, name)
            body.field(3, name)
            if let path { body.field(4, path) }
        }
        return number
    }

    /// A frame as reports print it, taken apart: `name`, `name (file:line)`, `object+0xoffset`.
    struct Frame: Equatable {
        var function: String?
        var file: String?
        var line: Int?
        var object: String?
        var offset: UInt64?

        init(_ text: String) {
            let bytes = Array(text.utf8)
            if let plus = Self.find("+0x", in: bytes) {
                let digits = bytes[(plus + 3)...].prefix {
                    ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x66 || $0 >= 0x30 && $0 <= 0x39
                }
                if let offset = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) {
                    object = String(decoding: bytes[..<plus], as: UTF8.self)
                    self.offset = offset
                    return
                }
            }
            function = text
            guard bytes.last == UInt8(ascii: ")"), let open = Self.find(" (", in: bytes),
                let colon = bytes.lastIndex(of: UInt8(ascii: ":")), open + 2 < colon,
                let line = Int(String(decoding: bytes[(colon + 1)...].dropLast(), as: UTF8.self))
            else { return }
            function = String(decoding: bytes[..<open], as: UTF8.self)
            file = String(decoding: bytes[(open + 2) ..< colon], as: UTF8.self)
            self.line = line
        }

        private static func find(_ text: StaticString, in bytes: [UInt8]) -> Int? {
            let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            guard bytes.count >= wanted.count else { return nil }
            return (0 ... bytes.count - wanted.count).first { bytes[$0 ..< $0 + wanted.count].elementsEqual(wanted) }
        }
    }
}

extension Protobuf {
    fileprivate mutating func valueType(_ type: UInt64, _ unit: UInt64) {
        field(1, type)
        field(2, unit)
    }
}

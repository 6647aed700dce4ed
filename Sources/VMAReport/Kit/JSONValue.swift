/// A parsed JSON document, for reports that are compared. The document may come from anybody.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// The members; of members with the same key the last counts.
    case object([String: JSONValue])

    /// The document can't be parsed.
    public struct Damage: Error, Equatable {
        /// What is wrong in the document, and at which byte.
        public var message: String
    }

    /// Deeper than any report, and far below what would overflow a stack.
    static let depthLimit = 64
    /// More values than any report has: each takes memory for one or two bytes of the document.
    static let valueLimit = 8_000_000

    /// Parses a document. Throws `Damage` for what is no JSON, is nested more than 64 levels deep, or has more than 8
    /// million values.
    public init(_ text: String) throws(Damage) {
        var reader = JSONReader(Array(text.utf8))
        self = try reader.document()
    }

    /// The value of a member of an object, or nil.
    public subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { return members[key] }
        return nil
    }

    /// The number; nil for a value of another kind.
    public var number: Double? { if case .number(let value) = self { value } else { nil } }
    /// The text; nil for a value of another kind.
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    /// The elements; nil for a value of another kind.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The members; nil for a value of another kind.
    public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }
}

/// A parser for RFC 8259, without extensions.
private struct JSONReader {
    private let bytes: [UInt8]
    private var at = 0
    private var count = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONValue.Damage) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard at == bytes.count else { throw damage("something follows the document") }
        return value
    }

    private func damage(_ what: String) -> JSONValue.Damage { JSONValue.Damage(message: "\(what), at byte \(at)") }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { at += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard next == character.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONValue.Damage) -> JSONValue {
        guard depth < JSONValue.depthLimit else { throw damage("the document is nested too deeply") }
        count += 1
        guard count <= JSONValue.valueLimit else { throw damage("the document has too many values") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return .object(try object(depth))
        case UInt8(ascii: "["): return .array(try array(depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw damage("the document ends too early")
        default: return .number(try number())
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(JSONValue.Damage) -> JSONValue {
        guard bytes[at...].starts(with: word.utf8) else { throw damage("not a value") }
        at += word.utf8.count
        return value
    }

    private mutating func object(_ depth: Int) throws(JSONValue.Damage) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        at += 1
        skipSpace()
        if take("}") { return members }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw damage("a key is missing") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw damage("a colon is missing") }
            members[key] = try value(depth: depth + 1)
            skipSpace()
        } while take(",")
        guard take("}") else { throw damage("an object does not end") }
        return members
    }

    private mutating func array(_ depth: Int) throws(JSONValue.Damage) -> [JSONValue] {
        var values: [JSONValue] = []
        at += 1
        skipSpace()
        if take("]") { return values }
        repeat {
            values.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw damage("an array does not end") }
        return values
    }

    private mutating func number() throws(JSONValue.Damage) -> Double {
        let start = at
        func digits(_ reader: inout JSONReader) -> Int {
            let from = reader.at
            while let byte = reader.next, byte >= 0x30, byte <= 0x39 { reader.at += 1 }
            return reader.at - from
        }
        _ = take("-")
        let leadsWithZero = next == 0x30
        let whole = digits(&self)
        guard whole > 0, !leadsWithZero || whole == 1 else { throw damage("not a number") }
        if take("."), digits(&self) == 0 { throw damage("not a number") }
        if take("e") || take("E") {
            if !take("-") { _ = take("+") }
            if digits(&self) == 0 { throw damage("not a number") }
        }
        guard let number = Double(String(decoding: bytes[start ..< at], as: UTF8.self)), number.isFinite else {
            throw damage("not a number")
        }
        return number
    }

    private mutating func string() throws(JSONValue.Damage) -> String {
        at += 1
        var text: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += Array(String(try escape()).utf8)
            case ..<0x20: throw damage("a control character in a string")
            default: text.append(byte)
            }
        }
        throw damage("a string does not end")
    }

    private mutating func escape() throws(JSONValue.Damage) -> Character {
        guard let byte = next else { throw damage("a string does not end") }
        at += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Character(Unicode.Scalar(byte))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let high = try unit()
            guard UTF16.isLeadSurrogate(high), take("\\"), take("u") else {
                return Character(Unicode.Scalar(high) ?? "\u{fffd}")
            }
            let low = try unit()
            guard UTF16.isTrailSurrogate(low) else { return "\u{fffd}" }
            let value = 0x10000 + (UInt32(high) - 0xd800) << 10 + UInt32(low) - 0xdc00
            return Character(Unicode.Scalar(value) ?? "\u{fffd}")
        default: throw damage("an unknown escape")
        }
    }

    private mutating func unit() throws(JSONValue.Damage) -> UInt16 {
        guard at + 4 <= bytes.count, bytes[at ..< at + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let value = UInt16(String(decoding: bytes[at ..< at + 4], as: UTF8.self), radix: 16)
        else { throw damage("an unknown escape") }
        at += 4
        return value
    }
}

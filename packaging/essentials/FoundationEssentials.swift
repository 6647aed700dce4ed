// What swift-argument-parser uses of FoundationEssentials, and no more: Foundation's own is 6 MB of the static
// executable, and vmascope itself uses none of it. The Makefile compiles this as a module of the same name, which the
// static build finds first. If the parser begins to use more, that build fails to compile; `swift build` alone takes
// Foundation.

/// An error that says in a sentence what happened.
public protocol LocalizedError: Error {
    var errorDescription: String? { get }
}

extension LocalizedError {
    public var errorDescription: String? { nil }
}

/// UTF-8.
public struct Data: Sendable {
    var bytes: [UInt8]
}

extension String {
    public enum Encoding: Sendable { case utf8 }

    public init?(data: Data, encoding: Encoding) { self.init(validating: data.bytes, as: UTF8.self) }
}

/// Writes JSON. Keys are sorted and lines are indented, whatever `outputFormatting` asks for.
public final class JSONEncoder {
    public struct OutputFormatting: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let prettyPrinted = OutputFormatting(rawValue: 1)
        public static let sortedKeys = OutputFormatting(rawValue: 2)
    }

    public var outputFormatting: OutputFormatting = []

    public init() {}

    public func encode<Value: Encodable>(_ value: Value) throws -> Data {
        let place = Place()
        try value.encode(to: place)
        var text = ""
        place.write(to: &text, depth: 0)
        return Data(bytes: Array(text.utf8))
    }
}

/// One value of the document while it is made, and the encoder of what is written there.
private final class Place: Encoder {
    enum Content {
        case literal(String)
        case array([Place])
        case object([String: Place])
    }

    var content = Content.literal("null")
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        if case .object = content {} else { content = .object([:]) }
        return KeyedEncodingContainer(Keyed<Key>(place: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if case .array = content {} else { content = .array([]) }
        return Unkeyed(place: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(place: self) }

    func add(_ key: String) -> Place {
        let place = Place()
        if case .object(var members) = content {
            members[key] = place
            content = .object(members)
        }
        return place
    }

    func append() -> Place {
        let place = Place()
        if case .array(let elements) = content { content = .array(elements + [place]) }
        return place
    }

    var count: Int { if case .array(let elements) = content { elements.count } else { 0 } }

    /// What the standard library encodes by itself is written here; all else encodes itself.
    func put<Value: Encodable>(_ value: Value) throws {
        switch value {
        case let text as String: content = .literal(Self.quoted(text))
        case let flag as Bool: content = .literal(flag ? "true" : "false")
        case let number as any BinaryInteger: content = .literal("\(number)")
        case let number as any BinaryFloatingPoint: content = .literal("\(number)")
        default: try value.encode(to: self)
        }
    }

    func write(to text: inout String, depth: Int) {
        func list<Element>(_ open: String, _ close: String, _ elements: [Element], _ write: (Element) -> Void) {
            text += open
            for (index, element) in elements.enumerated() {
                text += (index > 0 ? ",\n" : "\n") + String(repeating: "  ", count: depth + 1)
                write(element)
            }
            text += "\n" + String(repeating: "  ", count: depth) + close
        }
        switch content {
        case .literal(let literal): text += literal
        case .array(let elements): list("[", "]", elements) { $0.write(to: &text, depth: depth + 1) }
        case .object(let members):
            list("{", "}", members.sorted { $0.key < $1.key }) { key, place in
                text += Self.quoted(key) + " : "
                place.write(to: &text, depth: depth + 1)
            }
        }
    }

    static func quoted(_ text: String) -> String { JSONText.quoted(text) { $0.value < 0x20 } }
}

private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let place: Place
    let codingPath: [any CodingKey] = []

    func encodeNil(forKey key: Key) { _ = place.add(key.stringValue) }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws { try place.add(key.stringValue).put(value) }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> {
        place.add(key.stringValue).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        place.add(key.stringValue).unkeyedContainer()
    }
    func superEncoder() -> any Encoder { place.add("super") }
    func superEncoder(forKey key: Key) -> any Encoder { place.add(key.stringValue) }
}

private struct Unkeyed: UnkeyedEncodingContainer {
    let place: Place
    let codingPath: [any CodingKey] = []
    var count: Int { place.count }

    func encodeNil() { _ = place.append() }
    func encode<Value: Encodable>(_ value: Value) throws { try place.append().put(value) }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        place.append().container(keyedBy: type)
    }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { place.append().unkeyedContainer() }
    func superEncoder() -> any Encoder { place.append() }
}

private struct Single: SingleValueEncodingContainer {
    let place: Place
    let codingPath: [any CodingKey] = []

    func encodeNil() { place.content = .literal("null") }
    func encode<Value: Encodable>(_ value: Value) throws { try place.put(value) }
}

// Names of characters, their aliases, and the versions of Unicode that brought them (`Unicode.Scalar.Properties`), which
// nothing asks for, are 0.57 MB of tables. The linker has these called in place of the standard library's functions
// (`--wrap`): there is no name, and no version.
@_cdecl("__wrap__swift_stdlib_getScalarName")
public func scalarName(_ scalar: UInt32, _ buffer: UnsafeMutablePointer<UInt8>?, _ capacity: Int) -> UInt16 { 0 }
@_cdecl("__wrap__swift_stdlib_getNameAlias")
public func nameAlias(_ scalar: UInt32) -> UnsafePointer<CChar>? { nil }
@_cdecl("__wrap__swift_stdlib_getAge")
public func age(_ scalar: UInt32) -> UInt16 { .max }

/// What a JSON document of ours looks like, from which its JSON Schema is written (draft 2020-12).
///
/// A key that version 0.1.0 wrote is required. One that came later is not, so that documents of before are valid;
/// and no object forbids others, so that documents of later versions are.
indirect enum JSONSchema: Sendable {
    case string(String? = nil)
    /// A whole number, 0 or more.
    case count(String? = nil)
    /// A whole number.
    case integer(String? = nil)
    case number(String? = nil)
    case bool(String? = nil)
    case constant(String)
    case words([String], String? = nil)
    case array(JSONSchema, String? = nil)
    case object([Member], String? = nil)
    /// An object whose keys are data.
    case map(JSONSchema, String? = nil)
    /// One that is described under `$defs`.
    case named(String)
    /// Or null, which is: not known, or not there.
    case orNull(JSONSchema)

    struct Member: Sendable {
        var key: String
        var schema: JSONSchema
        /// The version that wrote it first, if that is not 0.1.0.
        var since: String?
        /// It is there only sometimes.
        var isOptional = false
    }
}

extension JSONSchema.Member {
    static func of(_ key: String, _ schema: JSONSchema) -> Self { Self(key: key, schema: schema) }
    static func since(_ version: String, _ key: String, _ schema: JSONSchema) -> Self {
        Self(key: key, schema: schema, since: version)
    }
    static func optional(_ key: String, _ schema: JSONSchema) -> Self { Self(key: key, schema: schema, isOptional: true) }

    /// The same, where it is not always there.
    var sometimes: Self {
        var member = self
        member.isOptional = true
        return member
    }
}

/// A schema with its name.
struct NamedSchema: Sendable {
    var name: String
    var title: String
    var root: JSONSchema
    var definitions: [(name: String, schema: JSONSchema)]

    var text: String {
        var json = JSONWriter()
        json.object { json in
            json.field("$schema", "https://json-schema.org/draft/2020-12/schema")
            json.field("$id", "urn:\(name.split(separator: ".").joined(separator: ":"))")
            json.field("title", title)
            root.write(&json)
            if !definitions.isEmpty {
                json.object("$defs") { json in
                    for definition in definitions { json.object(definition.name) { definition.schema.write(&$0) } }
                }
            }
        }
        return json.finish()
    }
}

extension JSONSchema {
    fileprivate func write(_ json: inout JSONWriter, isNullable: Bool = false) {
        func type(_ name: String, _ text: String?) {
            if isNullable { json.field("type", [name, "null"]) } else { json.field("type", name) }
            if let text { json.field("description", text) }
        }
        switch self {
        case .string(let text): type("string", text)
        case .integer(let text): type("integer", text)
        case .number(let text): type("number", text)
        case .bool(let text): type("boolean", text)
        case .constant(let word): json.field("const", word)
        case .count(let text):
            type("integer", text)
            json.field("minimum", 0)
        case .words(let words, let text):
            // Null would have to be one of the words, so it is a choice of its own there.
            type("string", text)
            if isNullable {
                json.array("enum") { json in
                    for word in words { json.value(word) }
                    json.value(nil)
                }
            } else {
                json.field("enum", words)
            }
        case .array(let item, let text):
            type("array", text)
            json.object("items") { item.write(&$0) }
        case .map(let value, let text):
            type("object", text)
            json.object("additionalProperties") { value.write(&$0) }
        case .object(let members, let text):
            type("object", text)
            json.object("properties") { json in
                for member in members { json.object(member.key) { member.write(&$0) } }
            }
            json.field("required", members.filter { $0.since == nil && !$0.isOptional }.map(\.key))
        case .named(let name):
            if isNullable {
                json.array("anyOf") { json in
                    json.object { $0.field("$ref", "#/$defs/\(name)") }
                    json.object { $0.field("type", "null") }
                }
            } else {
                json.field("$ref", "#/$defs/\(name)")
            }
        case .orNull(let schema): schema.write(&json, isNullable: true)
        }
    }
}

extension JSONSchema.Member {
    fileprivate func write(_ json: inout JSONWriter) {
        schema.write(&json)
        if let since { json.field("$comment", "since \(since)") }
    }
}

import Foundation

/// A JSON Schema, as far as those of vmascope go, and what is wrong with a document by it.
///
/// Stricter than a reader may be: a key that the schema does not describe is wrong, too, so that nobody adds one
/// and forgets to tell of it.
package struct SchemaCheck {
    private let root: [String: Any]

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package init(_ schema: String) throws {
        guard let root = try JSONSerialization.jsonObject(with: Data(schema.utf8)) as? [String: Any] else {
            throw Failure(description: "a schema is an object")
        }
        self.root = root
    }

    /// Throws the first twenty things that are wrong.
    package func demand(_ document: String) throws {
        let value = try JSONSerialization.jsonObject(with: Data(document.utf8), options: .fragmentsAllowed)
        var wrong: [String] = []
        check(value, root, "", &wrong)
        if !wrong.isEmpty { throw Failure(description: wrong.prefix(20).joined(separator: "\n")) }
    }

    private func check(_ value: Any, _ schema: [String: Any], _ path: String, _ wrong: inout [String]) {
        if let reference = schema["$ref"] as? String {
            let name = reference.split(separator: "/").last.map(String.init) ?? ""
            guard let target = (root["$defs"] as? [String: Any])?[name] as? [String: Any] else {
                return wrong.append("\(path): no definition of \(name)")
            }
            return check(value, target, path, &wrong)
        }
        if let choices = schema["anyOf"] as? [[String: Any]] {
            var least: [String]?
            for choice in choices {
                var found: [String] = []
                check(value, choice, path, &found)
                if found.isEmpty { return }
                // What is said is about the choice that is no null.
                if choice["type"] as? String != "null" { least = found }
            }
            return wrong += least ?? ["\(path): none of the choices"]
        }
        if let constant = schema["const"] as? String, value as? String != constant { wrong.append("\(path): not \(constant)") }
        if let words = schema["enum"] as? [Any], !words.contains(where: { Self.isEqual($0, value) }) {
            wrong.append("\(path): \(value) is none of \(words)")
        }
        let types = (schema["type"] as? [String]) ?? (schema["type"] as? String).map { [$0] } ?? []
        if !types.isEmpty, !types.contains(where: { Self.isOf($0, value) }) { wrong.append("\(path): not \(types): \(value)") }
        if let least = schema["minimum"] as? Double, let number = value as? Double, number < least {
            wrong.append("\(path): \(number) is below \(least)")
        }
        if let list = value as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, item) in list.enumerated() { check(item, items, "\(path)[\(index)]", &wrong) }
        }
        guard let object = value as? [String: Any], types.contains("object") else { return }
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        for key in schema["required"] as? [String] ?? [] where object[key] == nil { wrong.append("\(path): no \(key)") }
        for (key, member) in object {
            if let known = properties[key] ?? schema["additionalProperties"] as? [String: Any] {
                check(member, known, "\(path).\(key)", &wrong)
            } else {
                wrong.append("\(path): \(key) is not described")
            }
        }
    }

    private static func isEqual(_ one: Any, _ other: Any) -> Bool {
        if one is NSNull, other is NSNull { return true }
        return (one as? String).map { $0 == other as? String } ?? false
    }

    private static func isBool(_ value: Any) -> Bool { CFTypes.isBool(value) }

    private static func isOf(_ type: String, _ value: Any) -> Bool {
        switch type {
        case "null": value is NSNull
        case "string": value is String
        case "boolean": isBool(value)
        case "integer": !isBool(value) && (value as? Double).map { $0 == $0.rounded() } == true
        case "number": !isBool(value) && value is Double
        case "array": value is [Any]
        case "object": value is [String: Any]
        default: false
        }
    }
}

/// A number that was read as `true` or `false` is of another kind than 1 and 0.
private enum CFTypes {
    static func isBool(_ value: Any) -> Bool {
        guard let number = value as? NSNumber else { return false }
        return String(cString: number.objCType) == "c" && (number == 0 || number == 1)
    }
}

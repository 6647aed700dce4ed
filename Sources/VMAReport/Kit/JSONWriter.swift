/// Writes JSON, indented by two spaces or on one line. It nests objects and arrays, and places commas.
public struct JSONWriter {
    private var text = ""
    private var depth = 0
    private var isFirst = true
    private let isOneLine: Bool

    /// - Parameter oneLine: no newline but the one at the end.
    public init(oneLine: Bool = false) { isOneLine = oneLine }

    /// The document, with the newline at its end.
    public consuming func finish() -> String { text + "\n" }

    // MARK: containers

    /// An object without a key: the document itself, or an element of an array.
    public mutating func object(_ body: (inout JSONWriter) -> Void) { container("{", "}", body) }

    /// A member that is an object.
    public mutating func object(_ key: String, _ body: (inout JSONWriter) -> Void) {
        begin(key)
        container("{", "}", body, isPlaced: true)
    }

    /// A member that is an array.
    public mutating func array(_ key: String, _ body: (inout JSONWriter) -> Void) {
        begin(key)
        container("[", "]", body, isPlaced: true)
    }

    // MARK: fields; nil is null

    /// A member that is a string. It is escaped so that it can't steer a terminal.
    public mutating func field(_ key: String, _ value: String?) { field(key, literal: value.map(Self.quoted)) }
    /// A member that is true or false.
    public mutating func field(_ key: String, _ value: Bool?) { field(key, literal: value.map(String.init)) }
    /// A member that is an integer.
    public mutating func field(_ key: String, _ value: (some BinaryInteger)?) {
        field(key, literal: value.map { "\($0)" })
    }

    /// An element of an array.
    public mutating func value(_ value: String?) {
        newLine()
        text += value.map(Self.quoted) ?? "null"
    }

    /// A number with three decimals; a value that is not a number, or too large to mean anything, is null.
    public mutating func field(_ key: String, thousandths value: Double?) {
        let number = value.flatMap { abs($0) < 1e12 ? ($0 * 1000).rounded() / 1000 : nil }
        field(key, literal: number.map { "\($0)" })
    }

    /// A member that is an array of strings, on one line.
    public mutating func field(_ key: String, _ values: [String]) {
        field(key, literal: "[" + values.map(Self.quoted).joined(separator: ", ") + "]")
    }

    private mutating func field(_ key: String, literal: String?) {
        begin(key)
        text += literal ?? "null"
    }

    // MARK: layout

    private mutating func container(
        _ open: String, _ close: String, _ body: (inout JSONWriter) -> Void, isPlaced: Bool = false
    ) {
        if !isPlaced, depth > 0 { newLine() }
        text += open
        depth += 1
        isFirst = true
        body(&self)
        depth -= 1
        if !isFirst, !isOneLine { text += "\n" + indentation }
        text += close
        isFirst = false
    }

    private mutating func begin(_ key: String) {
        newLine()
        text += Self.quoted(key) + ": "
    }

    private mutating func newLine() {
        if !isFirst { text += isOneLine ? ", " : "," }
        if !isOneLine { text += "\n" + indentation }
        isFirst = false
    }

    private var indentation: String { String(repeating: " ", count: 2 * depth) }

    /// What could steer a terminal, or hide what follows, is kept as an escape.
    static func quoted(_ string: String) -> String { JSONText.quoted(string, escaping: Fit.isUnseen) }
}

/// Text as the macros of mdoc(7) take it.
enum Mdoc {
    /// What mandoc's lint allows of a line of text.
    private static let width = 76

    /// As `.Nd` wants it: no capital at the beginning, no full stop.
    static func clause(_ text: String) -> String {
        var text = text
        if let last = text.last, ".?!".contains(last) { text.removeLast() }
        return escaped(text.prefix(1).lowercased() + text.dropFirst())
    }

    /// Each sentence begins a line.
    static func sentences(_ text: String) -> String {
        var lines: [String] = []
        var line = ""
        for word in text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
            if !line.isEmpty, line.utf8.count + word.utf8.count >= width || endsSentence(line) {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(line) }
        return lines.map { escaped($0) + "\n" }.joined()
    }

    /// Paragraphs, rows of two columns, and what is indented.
    ///
    /// - Parameter first: it begins a section, where a paragraph needs no space before it.
    static func block(_ lines: [Substring], first: Bool) -> String {
        var text = ""
        var isFirst = first
        var rest = lines[...]
        while let line = rest.first {
            if line.allSatisfy({ $0 == " " }) {
                rest = rest.dropFirst()
                continue
            }
            let isIndented = line.hasPrefix("  ")
            let part = rest.prefix { !$0.allSatisfy { $0 == " " } && $0.hasPrefix("  ") == isIndented }
            rest = rest.dropFirst(part.count)
            let rows = part.compactMap { row($0) }
            if isIndented, rows.count == part.count {
                text += ".Bl -tag -width Ds\n"
                for row in rows {
                    text += ".It \(row.name.first?.isNumber == true ? "" : "Ev ")\(row.name)\n" + sentences(row.text)
                }
                text += ".El\n"
            } else if isIndented {
                text += ".Bd -literal -offset indent\n"
                for line in part { text += escaped(String(line.dropFirst(2)), isLiteral: true) + "\n" }
                text += ".Ed\n"
            } else {
                text += (isFirst ? "" : ".Pp\n") + sentences(part.joined(separator: " "))
            }
            isFirst = false
        }
        return text
    }

    /// `  64  wrong usage`, `  NO_COLOR  no colours`: a number or a variable, and what it means.
    private static func row(_ line: Substring) -> (name: String, text: String)? {
        let words = line.drop { $0 == " " }
        let name = words.prefix { $0 != " " }
        let isName = name.allSatisfy { $0.isASCII && ($0.isNumber || $0.isUppercase || $0 == "_") }
        let text = words.dropFirst(name.count)
        guard isName, text.hasPrefix("  ") else { return nil }
        return (String(name), String(text.drop { $0 == " " }))
    }

    private static func endsSentence(_ line: String) -> Bool {
        line.last.map { ".?!:".contains($0) } == true && line.last != ":" && !line.hasSuffix("e.g.")
    }

    private static func escaped(_ text: String, isLiteral: Bool = false) -> String {
        var escaped = ""
        var beginsWord = true
        var isOption = false
        for scalar in text.unicodeScalars {
            if scalar == " " { isOption = false }
            if scalar == "-", beginsWord { isOption = true }
            switch scalar {
            case "\\": escaped += "\\e"
            case "-" where isOption || isLiteral: escaped += "\\-"
            case "'" where isLiteral: escaped += "\\(aq"
            case "`" where isLiteral: escaped += "\\(ga"
            case _ where !scalar.isASCII: escaped += "\\[u\(hex(scalar.value))]"
            default: escaped.unicodeScalars.append(scalar)
            }
            beginsWord = " (`'\"".unicodeScalars.contains(scalar)
        }
        return escaped.first == "." || escaped.first == "'" ? "\\&" + escaped : escaped
    }

    private static func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

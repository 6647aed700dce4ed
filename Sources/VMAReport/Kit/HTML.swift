/// Pieces of HTML. Text from outside goes through `escaped`, and nothing else does.
enum HTML {
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in Fit.printable(text).unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// A JSON string that stays one inside of a script element: no `<` can end or open anything.
    static func json(_ text: String) -> String {
        var json = ""
        for scalar in JSONWriter.quoted(Fit.printable(text)).unicodeScalars {
            if scalar == "<" { json += "\\u003c" } else { json.unicodeScalars.append(scalar) }
        }
        return json
    }

    /// - Parameter rows: cells as HTML; a cell that begins with `=` is a figure.
    static func table(_ heads: [String], _ rows: [[String]]) -> String {
        func cell(_ tag: String, _ text: String) -> String {
            text.hasPrefix("=") ? "<\(tag) class=n>\(text.dropFirst())</\(tag)>" : "<\(tag)>\(text)</\(tag)>"
        }
        var html = "<div class=scroll><table><thead><tr>" + heads.map { cell("th", $0) }.joined() + "</tr></thead><tbody>\n"
        for row in rows { html += "<tr>" + row.map { cell("td", $0) }.joined() + "</tr>\n" }
        return html + "</tbody></table></div>\n"
    }

    static func section(_ id: String, _ title: String, _ body: String) -> String {
        "<section id=\(id)><h2>\(title)</h2>\n\(body)</section>\n"
    }

    /// A swatch of the blocker's colour and its name.
    static func blocker(_ key: String) -> String { "<span class=b><i class=\(colour(key))></i>\(escaped(key))</span>" }

    /// The class that colours a blocker, or several; the kernel's limits have classes of their own.
    static func colour(_ key: String) -> String {
        let first = key.prefix { $0 != "+" }
        if key == "pgoff+anon_vma" { return "c-both" }
        return colours.contains(String(first)) ? "c-\(first)" : "c-other"
    }

    /// The same names as in `HTMLStyle`.
    static let colours = ["pgoff", "anon_vma", "file_offset", "prot", "flags", "mergeable", "unexplained"]
}

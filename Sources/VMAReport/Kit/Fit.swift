/// Fits text into a number of columns, and makes it safe for a terminal.
public enum Fit {
    /// The width of a text report in columns.
    static let width = 100

    /// Names come from others: a process chooses its comm, its files, its symbols. Characters that a terminal or a
    /// browser obeys and nobody sees (control characters, changes of direction, invisible marks, other line ends) are
    /// spelt out, and so are marks over one another, of which one character can have thousands.
    public static func printable(_ text: String) -> String {
        var marks = 0
        func isHidden(_ scalar: Unicode.Scalar) -> Bool {
            if isUnseen(scalar) { return true }
            marks = isMark(scalar) ? marks + 1 : 0
            return marks > mostMarks
        }
        guard text.unicodeScalars.contains(where: isHidden) else { return text }
        var shown = ""
        marks = 0
        for scalar in text.unicodeScalars {
            if isHidden(scalar) {
                let digits = String(scalar.value, radix: 16)
                shown += scalar.value < 0x100 ? "\\x" + (digits.count < 2 ? "0" : "") + digits : "\\u{\(digits)}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    static func isUnseen(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value < 0x20 || scalar.value == 0x7f }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return scalar.properties.isDefaultIgnorableCodePoint || scalar.value == 0x2800  // an empty Braille pattern
        }
    }

    /// The most marks that one letter of a language needs.
    private static let mostMarks = 4

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        guard !scalar.isASCII else { return false }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return true
        default: return false
        }
    }

    /// The first text that fits, or the last.
    static func first(_ texts: [String], _ width: Int) -> String { texts.first { $0.columns <= width } ?? texts.last ?? "" }

    /// The text shortened in the middle, where paths and names are least specific.
    static func middle(_ text: String, _ width: Int) -> String {
        guard text.columns > width else { return text }
        guard width > 1 else { return width == 1 ? "…" : "" }
        let tail = width / 2
        return text.prefix(columns: width - 1 - tail) + "…" + text.suffix(columns: tail)
    }

    /// The text shortened at the end, where lists matter least.
    public static func end(_ text: String, _ width: Int) -> String {
        text.columns > width ? text.prefix(columns: max(0, width - 1)) + "…" : text
    }

    /// Lines of at most `width` columns, broken at spaces; a word that is longer is shortened.
    static func wrap(_ text: String, _ width: Int) -> [String] {
        fill(text.split(separator: " ").map(String.init), between: " ", width)
    }

    /// Lines with as many of `parts` as there is room for.
    static func fill(_ parts: [String], between: String, _ width: Int) -> [String] {
        var lines: [String] = []
        for part in parts {
            let part = middle(part, width)
            if let last = lines.last, last.columns + between.columns + part.columns <= width {
                lines[lines.count - 1] += between + part
            } else {
                lines.append(part)
            }
        }
        return lines
    }
}

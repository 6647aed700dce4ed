/// Colours by escape codes for a terminal, or no colours.
struct TextStyle {
    var colour: Bool

    func bold(_ text: String) -> String { code("1", text) }
    func dim(_ text: String) -> String { code("2", text) }
    func red(_ text: String) -> String { code("31", text) }
    func green(_ text: String) -> String { code("32", text) }

    private func code(_ code: String, _ text: String) -> String {
        colour ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// A table with columns as wide as their widest cell, figures to the right. The last column is cut off where there is
/// a `width`.
struct TextTable {
    private let width: Int
    private var rows: [[String]]
    private let alignsRight: Set<Int>

    init(_ heads: [String], right: Set<Int>, width: Int = .max) {
        self.width = width
        rows = [heads]
        alignsRight = right
    }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The lines, the head first.
    var lines: [String] {
        var widths = [Int](repeating: 0, count: rows[0].count)
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.columns) }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.columns)
                if alignsRight.contains(column) { return padding + cell }
                return column == row.count - 1 ? cell : cell + padding
            }
            return Fit.end(cells.joined(separator: "  "), width)
        }
    }
}

extension BinaryInteger {
    /// `58,000`: grouped digits, since people compare these numbers with a limit.
    var grouped: String {
        var digits = "\(self.magnitude)"
        var at = digits.index(digits.endIndex, offsetBy: -min(3, digits.count))
        while at > digits.startIndex {
            digits.insert(",", at: at)
            at = digits.index(at, offsetBy: -min(3, digits.distance(from: digits.startIndex, to: at)))
        }
        return self < 0 ? "-" + digits : digits
    }

    func of(_ one: String, _ many: String? = nil) -> String {
        "\(grouped) \(self == 1 ? one : many ?? one + "s")"
    }
}

extension String {
    func padded(_ width: Int) -> String { columns >= width ? self : self + String(repeating: " ", count: width - columns) }
}

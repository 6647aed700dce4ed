/// A condition of `--fail-on`: `missed.pgoff>0 and vmas.peak<=1000`. All its comparisons must hold.
///
///     condition  = comparison { ("," | "and") comparison }
///     comparison = name operator number
///     operator   = ">" | ">=" | "<" | "<=" | "==" | "!="
///
/// `name` is a name of `Figures`; with `delta.` in front it means the difference between two reports.
public struct Condition: Sendable {
    private struct Comparison: Sendable {
        var name: String
        var isDelta: Bool
        var symbol: String
        var number: Double

        func holds(_ value: Double) -> Bool {
            switch symbol {
            case ">": value > number
            case ">=": value >= number
            case "<": value < number
            case "<=": value <= number
            case "==": value == number
            default: value != number
            }
        }

        var text: String { "\(isDelta ? "delta." : "")\(name)" }
    }

    /// The condition can't be parsed; `message` says why.
    public struct Misuse: Error { public var message: String }

    private var comparisons: [Comparison] = []

    /// Parses a condition. Throws `Misuse` for what is none, and for a name that no report has.
    public init(_ text: String) throws(Misuse) {
        for part in Self.parts(text) { comparisons.append(try Self.comparison(part)) }
    }

    /// Whether the condition needs two reports.
    public var comparesTwo: Bool { comparisons.contains { $0.isDelta } }

    /// The values that make the condition hold, in words; nil if it does not hold. A figure that is unknown satisfies
    /// no comparison.
    public func failure(_ figures: Figures, since before: Figures? = nil) -> String? {
        var found: [String] = []
        for comparison in comparisons {
            guard var value = figures.value(comparison.name) else { return nil }
            if comparison.isDelta {
                guard let old = before?.value(comparison.name) else { return nil }
                value -= old
            }
            guard comparison.holds(value) else { return nil }
            found.append("\(comparison.text) is \(Self.text(value))")
        }
        return found.joined(separator: ", ")
    }

    /// A number in words: integers without a fraction.
    static func text(_ value: Double) -> String {
        abs(value) < 1e15 && value == value.rounded() ? "\(Int(value))" : "\((value * 1000).rounded() / 1000)"
    }

    private static func parts(_ text: String) -> [String] {
        var parts = [""]
        for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
            var words: [Substring] = []
            for word in piece.split(whereSeparator: \.isWhitespace) {
                if word == "and" {
                    parts[parts.count - 1] += words.joined()
                    parts.append("")
                    words = []
                } else {
                    words.append(word)
                }
            }
            parts[parts.count - 1] += words.joined()
            parts.append("")
        }
        return Array(parts.dropLast())
    }

    private static func comparison(_ text: String) throws(Misuse) -> Comparison {
        let symbols: [Character] = ["<", ">", "=", "!"]
        let name = String(text.prefix { !symbols.contains($0) })
        let rest = text.dropFirst(name.count)
        let symbol = String(rest.prefix { symbols.contains($0) })
        guard !name.isEmpty, [">", ">=", "<", "<=", "==", "!="].contains(symbol) else {
            throw Misuse(message: "'\(text)' is not a comparison: write one like missed.pgoff>0")
        }
        let digits = rest.dropFirst(symbol.count)
        guard let number = Double(digits), number.isFinite else {
            throw Misuse(message: "'\(digits)' in '\(text)' is not a number")
        }
        let isDelta = name.hasPrefix("delta.")
        let plain = isDelta ? String(name.dropFirst("delta.".count)) : name
        guard Figures.has(plain) else {
            throw Misuse(
                message: "a report has no '\(plain)': use missed, missed.pgoff, what_if.recoverable, vmas.peak, …")
        }
        return Comparison(name: plain, isDelta: isDelta, symbol: symbol, number: number)
    }
}

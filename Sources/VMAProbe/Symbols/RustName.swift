/// Names of the older mangling, which looks like that of C++.
enum RustName {
    /// `_ZN4core3ptr13drop_in_place17h0123456789abcdefE` is `core::ptr::drop_in_place`. Nil if
    /// it is C++.
    static func text(_ name: String) -> String? {
        var rest = name.utf8.dropFirst(3)
        var parts: [Substring.UTF8View] = []
        while let first = rest.first, first != UInt8(ascii: "E") {
            let digits = rest.prefix { UInt8(ascii: "0") ... UInt8(ascii: "9") ~= $0 }
            rest = rest.dropFirst(digits.count)
            guard let length = Int(Substring(digits)), length > 0, length <= rest.count else { return nil }
            parts.append(Substring(rest.prefix(length)).utf8)
            rest = rest.dropFirst(length)
        }
        // At most a suffix of the linker's follows.
        guard rest.first == UInt8(ascii: "E"), rest.count == 1 || rest.dropFirst().first == UInt8(ascii: "."),
            parts.count > 1, let hash = parts.last, hash.count == 17, hash.first == UInt8(ascii: "h"),
            hash.dropFirst().allSatisfy({
                UInt8(ascii: "0") ... UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a") ... UInt8(ascii: "f") ~= $0
            })
        else { return nil }
        return parts.dropLast().map { unescaped(Substring($0)) }.joined(separator: "::")
    }

    private static let escapes: [Substring: String] = [
        "SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ",",
    ]

    private static func unescaped(_ part: Substring) -> String {
        var rest = part
        if rest.hasPrefix("_$") { rest = rest.dropFirst() }
        var text = ""
        while let first = rest.first {
            if rest.hasPrefix("..") {
                text += "::"
                rest = rest.dropFirst(2)
            } else if first == "$", let end = rest.dropFirst().firstIndex(of: "$"),
                let plain = unescaped(escape: rest[rest.index(after: rest.startIndex) ..< end])
            {
                text += plain
                rest = rest[rest.index(after: end)...]
            } else {
                text.append(first)
                rest = rest.dropFirst()
            }
        }
        return text
    }

    private static func unescaped(escape: Substring) -> String? {
        if let plain = escapes[escape] { return plain }
        guard escape.first == "u", let value = UInt32(escape.dropFirst(), radix: 16), let scalar = Unicode.Scalar(value)
        else { return nil }
        return String(Character(scalar))
    }
}

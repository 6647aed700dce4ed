/// A string in JSON. packaging/essentials is compiled with this file, too: it needs nothing but the standard library.
enum JSONText {
    /// - Parameter isUnseen: characters that are kept in the form of an escape, at least the control characters.
    static func quoted(_ string: String, escaping isUnseen: (Unicode.Scalar) -> Bool) -> String {
        var quoted = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _ where isUnseen(scalar):
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
                }
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

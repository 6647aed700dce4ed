/// A Rust name of the newer mangling (`_R…`), by its grammar in the compiler's book. Lifetimes
/// are left out, and what crate made an instance.
struct RustPath {
    private struct Failure: Error {}

    private let input: [UInt8]
    private var at = 2
    private var text: [UInt8] = []
    private var depth = 0
    private var steps = 0

    /// A few bytes can stand for a text without end, by what they repeat.
    private static let longest = 1 << 14
    private static let deepest = 128
    private static let mostSteps = 1 << 16

    private init(_ name: String) { input = Array(name.utf8) }

    static func text(_ name: String) -> String? {
        var path = RustPath(name)
        guard (try? path.path(inType: false)) != nil else { return nil }
        return String(decoding: path.text, as: UTF8.self)
    }

    // MARK: letters and numbers

    private mutating func next() throws(Failure) -> UInt8 {
        steps += 1
        guard at < input.count, steps < Self.mostSteps, text.count < Self.longest else { throw Failure() }
        at += 1
        return input[at - 1]
    }

    private mutating func skip(_ letter: Unicode.Scalar) -> Bool {
        guard at < input.count, input[at] == UInt8(ascii: letter) else { return false }
        at += 1
        return true
    }

    private mutating func base62() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        if skip("_") { return 0 }
        while true {
            let digit: UInt8
            switch try next() {
            case UInt8(ascii: "_"): return value &+ 1
            case let byte where UInt8(ascii: "0") ... UInt8(ascii: "9") ~= byte: digit = byte - UInt8(ascii: "0")
            case let byte where UInt8(ascii: "a") ... UInt8(ascii: "z") ~= byte: digit = byte - UInt8(ascii: "a") + 10
            case let byte where UInt8(ascii: "A") ... UInt8(ascii: "Z") ~= byte: digit = byte - UInt8(ascii: "A") + 36
            default: throw Failure()
            }
            value = value &* 62 &+ UInt64(digit)
        }
    }

    /// Tells apart what has one name; 0 if nothing has to be told apart.
    private mutating func disambiguator() throws(Failure) -> UInt64 { skip("s") ? try base62() &+ 1 : 0 }

    private mutating func identifier() throws(Failure) -> ArraySlice<UInt8> {
        let isPunycode = skip("u")
        var length = 0
        var digits = 0
        while at < input.count, UInt8(ascii: "0") ... UInt8(ascii: "9") ~= input[at], digits < 6,
            digits == 0 || length > 0
        {
            length = length * 10 + Int(input[at] - UInt8(ascii: "0"))
            at += 1
            digits += 1
        }
        _ = skip("_")
        guard digits > 0, at + length <= input.count else { throw Failure() }
        at += length
        let name = input[at - length ..< at]
        return isPunycode ? "punycode{".utf8 + name + "}".utf8 : name
    }

    private mutating func put(_ part: String) { text += part.utf8 }

    /// Reads on where a reference points to, then comes back.
    private mutating func reference(_ read: (inout RustPath) throws -> Void) throws(Failure) {
        let start = at - 1
        let target = try base62()
        guard target < UInt64(max(start - 2, 0)) else { throw Failure() }
        let back = at
        at = Int(target) + 2
        do { try read(&self) } catch { throw Failure() }
        at = back
    }

    private mutating func enter() throws(Failure) {
        depth += 1
        guard depth < Self.deepest else { throw Failure() }
    }

    // MARK: paths

    private mutating func path(inType: Bool) throws(Failure) {
        try enter()
        defer { depth -= 1 }
        switch try next() {
        case UInt8(ascii: "C"):
            _ = try disambiguator()
            text += try identifier()
        case UInt8(ascii: "M"):
            try skipImplementation()
            put("<")
            try type()
            put(">")
        case UInt8(ascii: "X"):
            try skipImplementation()
            try implementation()
        case UInt8(ascii: "Y"): try implementation()
        case UInt8(ascii: "N"):
            let space = try next()
            try path(inType: inType)
            let number = try disambiguator()
            let name = try identifier()
            if UInt8(ascii: "A") ... UInt8(ascii: "Z") ~= space {
                let kind =
                    switch space {
                    case UInt8(ascii: "C"): "closure"
                    case UInt8(ascii: "S"): "shim"
                    default: String(Unicode.Scalar(space))
                    }
                put("::{\(kind)\(name.isEmpty ? "" : ":")")
                text += name
                put("#\(number)}")
            } else if !name.isEmpty {
                put("::")
                text += name
            }
        case UInt8(ascii: "I"):
            try path(inType: inType)
            put(inType ? "<" : "::<")
            try list { (reader) throws(Failure) in try reader.argument() }
            put(">")
        case UInt8(ascii: "B"): try reference { try $0.path(inType: inType) }
        default: throw Failure()
        }
    }

    private mutating func skipImplementation() throws(Failure) {
        let length = text.count
        _ = try disambiguator()
        try path(inType: true)
        text.removeSubrange(length...)
    }

    private mutating func implementation() throws(Failure) {
        put("<")
        try type()
        put(" as ")
        try path(inType: true)
        put(">")
    }

    /// Returns how many there are.
    @discardableResult
    private mutating func list(
        by separator: String = ", ", _ read: (inout RustPath) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        var count = 0
        while !skip("E") {
            if count > 0 { put(separator) }
            try read(&self)
            count += 1
        }
        return count
    }

    private mutating func argument() throws(Failure) {
        if skip("L") {
            _ = try base62()
            put("'_")
        } else if skip("K") {
            try constant()
        } else {
            try type()
        }
    }

    // MARK: types

    private static let basic: [UInt8: String] =
        ([
            "a": "i8", "b": "bool", "c": "char", "d": "f64", "e": "str", "f": "f32", "h": "u8", "i": "isize",
            "j": "usize", "l": "i32", "m": "u32", "n": "i128", "o": "u128", "s": "i16", "t": "u16", "u": "()",
            "v": "...", "x": "i64", "y": "u64", "z": "!", "p": "_",
        ] as [Unicode.Scalar: String]).reduce(into: [:]) { $0[UInt8(ascii: $1.key)] = $1.value }

    private mutating func type() throws(Failure) {
        try enter()
        defer { depth -= 1 }
        let letter = try next()
        if let name = Self.basic[letter] { return put(name) }
        switch letter {
        case UInt8(ascii: "R"), UInt8(ascii: "Q"):
            if skip("L") { _ = try base62() }
            put(letter == UInt8(ascii: "R") ? "&" : "&mut ")
            try type()
        case UInt8(ascii: "P"), UInt8(ascii: "O"):
            put(letter == UInt8(ascii: "P") ? "*const " : "*mut ")
            try type()
        case UInt8(ascii: "S"), UInt8(ascii: "A"):
            put("[")
            try type()
            if letter == UInt8(ascii: "A") {
                put("; ")
                try constant()
            }
            put("]")
        case UInt8(ascii: "T"):
            put("(")
            let count = try list { (reader) throws(Failure) in try reader.type() }
            if count == 1 { put(",") }
            put(")")
        case UInt8(ascii: "F"): try functionType()
        case UInt8(ascii: "D"):
            put("dyn ")
            if skip("G") { _ = try base62() }
            try list(by: " + ") { (reader) throws(Failure) in try reader.bound() }
            guard skip("L") else { throw Failure() }
            _ = try base62()
        case UInt8(ascii: "B"): try reference { try $0.type() }
        default:
            at -= 1
            try path(inType: true)
        }
    }

    private mutating func functionType() throws(Failure) {
        if skip("G") { _ = try base62() }
        if skip("U") { put("unsafe ") }
        if skip("K") {
            put("extern \"")
            if skip("C") { put("C") } else { text += try identifier() }
            put("\" ")
        }
        put("fn(")
        try list { (reader) throws(Failure) in try reader.type() }
        put(")")
        if !skip("u") {
            put(" -> ")
            try type()
        }
    }

    /// A trait with what its associated types are.
    private mutating func bound() throws(Failure) {
        try path(inType: true)
        while skip("p") {
            let isOpen = text.last == UInt8(ascii: ">")
            if isOpen { text.removeLast() }
            put(isOpen ? ", " : "<")
            text += try identifier()
            put(" = ")
            try type()
            put(">")
        }
    }

    private mutating func constant() throws(Failure) {
        let letter = try next()
        if letter == UInt8(ascii: "B") { return try reference { try $0.constant() } }
        if letter == UInt8(ascii: "p") { return put("_") }
        guard UInt8(ascii: "a") ... UInt8(ascii: "z") ~= letter else { throw Failure() }
        if skip("n") { put("-") }
        let start = at
        while try next() != UInt8(ascii: "_") {}
        let digits = String(decoding: input[start ..< at - 1], as: UTF8.self)
        let value = digits.isEmpty ? 0 : UInt64(digits, radix: 16)
        switch (letter, value) {
        case (UInt8(ascii: "b"), let value?) where value < 2: put(value == 0 ? "false" : "true")
        case (UInt8(ascii: "c"), let value?):
            guard let scalar = UInt32(exactly: value).flatMap({ Unicode.Scalar($0) }) else { throw Failure() }
            put("'\(scalar)'")
        case (_, let value?): put("\(value)")
        case (_, nil): put("0x" + digits)
        }
    }
}

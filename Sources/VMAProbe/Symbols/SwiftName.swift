enum SwiftName {
    /// `main.Foo.bar(x: Swift.Int) throws -> ()` is `main.Foo.bar`; what a closure lies in stays.
    static func short(_ full: String) -> String {
        var reader = NameReader(full)
        var name: [UInt8] = []
        while !reader.isAtEnd {
            if reader.sees("(extension in ") {
                _ = reader.group()
                _ = reader.skip(":")
            } else if reader.sees("(") {
                let before = name.last
                let group = reader.group()
                if before == UInt8(ascii: ".") {
                    // `(name in _0123ABCD)`, private to a file
                    name += group.dropFirst().prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: ")") }
                } else if before == nil {
                    name += group  // `(1) suspend resume partial function for …`
                } else {
                    skipType(&reader, &name)
                }
            } else if reader.sees(" : ") || reader.sees(" -> ") {
                skipType(&reader, &name)
            } else if reader.sees("<") {
                let group = reader.group()
                // What is generic in a function's own signature says nothing.
                if !reader.sees("(") { name += group }
            } else if reader.sees("[") || reader.sees("{") {
                name += reader.group()
            } else {
                name.append(reader.text[reader.at])
                reader.at += 1
            }
        }
        while name.last == UInt8(ascii: " ") { name.removeLast() }
        return name.isEmpty ? full : String(decoding: name, as: UTF8.self)
    }

    /// Up to what the thing lies in.
    private static func skipType(_ reader: inout NameReader, _ name: inout [UInt8]) {
        while name.last == UInt8(ascii: " ") { name.removeLast() }
        while !reader.isAtEnd, !reader.sees(" in ") {
            switch reader.text[reader.at] {
            case UInt8(ascii: "("), UInt8(ascii: "<"), UInt8(ascii: "["), UInt8(ascii: "{"): _ = reader.group()
            default: reader.at += 1
            }
        }
    }
}

import CSystem
import Glibc

/// Demangles names for stacks: without parameters and results, which would make a stack unreadable. A name that can't
/// be parsed stays as it is.
enum Demangler {
    static func text(_ name: String) -> String {
        if name.hasPrefix("_R"), name.utf8.count <= SymbolLimits.mangledName, let text = RustPath.text(name) { return text }
        if name.hasPrefix("_ZN"), let text = RustName.text(name) { return text }
        guard name.utf8.count <= SymbolLimits.mangledName else { return name }
        if name.hasPrefix("_Z"), let full = cxx(name) { return CxxName.short(full) }
        if isSwift(name), name.utf8.count <= SymbolLimits.swiftName, let full = take(vms_demangle_swift(name, name.utf8.count)) {
            return SwiftName.short(full)
        }
        return name
    }

    private static func isSwift(_ name: String) -> Bool {
        ["$s", "$S", "_$s", "_$S", "$e", "_T0"].contains { name.hasPrefix($0) }
    }

    private static func cxx(_ name: String) -> String? {
        var length = -1
        let bytes = [UInt8](unsafeUninitializedCapacity: SymbolLimits.plainName) { buffer, count in
            length = buffer.withMemoryRebound(to: CChar.self) { vms_demangle_cxx(name, $0.baseAddress, $0.count) }
            count = max(length, 0)
        }
        return length < 0 ? nil : String(decoding: bytes, as: UTF8.self)
    }

    private static func take(_ text: UnsafeMutablePointer<CChar>?) -> String? {
        guard let text else { return nil }
        defer { free(text) }
        return strlen(text) <= SymbolLimits.plainName ? String(cString: text) : nil
    }
}

/// Bytes of a demangled name, read from left to right.
struct NameReader {
    let text: [UInt8]
    var at = 0

    init(_ text: String) { self.text = Array(text.utf8) }

    var isAtEnd: Bool { at >= text.count }

    func sees(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            at + word.count <= text.count && word.indices.allSatisfy { text[at + $0] == word[$0] }
        }
    }

    mutating func skip(_ word: StaticString) -> Bool {
        guard sees(word) else { return false }
        at += word.utf8CodeUnitCount
        return true
    }

    /// The bytes of the bracket that begins here and all within, or one byte if it never ends.
    mutating func group() -> ArraySlice<UInt8> {
        let start = at
        var closers: [UInt8] = []
        while at < text.count {
            let byte = text[at]
            // The arrow of a function's type is no bracket.
            let isArrow = byte == UInt8(ascii: ">") && at > start && text[at - 1] == UInt8(ascii: "-")
            at += 1
            switch byte {
            case UInt8(ascii: "("): closers.append(UInt8(ascii: ")"))
            case UInt8(ascii: "["): closers.append(UInt8(ascii: "]"))
            case UInt8(ascii: "{"): closers.append(UInt8(ascii: "}"))
            case UInt8(ascii: "<"): closers.append(UInt8(ascii: ">"))
            case closers.last where !isArrow: closers.removeLast()
            default: break
            }
            if closers.isEmpty { return text[start ..< at] }
        }
        at = start + 1
        return text[start ..< at]
    }
}

enum CxxName {
    /// `void ns::Class<T>::method<int>(int) const` is `ns::Class<T>::method<int>`.
    static func short(_ full: String) -> String {
        var reader = NameReader(full)
        var name: [UInt8] = []
        /// Where the name begins, after a result's type.
        var start = 0
        var sawParameters = false
        while !reader.isAtEnd {
            if reader.sees("(anonymous namespace)") {
                name += reader.group()
            } else if reader.sees("(") {
                reader.at += 1
                let isPointer = reader.sees("*") || reader.sees("&")
                reader.at -= 1
                if isPointer { return full }  // the result is a pointer to a function
                _ = reader.group()
                sawParameters = true
                while reader.skip(" const") || reader.skip(" volatile") || reader.skip(" &&") || reader.skip(" &") {}
                if reader.sees(" [clone") { break }
            } else if reader.sees("operator"), name.last.map({ !isLetter($0) }) ?? true {
                name += Self.operatorName(&reader)
            } else if reader.sees("{lambda(") {
                reader.at += 7
                _ = reader.group()
                name += "{lambda".utf8
            } else if reader.sees("<") || reader.sees("{") || reader.sees("[") {
                name += reader.group()
            } else {
                let byte = reader.text[reader.at]
                reader.at += 1
                name.append(byte)
                // `vtable for X`, `guard variable for x`: not a result's type.
                if byte == UInt8(ascii: " "), !name.hasSuffix(" for "), !name.hasSuffix(" to ") { start = name.count }
                if name.hasSuffix(" for ") || name.hasSuffix(" to ") { start = 0 }
            }
        }
        if !sawParameters { return full }
        return String(decoding: name[start...], as: UTF8.self)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
            UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// An operator's name, whose brackets are none and whose spaces end no type.
    private static func operatorName(_ reader: inout NameReader) -> ArraySlice<UInt8> {
        let start = reader.at
        _ = reader.skip("operator")
        if !reader.skip("()"), !reader.skip("<<="), !reader.skip("<=>"), !reader.skip("<<"), !reader.skip("<="),
            !reader.skip("->*"), !reader.skip("->"), !reader.skip(">>="), !reader.skip(">>"), !reader.skip(">="),
            !reader.skip("<"), !reader.skip(">"), !reader.skip("[]"), reader.sees(" ") || reader.sees("\"")
        {
            // `operator new[]`, `operator std::vector<int>`, `operator"" _s`
            while !reader.isAtEnd, !reader.sees("(") {
                if reader.sees("<") { _ = reader.group() } else { reader.at += 1 }
            }
        }
        return reader.text[start ..< reader.at]
    }
}

extension [UInt8] {
    fileprivate func hasSuffix(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { self.suffix($0.count).elementsEqual($0) }
    }
}

/// Names that compilers give to copies and parts of a function.
enum FunctionName {
    /// What gcc and LLVM put behind a function's name: a copy with other arguments (`isra`, `constprop`), a part
    /// (`part`, `cold`), one of many of that name (`lto_priv`, `llvm`).
    private static let numbered: Set<Substring> = ["isra", "constprop", "part", "lto_priv", "llvm"]

    /// The frame with the function's name as it stands in its source: `open_ring (libx.so)` for
    /// `open_ring.isra.0 (libx.so)`. Without debug information only the copy's name is known.
    static func asWritten(_ frame: String) -> String {
        let name = frame.prefix { $0 != " " }
        var place = name.startIndex
        while let dot = name[place...].firstIndex(of: "."), dot > name.startIndex {
            let parts = name[dot...].dropFirst().split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
            let isNumbered = parts.count > 1 && numbered.contains(parts[0]) && isNumber(parts[1])
            let isCold = parts[0] == "cold" && (parts.count == 1 || isNumber(parts[1]))
            if isNumbered || isCold { return String(name[..<dot]) + frame[name.endIndex...] }
            place = name.index(after: dot)
        }
        return frame
    }

    private static func isNumber(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (48 ... 57).contains($0) } }
}

import Glibc

/// The text of /proc/kallsyms. It has a hundred thousand lines and more, and an observation waits until it has been read,
/// so no line becomes a String.
enum KernelSymbols {
    /// The symbols of functions of the kernel itself, clones and pieces included (`vma_merge.isra.0`), in the order of
    /// the table, by the function's name.
    static func symbols(of functions: Set<String>, in table: [UInt8]) -> [String: [String]] {
        var byLength: [[[UInt8]]] = []
        for name in functions.map({ Array($0.utf8) }) {
            while byLength.count <= name.count { byLength.append([]) }
            byLength[name.count].append(name)
        }
        var found: [String: [String]] = [:]
        table.withUnsafeBytes { table in
            var at = 0
            while at < table.count {
                let rest = UnsafeRawBufferPointer(rebasing: table[at...])
                let length = memchr(rest.baseAddress!, 10, rest.count).map { rest.baseAddress!.distance(to: $0) } ?? rest.count
                at += length + 1
                guard let symbol = function(UnsafeRawBufferPointer(rebasing: rest[..<length])) else { continue }
                let base = symbol.firstIndex(of: UInt8(ascii: ".")) ?? symbol.count
                guard base < byLength.count else { continue }
                for name in byLength[base] where memcmp(name, symbol.baseAddress!, base) == 0 {
                    found[String(decoding: name, as: UTF8.self), default: []].append(String(decoding: symbol, as: UTF8.self))
                }
            }
        }
        return found
    }

    /// The symbol of a line `ffffffff81000000 t name`; nil if it is no function's, or a module's: those have the name
    /// of the module behind them.
    private static func function(_ line: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        // The address has as many digits as there are bits.
        guard let space = line.prefix(20).firstIndex(of: UInt8(ascii: " ")), space + 3 < line.count else { return nil }
        let kind = line[space + 1]
        guard kind == UInt8(ascii: "t") || kind == UInt8(ascii: "T"), line[space + 2] == UInt8(ascii: " ") else { return nil }
        let symbol = UnsafeRawBufferPointer(rebasing: line[(space + 3)...])
        return symbol.last == UInt8(ascii: "]") || symbol.contains(9) ? nil : symbol
    }
}

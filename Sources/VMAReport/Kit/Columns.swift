/// How many columns of a terminal text takes, as wcwidth(3) counts them.
extension StringProtocol {
    /// Wide characters take two columns, and marks over others none.
    var columns: Int {
        // Nearly all text is ASCII, and tables have many cells.
        utf8.allSatisfy { $0 < 0x80 } ? utf8.count : unicodeScalars.reduce(0) { $0 + Columns.of($1) }
    }

    /// As much of the beginning as takes at most so many columns.
    func prefix(columns: Int) -> String {
        var (taken, rest) = ("", columns)
        for character in self {
            rest -= String(character).columns
            guard rest >= 0 else { break }
            taken.append(character)
        }
        return taken
    }

    /// As much of the end as takes at most so many columns.
    func suffix(columns: Int) -> String {
        var (start, rest) = (endIndex, columns)
        while start > startIndex {
            let before = index(before: start)
            rest -= String(self[before]).columns
            guard rest >= 0 else { break }
            start = before
        }
        return String(self[start...])
    }
}

private enum Columns {
    static func of(_ scalar: Unicode.Scalar) -> Int {
        // Below it there is nothing wide, and no mark.
        guard scalar.value >= 0x300 else { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: break
        }
        // Vowels and final consonants of Hangul stand in the column of what is before them.
        if joining.contains(where: { $0.contains(scalar.value) }) { return 0 }
        return scalar.properties.isEmojiPresentation || wide.contains(where: { $0.contains(scalar.value) }) ? 2 : 1
    }

    private static let joining: [ClosedRange<UInt32>] = [0x1160 ... 0x11ff, 0xd7b0 ... 0xd7ff]

    /// Unicode's East_Asian_Width W and F, without emoji. Within them lie a few that are narrow or not assigned.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100 ... 0x115f, 0x2329 ... 0x232a, 0x2630 ... 0x2637, 0x268a ... 0x268f, 0x2e80 ... 0x303e, 0x3041 ... 0x3247,
        0x3250 ... 0xa4cf, 0xa960 ... 0xa97c, 0xac00 ... 0xd7a3, 0xf900 ... 0xfaff, 0xfe10 ... 0xfe19, 0xfe30 ... 0xfe6f,
        0xff01 ... 0xff60, 0xffe0 ... 0xffe6, 0x16fe0 ... 0x18dff, 0x1aff0 ... 0x1b2ff, 0x1d300 ... 0x1d37f, 0x1f200 ... 0x1f265,
        0x20000 ... 0x3fffd,
    ]
}

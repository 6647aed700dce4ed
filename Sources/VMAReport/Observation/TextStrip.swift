import VMACore

/// An attempt drawn to scale, more or less: what touches, what merged, and where it stayed apart.
///
///     0x100000100000      0x100000104000
///     ├─── prev 16 KiB ───╫── proposed 16 KiB ──┤
struct TextStrip {
    let style: TextStyle
    private static let room = 84

    private struct Part {
        var name: String
        var vma: VMA
    }

    func lines(_ miss: Report.Miss) -> [String] {
        var parts = [Part(name: "proposed", vma: miss.proposed)]
        if let prev = miss.prev { parts.insert(Part(name: "prev", vma: prev), at: 0) }
        if let next = miss.next { parts.append(Part(name: "next", vma: next)) }
        guard parts.count > 1 else { return [] }
        let seam = miss.side == .prev ? 1 : parts.count - 1
        let labels = parts.map { " \($0.name) \(Self.size($0.vma.range)) " }
        let widths = Self.widths(parts.map(\.vma.range.pages), labels.map { $0.count + 2 })

        var ruler = ""
        var strip = "├"
        var at = 0
        for (index, part) in parts.enumerated() {
            // An address over each boundary, where there is room.
            if index > 0 {
                strip += index == seam ? style.red("╫") : "┼"
                if at > ruler.count + (ruler.isEmpty ? 0 : 1) || index == seam {
                    ruler = Fit.end(ruler, max(0, at - 1))
                    ruler += String(repeating: " ", count: max(0, at - ruler.count)) + part.vma.start.hex
                }
            } else {
                ruler = part.vma.start.hex
            }
            let space = widths[index] - labels[index].count
            strip += String(repeating: "─", count: space / 2) + labels[index]
            strip += String(repeating: "─", count: space - space / 2)
            at += widths[index] + 1
        }
        return [ruler, strip + "┤"]
    }

    /// Columns for each, at least those of its label, the rest by the number of digits of its pages.
    private static func widths(_ pages: [UInt64], _ least: [Int]) -> [Int] {
        let digits = pages.map { 64 - $0.leadingZeroBitCount }
        let all = max(1, digits.reduce(0, +))
        let spare = max(0, min(40, room - least.reduce(0, +) - pages.count - 1))
        return zip(digits, least).map { $1 + spare * $0 / all }
    }

    /// `16 KiB`
    static func size(_ range: AddressRange) -> String {
        let kib = range.pages << (AddressRange.pageShift - 10)
        switch kib {
        case ..<10240: return "\(kib) KiB"
        case ..<(10240 << 10): return "\(kib >> 10) MiB"
        case ..<(10240 << 20): return "\(kib >> 20) GiB"
        default: return "\(kib >> 30) TiB"
        }
    }
}

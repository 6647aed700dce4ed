/// Compares the rows of a recorded section with the kernel's own count: as many VMAs have to come and go in the rows
/// as in `mm->map_count`. Where all sections are recorded, layouts are compared instead.
struct SectionAudit {
    /// The ranges that were read before and after the section; ranges that touch are one.
    private var before: [AddressRange] = []
    private var after: [AddressRange] = []

    mutating func take(_ rows: Rows) {
        if rows.reason == .before { Self.append(rows.range, to: &before) } else { Self.append(rows.range, to: &after) }
    }

    /// The rows of one range come in several records, each of which begins where the last one ends.
    private static func append(_ range: AddressRange, to all: inout [AddressRange]) {
        if let last = all.indices.last, all[last].end == range.start {
            all[last].end = range.end
        } else {
            all.append(range)
        }
    }

    /// How many VMAs more there are in `after` than in `before`, counted by their start addresses within the ranges
    /// that were read both times. Nil if the section stored to a range that was not read before.
    func growth(_ section: Section, before: [VMA], after: [VMA]) -> Int? {
        // exec stores its heap before the tracepoint fires (mas_store_gfp), so the rows before have it already.
        if section.syscall.isExec { return nil }
        let ranges = self.before.sorted { $0.start < $1.start }
        for stored in section.ranges {
            let end = ranges.reduce(stored.start) { end, range in range.contains(end) ? range.end : end }
            guard end >= stored.end else { return nil }
        }
        func count(_ vmas: [VMA]) -> Int {
            vmas.count { vma in
                self.before.contains { $0.contains(vma.start) } && self.after.contains { $0.contains(vma.start) }
            }
        }
        return count(after) - count(before)
    }
}

import Foundation

/// docs/kernels.md: what the guests of kernels/list showed, a row for each kernel and source.
struct KernelTable {
    struct Row: Equatable {
        /// In the order of the columns; a cell has no `|`.
        var cells: [String]

        /// Kernel, preemption and source say which row it is.
        var key: [String] { Array(cells.prefix(3)) }
        /// What does not vary from run to run, or with a newer package.
        var stable: [String] { KernelTable.stable.map { cells[$0] } }
    }

    private static let columns = [
        "kernel", "preemption", "source", "merge rules", "scenarios passed", "attempts judged", "agreed", "unexplained",
        "layouts compared", "equal", "package", "attached to",
    ]
    private static let stable = ["merge rules", "scenarios passed", "attached to"].map { columns.firstIndex(of: $0)! }

    private static let introduction = """
        # Kernels

        What vmascope finds on each kernel of [kernels/list](../kernels/list): every scenario was run in a
        guest, and judged by what is written above it. This page is printed by
        `VMASCOPE_UPDATE_KERNELS=1 make kernels`, and a test compares it; the numbers of attempts and of
        layouts vary from run to run.

        Preemption `default` is what the kernel does by itself, `full` is `preempt=full` on its command
        line, where it can be told.

        """

    /// What follows is written by hand.
    private static let byHand = "## Support"

    var rows: [Row]
    /// From that heading on.
    var rest = ""

    init(_ guests: [Guest]) {
        rows = guests.filter(\.isAsAsked).flatMap { guest in
            Station.sources.map { source in
                let name = [guest.machine.kernel, guest.machine.preemption ?? "default", source]
                let taken = guest.doctor.sources[source]?.attach_points.filter(\.usable) ?? []
                let points = Set(taken.map(\.name)).sorted().joined(separator: " ")
                guard let run = try? guest.run(source) else {
                    let nothing = [String](repeating: "–", count: 6)
                    let why = guest.usable.contains(source) ? "no report" : "not usable"
                    return Row(cells: name + [why] + nothing + [guest.doctor.kernel, "–"])
                }
                let passed = Scenario.all.count { guest.complaints($0, run).isEmpty }
                let (agreement, audit) = (run.report.agreement, run.report.layout_audit)
                let numbers = [agreement.checked, agreement.agreed, agreement.unexplained, audit.checked, audit.equal]
                return Row(
                    cells: name + [run.report.host.merge_rules, "\(passed) of \(Scenario.all.count)"]
                        + numbers.map { "\($0)" } + [guest.doctor.kernel, points])
            }
        }
    }

    init(_ page: String) {
        let end = page.range(of: Self.byHand)?.lowerBound ?? page.endIndex
        rest = String(page[end...])
        rows = page[..<end].split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == Self.columns.count, cells != Self.columns, cells[0].first != "-" else { return nil }
            return Row(cells: cells)
        }
    }

    /// Rows of machines that were not booted stay, in the order of kernels/list.
    func updated(with found: KernelTable) -> KernelTable {
        var updated = self
        updated.rows.removeAll { row in found.rows.contains { $0.key == row.key } }
        updated.rows += found.rows
        let list = (try? String(contentsOf: Repository.root.appendingPathComponent("kernels/list"), encoding: .utf8)) ?? ""
        let order = list.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
        func place(_ row: Row) -> (Int, Int, Int) {
            (
                order.firstIndex(of: row.key[0]) ?? order.count, row.key[1] == "default" ? 0 : 1,
                Station.sources.firstIndex(of: row.key[2]) ?? 0
            )
        }
        updated.rows.sort { place($0) < place($1) }
        return updated
    }

    /// Where a page differs from what was found, in words.
    func staleness(of page: KernelTable) -> [String] {
        rows.compactMap { row in
            let name = row.key.joined(separator: " ")
            guard let old = page.rows.first(where: { $0.key == row.key }) else { return "\(name): no row" }
            return old.stable == row.stable ? nil : "\(name): \(row.stable), the page has \(old.stable)"
        }
    }

    func write(_ file: URL) throws {
        func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
        var text = Self.introduction + "\n" + line(Self.columns) + "|" + String(repeating: "---|", count: Self.columns.count)
        text += "\n" + rows.map { line($0.cells) }.joined() + (rest.isEmpty ? "" : "\n" + rest)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }
}

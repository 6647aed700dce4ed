import VMACore

/// The most frequent rows one by one. Other rows that are alike are one, without a process and a stack, so that a
/// report of many processes stays readable.
struct Bounded<Row> {
    private(set) var rows: [Row]
    /// How many rows were merged into others.
    private(set) var folded = 0

    /// The most rows; each takes about a kilobyte.
    static var limit: Int { 3000 }

    /// - Parameter rows: the most frequent first.
    init<Key: Hashable>(_ rows: [Row], limit: Int = Self.limit, key: (Row) -> Key, fold: (Row, Row?) -> Row) {
        guard rows.count > limit else {
            self.rows = rows
            return
        }
        self.rows = Array(rows.prefix(limit))
        folded = rows.count - limit
        var places: [Key: Int] = [:]
        for row in rows.dropFirst(limit) {
            let key = key(row)
            if let place = places[key] {
                self.rows[place] = fold(row, self.rows[place])
            } else {
                places[key] = self.rows.count
                self.rows.append(fold(row, nil))
            }
        }
    }
}

extension Report {
    /// The most processes that are listed one by one; each takes about six kilobytes.
    private static let processLimit = 3000

    /// The processes of which most calls were refused, and then the largest, in the order of `processes`; all others are
    /// one, with the sums over them. And how many those are, besides those that the observer has put together.
    func boundedProcesses(limit: Int = processLimit) -> (processes: [Process], folded: Int) {
        guard processes.count > limit else { return (processes, 0) }
        let ranked = processes.indices.filter { processes[$0].image != 0 }.sorted {
            (processes[$1].refused, processes[$1].peak, $0) < (processes[$0].refused, processes[$0].peak, $1)
        }
        let listed = Set(ranked.prefix(limit))
        let others = processes.indices.filter { !listed.contains($0) }
        var sum = processes[others[0]]
        for index in others.dropFirst() { sum.add(processes[index]) }
        (sum.image, sum.pid, sum.limit, sum.trend) = (0, 0, nil, nil)
        let folded = ranked.count - listed.count
        sum.command = "(\(folded + putTogether) others)"
        return (ranked.prefix(limit).sorted().map { processes[$0] } + [sum], folded)
    }
}

extension Report.Process {
    fileprivate mutating func add(_ other: Report.Process) {
        exited = exited && other.exited
        start += other.start
        now += other.now
        peak += other.peak
        keptPeak += other.keptPeak
        refused += other.refused
        tally.add(other.tally)
        boundaries.add(sumsOf: other.boundaries)
        boundariesAtPeak.add(sumsOf: other.boundariesAtPeak)
    }
}

private struct MissKind: Hashable {
    var operation: Operation
    var side: Side
    var blockers: Blockers
    var detail: String?
    var answers: WhatIfAnswers
}

private struct RefusedKind: Hashable {
    var operation: Operation
    var verdict: Refusal.Verdict
}

private struct StandingKind: Hashable {
    var isGap: Bool
    var operation: Operation?
    var blockers: Blockers
    var difference: Difference
    var answers: WhatIfAnswers
    var wasTried: Bool
}

extension Bounded<Report.Miss> {
    init(_ rows: [Row]) {
        self.init(rows) {
            MissKind(operation: $0.operation, side: $0.side, blockers: $0.blockers, detail: $0.detail, answers: $0.answers)
        } fold: { row, sum in
            var folded = row
            (folded.image, folded.pid, folded.command, folded.stack) = (0, 0, "", [])
            folded.count += sum?.count ?? 0
            return folded
        }
    }
}

extension Bounded<Report.Standing> {
    init(_ rows: [Row]) {
        self.init(rows) {
            StandingKind(
                isGap: $0.isGap, operation: $0.operation, blockers: $0.blockers, difference: $0.difference, answers: $0.answers,
                wasTried: $0.wasTried)
        } fold: { row, sum in
            var folded = row
            (folded.image, folded.pid, folded.command, folded.stack) = (0, 0, "", [])
            folded.count += sum?.count ?? 0
            return folded
        }
    }
}

extension Bounded<Refused> {
    init(_ rows: [Row]) {
        self.init(rows) {
            RefusedKind(operation: $0.operation, verdict: $0.verdict)
        } fold: { row, sum in
            var folded = row
            (folded.image, folded.pid, folded.command, folded.stack) = (0, 0, "", [])
            folded.count += sum?.count ?? 0
            (folded.first, folded.last) = (min(row.first, sum?.first ?? row.first), max(row.last, sum?.last ?? row.last))
            return folded
        }
    }
}

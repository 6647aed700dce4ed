import VMACore

/// What separates the VMAs of one process at one moment, for the answer: what most of them are, by whom,
/// and what can be done.
struct AnswerStock {
    /// What keeps VMAs apart: a gap, or the blocker that has to go first.
    private enum What: Hashable {
        case gap
        case blocker(Blockers)
    }

    /// With fewer that its own code left, a program has little beyond what every program has.
    static let few = 100
    /// With fewer VMAs in all, what stood before, or what the loader maps, is what programs have.
    static let ordinary = 1000

    private let report: Report
    private let boundaries: Boundaries
    /// How many VMAs there were, if that is a peak.
    private let count: Int
    private let peak: Int?
    private let own: [Report.Standing]
    private let loaders: [Report.Standing]
    private let before: [Report.Standing]
    /// The rows that lead: all that is kept apart in the way that most is.
    private let leading: [Report.Standing]
    private let lead: What?
    /// What leads was left by the program's own code.
    private let hasOwnLead: Bool
    /// All blockers of those.
    private let sets: Set<Blockers>

    init(_ report: Report, _ process: Report.Process, atPeak: Bool) {
        self.report = report
        boundaries = atPeak ? process.boundariesAtPeak : process.boundaries
        count = atPeak ? process.keptPeak : process.now
        peak = atPeak ? process.peak : nil
        let rows = (atPeak ? report.standingAtPeak : report.standing)
            .filter { $0.image == process.image && ($0.isGap || !$0.blockers.isEmpty) }
        own = rows.filter { $0.operation != nil && !Stack.isLoaders($0.stack) }
        loaders = rows.filter { $0.operation != nil && Stack.isLoaders($0.stack) }
        before = rows.filter { $0.operation == nil }
        // What has no cause, or is every program's, leads only where it is more than anything else.
        let most = [own, loaders, before].map(Self.most)
        var first = most.indices.max { (most[$0]?.count ?? 0, -$0) < (most[$1]?.count ?? 0, -$1) } ?? 0
        // Nor where it is no more than what programs have, and something else is much.
        let isOrdinary = Self.sum(loaders) + Self.sum(before) < Self.ordinary
        if isOrdinary, most[0]?.count ?? 0 >= Self.few { first = 0 }
        hasOwnLead = first == 0
        lead = most[first]?.what
        let (what, mine) = (lead, own.filter { Self.what($0) == most[first]?.what })
        // Who does the same now is named, with what stood before beside it.
        let side = first == 2 && !mine.isEmpty ? mine : [own, loaders, before][first]
        leading = side.filter { Self.what($0) == what }
        sets = Set(leading.map(\.blockers))
    }

    private static func what(_ row: Report.Standing) -> What {
        row.isGap ? .gap : .blocker(Remedies.first(of: row.blockers))
    }

    /// Gaps lead where they are more than twice as many: of memory that is moved away piece by piece, what is
    /// left lies apart, too.
    private static func most(_ rows: [Report.Standing]) -> (what: What, count: Int)? {
        var counts: [What: Int] = [:]
        for row in rows { counts[what(row), default: 0] += row.count }
        if let gaps = counts[.gap] { counts[.gap] = gaps / 2 }
        return counts.max { ($0.value, order($1.key)) < ($1.value, order($0.key)) }.map { ($0.key, $0.value) }
    }

    private static func order(_ what: What) -> Int {
        if case .blocker(let blocker) = what { Int(blocker.rawValue) } else { .max }
    }

    private static func sum(_ rows: [Report.Standing]) -> Int { rows.reduce(0) { $0 + $1.count } }

    /// Nothing has to be done about it.
    func isQuiet(_ process: Report.Process) -> Bool {
        isFar(process) && isOrdinary && (Self.sum(own) < Self.few || !hasOwnLead)
    }

    /// Of a large program's VMAs none that one thing could be done about are many.
    func isOfManyCauses(_ process: Report.Process) -> Bool {
        isFar(process) && isOrdinary && hasOwnLead && 2 * (mostAsked?.count ?? 0) < Self.sum(own)
            && mostAsked?.count ?? 0 < Self.few
    }

    private func isFar(_ process: Report.Process) -> Bool {
        (process.secondsToLimit ?? .infinity) >= Answer.horizon && 4 * max(count, process.peak) < process.limit ?? 65530
    }

    private var isOrdinary: Bool { Self.sum(before) + Self.sum(loaders) < Self.ordinary }

    // MARK: what fills it

    /// `2,018 boundaries: 2,001 flags (VM_DONTCOPY), 9 prot, …; 3 recoverable`, in so many columns.
    func filledBy(_ room: Int) -> String {
        let moment = peak.map { count == $0 ? "at the peak, " : "at \(count.grouped) VMAs, " } ?? ""
        guard boundaries.total > 0 else {
            return moment
                + (boundaries.gaps > 0 ? boundaries.gaps.of("gap") : "VMAs that do not touch: there is nothing to merge")
        }
        let known = Answer.whatIf(boundaries.whatIf)
        let gaps = lead == .gap ? "\(boundaries.gaps.of("gap")), and " : ""
        let isMuch = lead != .gap && boundaries.gaps >= Self.few && 4 * boundaries.gaps >= boundaries.total
        let besides = isMuch ? "; \(boundaries.gaps.of("gap"))" : ""
        func text(_ limit: Int, _ detail: String?) -> String {
            "\(moment)\(gaps)\(boundaries.total.of("boundary", "boundaries")): \(list(limit, detail))"
                + (known.isEmpty ? "" : "; \(known)") + besides
        }
        // What exactly it is, and what could be gained, is worth more than a third blocker.
        let tries = [(3, detail), (2, detail), (1, detail), (3, nil), (2, nil)]
        return tries.lazy.map { text($0.0, $0.1) }.first { $0.count <= room } ?? text(1, nil)
    }

    private func list(_ limit: Int, _ detail: String?) -> String {
        let ranked = boundaries.blockedBy.ranked
        let first = ranked.first { sets.contains($0.key) }?.key
        let shown = ranked.prefix(limit).map { blockers, count in
            "\(count.grouped) \(blockers.key)"
                + (detail.map { sets.contains(blockers) && blockers == first ? " (\($0))" : "" } ?? "")
        }
        return (shown + (ranked.count > limit ? ["…"] : [])).joined(separator: ", ")
    }

    /// Which flags, which file, or which two protections, where most of what leads has the same.
    private var detail: String? {
        guard case .blocker(let blocker) = lead else { return nil }
        if blocker == .flags {
            // Those that more than a few of them differ in.
            var flags: [String: Int] = [:]
            for row in leading {
                for name in report.labels.flags.of(row.difference.leftOnly.union(row.difference.rightOnly)) {
                    flags[name, default: 0] += row.count
                }
            }
            let most = flags.filter { 10 * $0.value >= Self.sum(leading) }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            return most.isEmpty || most.count > 3 ? nil : most.map(\.key).joined(separator: " ")
        }
        var counts: [String: Int] = [:]
        for row in leading {
            // Of two files no one name is the answer, and of a file's parts that are protected in turn it says nothing.
            guard !row.blockers.isDisjoint(with: [.file, .fileOffset, .special, .close]) else { continue }
            let files = (report.labels.file(row.left), report.labels.file(row.right))
            guard files.0 == files.1, let name = files.0, !name.isEmpty else { continue }
            counts[Fit.middle(Fit.printable(name), 30), default: 0] += row.count
        }
        guard let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }), 2 * most.value > Self.sum(leading) else {
            return nil
        }
        return most.key
    }

    // MARK: who left it

    /// `mmap by fill_hole ← main: 12 of the 15 anon_vma`: by whom most, of what was seen to be left, in so many
    /// columns if that can be.
    func leftBy(_ room: Int) -> String? {
        guard let lead else { return nil }
        let (name, all): (String, Int)
        switch lead {
        case .gap: (name, all) = ("gaps", boundaries.gaps)
        case .blocker(let blocker):
            name = sets.count == 1 ? sets.first!.key : blocker.key
            all = sets.reduce(0) { $0 + (boundaries.blockedBy[$1] ?? 0) }
        }
        let count = Self.sum(leading)
        guard let first = leading.first, first.operation != nil else {
            return "exec, or the time before the observation: \(count.grouped) of the \(all.grouped) \(name)"
        }
        if Stack.isLoaders(first.stack) { return "the dynamic loader: \(count.grouped) of the \(all.grouped) \(name)" }
        let stood = Self.sum(before.filter { Self.what($0) == lead })
        func text(_ ranked: [(what: String, count: Int)], _ shown: Int) -> String? {
            guard let most = ranked.first, shown == 1 || ranked.count > 1 else { return nil }
            // Two that do about as much take turns, and neither alone is the answer.
            if shown > 1, 3 * ranked[1].count < 2 * most.count { return nil }
            let parts = ranked.prefix(shown).map { "\($0.what): \($0.count.grouped)" }
            let text = "\(parts.joined(separator: ", ")) of the \(all.grouped) \(name)"
            return stood > most.count ? "\(text); \(stood.grouped) stood before" : text
        }
        // How many is worth more than a second caller, or the end of a long name.
        let ways = [(2, 28), (1, 28), (1, 16)].map { ranked(callers: $0.0, $0.1) }
        let tries = ways.prefix(2).compactMap { text($0, 2) } + ways.compactMap { text($0, 1) }
        return tries.isEmpty ? nil : Fit.first(tries, room)
    }

    /// `mmap by fill_hole ← main`, by how many of what leads they left.
    private func ranked(callers: Int, _ width: Int) -> [(what: String, count: Int)] {
        var left: [String: [Operation: Int]] = [:]
        for row in leading {
            guard let operation = row.operation else { continue }
            left[Stack.code(row.stack, of: operation, callers: callers, width), default: [:]][operation, default: 0] += row.count
        }
        let parts = left.map { who, operations -> (what: String, count: Int) in
            let names = operations.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map(\.key.rawValue)
            let who = names.count > 1 ? who.replacing(", its caller", by: ", their caller") : who
            return (names.joined(separator: " and ") + who, operations.values.reduce(0, +))
        }
        return parts.sorted { ($1.count, $0.what) < ($0.count, $1.what) }
    }

    // MARK: what to do

    /// For what leads, the one that most of it asks for.
    var remedy: Remedy? { mostAsked?.remedy }

    private var mostAsked: (remedy: Remedy, count: Int)? {
        var counts: [String: (remedy: Remedy, count: Int)] = [:]
        for row in leading {
            guard let remedy = report.remedy(row) else { continue }
            counts[remedy.slug, default: (remedy, 0)].count += row.count
        }
        return counts.values.max { ($0.count, $1.remedy.slug) < ($1.count, $0.remedy.slug) }
    }

    var whatToDo: String? { remedy?.line }
}

extension Report {
    /// Of the processes whose peak what stands now, or stood in the end, does not explain, as it was then;
    /// nil where there are none.
    var peaks: Report? {
        let images = Set(processes.filter(\.isExplainedByPeak).map(\.image))
        guard !images.isEmpty else { return nil }
        var peaks = self
        peaks.standing = standingAtPeak.filter { images.contains($0.image) }
        return peaks
    }

    func remedy(_ row: Standing) -> Remedy? {
        guard row.isGap || !row.blockers.isEmpty else { return nil }
        return Remedies.remedy(
            for: Circumstances(
                isGap: row.isGap, operation: row.operation, blockers: row.blockers, left: row.left, right: row.right,
                model: judge.model, stack: row.stack, path: { labels.files[$0] }))
    }
}

extension Remedy {
    /// `flags: Leave out MAP_STACK …`
    var line: String { "\(blocker?.slugs.first ?? "gaps"): \(advice)" }
}

extension Report.Standing {
    /// What differs, in its direction: `VM_HUGEPAGE beside VM_NOHUGEPAGE`, `VM_SEALED beside none`.
    func directedDetail(_ flagNames: FlagNames) -> String? {
        guard blockers.contains(.flags) else { return detail }
        func names(_ flags: VMAFlags) -> String { flags.isEmpty ? "none" : flagNames.of(flags).joined(separator: " ") }
        return "\(names(difference.leftOnly)) beside \(names(difference.rightOnly))"
    }
}

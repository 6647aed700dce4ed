import VMACore

extension [Refused] {
    var total: Int { reduce(0) { $0 + $1.count } }

    /// What people come for: calls that were refused because the process had all the VMAs it may have, or else
    /// for another reason that is known. In one sentence, of the operation that failed most.
    ///
    /// `mmap failed 101 times at the limit, first at 1.2 s, by map_again ← main`
    ///
    /// - Parameters:
    ///   - callers: so many functions are named.
    ///   - saysWhen: with the time.
    func sentence(callers: Int = 2, saysWhen: Bool = true) -> String? {
        guard let most = leading else { return nil }
        let alike = filter {
            $0.pid == most.pid && $0.operation == most.operation && $0.verdict.reason == most.verdict.reason
        }
        let (count, first) = (alike.total, alike.map(\.first).min() ?? 0)
        var text = "\(most.operation) failed \(count == 1 ? "once" : "\(count.grouped) times") \(most.verdict.words)"
        if saysWhen { text += ", \(count == 1 ? "" : "first ")at \(Answer.tenths(first))" }
        let by = Stack.named(most.stack, of: most.operation).prefix(callers).map { Fit.middle(Fit.printable($0), 24) }
        return by.isEmpty ? text : text + ", by " + by.joined(separator: " ← ")
    }

    /// Of those at the limit, or else of those refused for another reason that is known, the most frequent.
    var leading: Refused? {
        let known = filter { $0.verdict.reason == .mapLimit }
        let meant = known.isEmpty ? filter { $0.verdict.reason != nil && $0.verdict.reason != .other } : known
        return meant.ranked(by: \.count).first
    }
}

extension Refusal.Reason {
    /// What lets such calls succeed, for a reason other than the limit of VMAs; nil where that is not known.
    var remedy: String? {
        switch self {
        case .rlimitAS: "raise ulimit -v (RLIMIT_AS), or reserve less: what is PROT_NONE counts, too"
        case .rlimitData: "raise ulimit -d (RLIMIT_DATA), or have less private memory that is writable"
        case .locked: "raise ulimit -l (RLIMIT_MEMLOCK), or lock less"
        case .overcommit: "map with MAP_NORESERVE, or raise vm.overcommit_ratio, or set vm.overcommit_memory=1"
        case .mapLimit, .other: nil
        }
    }
}

extension Refusal.Verdict {
    /// After `failed`.
    var words: String {
        switch reason {
        case .mapLimit: "at the limit"
        case .rlimitAS: "at RLIMIT_AS (ulimit -v)"
        case .rlimitData: "at RLIMIT_DATA (ulimit -d)"
        case .overcommit: "for lack of memory (overcommit)"
        case .locked: "at RLIMIT_MEMLOCK (ulimit -l)"
        case .other, nil: errno.map { "with errno \($0)" } ?? "for a reason that was not seen"
        }
    }
}

extension JSONWriter {
    mutating func refused(_ rows: [Refused]) {
        array("refused") { json in
            for row in rows {
                json.object { json in
                    json.field("pid", row.pid)
                    json.field("op", row.operation.rawValue)
                    json.field("errno", row.verdict.errno.map(Int.init))
                    json.field("reason", row.verdict.reason?.rawValue)
                    json.field("seen", row.verdict.seen)
                    json.field("count", row.count)
                    json.field("first", thousandths: row.first)
                    json.field("last", thousandths: row.last)
                    json.field("stack", row.stack)
                    json.field("stack_complete", CallPath.isComplete(row.stack))
                }
            }
        }
    }
}

import VMACore

/// `vmascope.report.v1` (docs/json.md).
struct JSONReport: ReportFormat {
    func render(_ report: Report, into text: inout String) {
        var json = JSONWriter()
        let (missed, standing) = (Bounded(report.missed), Bounded(report.standing))
        let atPeak = Bounded(report.standingAtPeak)
        var remedies: [String: Remedy] = [:]
        json.object { json in
            json.field("schema", "vmascope.report.v1")
            json.object("tool") { $0.field("version", report.version) }
            json.object("host") { json in
                json.field("kernel", report.host.kernel)
                json.field("source", report.host.source)
                json.field("merge_rules", report.host.mergeRules)
            }
            json.object("window") { json in
                json.field("started", report.started)
                json.field("seconds", thousandths: report.seconds)
            }
            json.object("events") { json in
                json.field("received", report.received)
                json.field("lost", report.lost)
                json.field("sample_one_in", 1)  // an observation looks at every attempt
            }
            json.object("agreement") { json in
                json.field("checked", report.checked)
                json.field("agreed", report.agreed)
                json.field("unexplained", report.checked - report.agreed)
                json.field("unjudged", report.unjudged)
                json.object("unjudged_by") { json in
                    for why in Unjudged.allCases { json.field(why.rawValue, report.unjudgedBy[why, default: 0]) }
                }
            }
            json.audit(report.audit)
            json.object("totals") { json in
                json.tally(report.totals)
                json.gain(WhatIfFigures(report))
                json.field("other_stacks", report.otherStacks)
                json.field("refused", report.refused.total)
            }
            let refused = Bounded<Refused>(report.refused)
            json.refused(refused.rows)
            let (processes, foldedProcesses) = report.boundedProcesses()
            json.array("processes") { json in
                for process in processes { json.object { $0.process(process) } }
            }
            json.array("missed") { json in
                for miss in missed.rows { json.object { $0.miss(miss, report.labels) } }
            }
            for (key, rows) in [("standing", standing.rows), ("standing_at_peak", atPeak.rows)] {
                json.array(key) { json in
                    for row in rows {
                        let remedy = report.remedy(row)
                        if let remedy { remedies[remedy.slug] = remedy }
                        json.object { $0.standing(row, remedy, report.labels) }
                    }
                }
            }
            json.object("folded") { json in
                json.field("missed", missed.folded)
                json.field("standing", standing.folded)
                json.field("standing_at_peak", atPeak.folded)
                json.field("refused", refused.folded)
                json.field("processes", foldedProcesses)
            }
            json.object("remedies") { json in
                for slug in remedies.keys.sorted() { json.field(slug, remedies[slug]!.advice) }
            }
            json.object("answer") { $0.answer(Answer(report)) }
        }
        text += json.finish()
    }
}

/// `vmascope.layout.v1`.
public struct JSONLayout {
    /// The renderer has no settings.
    public init() {}

    /// Appends the document, with the newline at its end, to `text`.
    public func render(_ report: LayoutReport, into text: inout String) {
        var json = JSONWriter()
        json.object { json in
            json.field("schema", "vmascope.layout.v1")
            json.field("pid", report.pid)
            json.field("comm", report.command)
            json.array("vmas") { json in
                for vma in report.vmas { json.object { $0.vma(vma, report.labels) } }
            }
            json.array("boundaries") { json in
                for boundary in report.boundaries {
                    json.object { json in
                        json.field("index", boundary.index)
                        json.field("blockers", boundary.blockers.slugs)
                        json.field("detail", boundary.detail)
                        json.field("what_if", boundary.whatIf?.rawValue)
                        json.whatIf(ifChanged: boundary.ifChanged)
                        json.whatIf(byProposal: boundary.answers)
                    }
                }
            }
            json.gaps(report.gaps)
            json.field("remedy", report.remedy?.slug)
            json.field("what_to_do", report.remedy?.line)
        }
        text += json.finish()
    }
}

extension JSONWriter {
    /// The comparison with the kernel; null where nothing could be compared.
    mutating func audit(_ audit: Audit?) {
        guard let audit else { return field("layout_audit", String?.none) }
        object("layout_audit") { json in
            json.field("checked", audit.checked)
            json.field("equal", audit.equal)
            json.field("resynced", audit.resynced)
        }
    }

    fileprivate mutating func tally(_ tally: Tally) {
        field("attempts", tally.attempts)
        field("merged", tally.merged)
        field("missed", tally.missed)
        blockers("missed_by", tally.missedBy, always: [.pgoff, .anonVMA, .limits])
        whatIf(tally.whatIf)
        whatIf(byProposal: tally.byProposal)
    }

    mutating func whatIf(_ counts: [WhatIf: Int]) {
        object("what_if") { json in
            for whatIf in WhatIf.allCases { json.field(whatIf.rawValue, counts[whatIf] ?? 0) }
        }
    }

    private mutating func blockers(
        _ key: String, _ counts: [Blockers: Int], always: [Blockers] = [], mergeable: Int = 0
    ) {
        object(key) { json in
            if mergeable > 0 { json.field(Boundaries.mergeableKey, mergeable) }
            var counts = counts
            for blockers in always { counts[blockers, default: 0] += 0 }
            for (blockers, count) in counts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                json.field(blockers.key, count)
            }
        }
    }

    fileprivate mutating func process(_ process: Report.Process) {
        field("pid", process.pid)
        field("image", process.image)
        field("comm", process.command)
        vmas(start: process.start, now: process.now, peak: process.peak, limit: process.limit)
        field("growth_per_minute", thousandths: process.trend?.perMinute)
        field("growth_observed_seconds", thousandths: process.trend?.observed)
        field("seconds_to_limit", thousandths: process.secondsToLimit)
        field("exited", process.exited)
        tally(process.tally)
        gain(WhatIfFigures(process))
        field("refused", process.refused)
        boundaries(process.boundaries)
        gaps(process.boundaries.gaps)
        object("peak") { json in
            json.field("vmas", process.peak)
            json.field("at", process.keptPeak)
            json.boundaries(process.boundariesAtPeak)
            json.field("gaps", process.boundariesAtPeak.gaps)
        }
    }

    private mutating func boundaries(_ boundaries: Boundaries) {
        object("boundaries") { json in
            json.field("total", boundaries.total)
            json.blockers("blocked_by", boundaries.blockedBy, mergeable: boundaries.mergeable)
            json.field("recoverable", boundaries.recoverable)
            json.whatIf(boundaries.whatIf)
            json.whatIf(byProposal: boundaries.byProposal)
        }
    }

    /// The number of gaps, beside `boundaries`.
    mutating func gaps(_ count: Int) { object("gaps") { $0.field("total", count) } }

    fileprivate mutating func miss(_ miss: Report.Miss, _ labels: Labels) {
        field("pid", miss.pid)
        field("image", miss.image)
        field("op", miss.operation.rawValue)
        field("side", miss.side.rawValue)
        field("blockers", miss.blockers.slugs)
        field("detail", miss.detail)
        field("count", miss.count)
        field("what_if", miss.whatIf?.rawValue)
        whatIf(why: miss.answers)
        whatIf(byProposal: miss.answers)
        object("example") { json in
            json.field("time", thousandths: miss.time)
            for (key, vma) in [("proposed", miss.proposed), ("prev", miss.prev), ("next", miss.next)] {
                guard let vma else {
                    json.field(key, String?.none)
                    continue
                }
                json.object(key) { $0.vma(vma, labels) }
            }
        }
        field("stack", miss.stack)
        field("stack_complete", CallPath.isComplete(miss.stack))
    }

    fileprivate mutating func answer(_ answer: Answer) {
        field("pid", answer.process?.pid)
        field("image", answer.process?.image)
        field("at_peak", answer.isOfPeak)
        field("near", answer.near)
        field("filled_by", answer.filledBy)
        field("left_by", answer.leftBy)
        field("what_to_do", answer.whatToDo)
        field("remedy", answer.remedy?.slug)
        field("meanwhile", answer.meanwhile)
        field("trust", answer.trust)
    }

    fileprivate mutating func standing(_ row: Report.Standing, _ remedy: Remedy?, _ labels: Labels) {
        field("kind", row.isGap ? "gap" : "boundary")
        field("pid", row.pid)
        field("image", row.image)
        field("op", row.operation?.rawValue)
        field("blockers", row.blockers.slugs)
        field("detail", row.detail)
        field("left_only", labels.flags.of(row.difference.leftOnly))
        field("right_only", labels.flags.of(row.difference.rightOnly))
        field("what_if", row.whatIf?.rawValue)
        field("what_if_by", row.whatIf == nil ? nil : row.answers.reason == .pages ? "pages" : "anon_vma")
        field("what_if_when", row.whatIf == nil ? nil : row.wasTried ? "tried" : "now")
        whatIf(why: row.answers)
        whatIf(ifChanged: row.ifChanged)
        whatIf(byProposal: row.answers)
        field("count", row.count)
        field("remedy", remedy?.slug)
        object("example") { json in
            json.object("left") { $0.vma(row.left, labels) }
            json.object("right") { $0.vma(row.right, labels) }
        }
        field("stack", row.stack)
        field("stack_complete", CallPath.isComplete(row.stack))
    }

    fileprivate mutating func vma(_ vma: VMA, _ labels: Labels) {
        field("start", vma.start.hex)
        field("end", vma.end.hex)
        field("prot", vma.flags.protectionText)
        field("flags", labels.flags.of(vma.flags.besideProtection))
        field("pgoff", vma.pgoff)
        field("anon_vma", vma.anonVMA == 0 ? nil : vma.anonVMA)
        field("file", labels.file(vma))
        field("name", labels.name(vma))
    }
}

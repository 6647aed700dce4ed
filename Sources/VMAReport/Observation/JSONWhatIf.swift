import VMACore

/// What proposals would gain, in JSON.
extension JSONWriter {
    /// An answer for each proposal; null where none was asked.
    mutating func whatIf(byProposal answers: WhatIfAnswers) {
        guard !answers.isEmpty else { return field("what_if_by_proposal", String?.none) }
        object("what_if_by_proposal") { json in
            for (place, proposal) in Proposals.table.enumerated() { json.field(proposal.slug, answers[place]?.rawValue) }
        }
    }

    /// Counts for each proposal.
    mutating func whatIf(byProposal counts: WhatIfCounts) {
        object("what_if_by_proposal") { json in
            for (place, proposal) in Proposals.table.enumerated() {
                json.object(proposal.slug) { json in
                    for whatIf in WhatIf.allCases { json.field(whatIf.rawValue, counts[place][whatIf] ?? 0) }
                }
            }
        }
    }

    /// Why the series refuses, or why its answer is unknown.
    mutating func whatIf(why answers: WhatIfAnswers) { field("what_if_why", answers.reason.slug) }

    /// The answers if somebody changed the left VMA now, or the right one.
    mutating func whatIf(ifChanged: (left: WhatIf?, right: WhatIf?)) {
        guard ifChanged.left != nil || ifChanged.right != nil else { return field("what_if_now", String?.none) }
        object("what_if_now") { json in
            json.field("left", ifChanged.left?.rawValue)
            json.field("right", ifChanged.right?.rawValue)
        }
    }

    /// What each proposal would gain: as flow, of misses, and as stock, of boundaries that stand.
    mutating func gain(_ figures: WhatIfFigures) {
        object("gain") { json in
            json.field("misses", figures.misses)
            json.field("boundaries", figures.boundaries)
            json.object("moved") { json in
                json.field("ranges", figures.moved.ranges)
                json.field("pages", figures.moved.pages)
                json.present(figures.moved)
                json.sizes(figures.moved)
            }
            json.object("by_proposal") { json in
                for (place, proposal) in Proposals.table.enumerated() {
                    let flow = figures.flow[place]
                    json.object(proposal.slug) { json in
                        json.field("merges", flow.sides)
                        json.field("vmas", figures.stock[place])
                        json.field("pages", flow.absorbed.pages)
                        json.present(flow.absorbed)
                        json.field("merges_near_limit", flow.nearLimit)
                        json.field("vmas_near_limit", figures.stockNearLimit[place])
                        json.sizes(flow.absorbed)
                        guard proposal.updatesPages else { return json.field("updated", String?.none) }
                        json.object("updated") { json in
                            json.field("ranges", flow.updated.ranges)
                            json.field("pages", flow.updated.pages)
                            json.present(flow.updated)
                            json.field("pages_per_merge", thousandths: flow.pagesPerSide)
                        }
                    }
                }
            }
            json.object("refused") { json in
                for (reason, count) in figures.refused { json.field(reason.slug ?? "unexplained", count) }
            }
        }
    }

    /// The pages of ranges that are present; null where no range was counted.
    private mutating func present(_ sizes: RangeSizes) {
        func known(_ pages: UInt64) -> UInt64? { sizes.ranges > 0 && sizes.unknown == sizes.ranges ? nil : pages }
        field("pages_present", known(sizes.present))
        field("pages_zero", known(sizes.zero))
        field("pages_swapped", known(sizes.swapped))
        field("ranges_unknown", sizes.unknown)
    }

    /// Ranges by their pages, and by those that are present: a key is the least number of its class.
    private mutating func sizes(_ sizes: RangeSizes) {
        object("sizes") { json in
            for (place, count) in sizes.sizes.enumerated() where count > 0 { json.field("\(1 << UInt64(place))", count) }
        }
        object("sizes_present") { json in
            for (place, count) in sizes.presentSizes.enumerated() where count > 0 {
                json.field(place == 0 ? "0" : "\(UInt64(1) << UInt64(place - 1))", count)
            }
        }
    }
}

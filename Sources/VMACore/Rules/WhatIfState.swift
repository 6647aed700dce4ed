/// The layouts that one address space would have under the proposals. It is empty until a proposal differs from the
/// kernel for the first time, which does not happen in most processes.
struct WhatIfState {
    private(set) var layouts: [WhatIfLayout] = []

    var hasBegun: Bool { !layouts.isEmpty }

    /// The answers of each proposal to the sides of an attempt; empty for a side that anything but page offsets and
    /// anon_vmas keeps apart.
    struct Answers {
        var prev = WhatIfAnswers()
        var next = WhatIfAnswers()
        /// A bit for each proposal that rewrites the page offset of what is moved.
        var rewrites: UInt8 = 0
    }

    mutating func answers(
        _ attempt: MergeAttempt, apart: (prev: Blockers?, next: Blockers?), _ model: KernelModel, _ layout: () -> Layout?
    ) -> Answers {
        let isHeadline = apart.prev?.isHeadline == true || apart.next?.isHeadline == true
        guard isHeadline || hasBegun || attempt.isCopy && attempt.proposed.anonVMA != 0 else {
            return Answers()
        }
        return answers(WhatIfAttempt(attempt, apart: apart), isHeadline: isHeadline, model, layout)
    }

    mutating func answers(
        _ attempt: WhatIfAttempt, isHeadline: Bool, _ model: KernelModel, _ layout: () -> Layout?
    ) -> Answers {
        var answers = Answers()
        if !hasBegun, isHeadline || attempt.movesFaulted, let layout = layout() { begin(layout) }
        var rules = hasBegun ? [] : Proposals.table.indices.map { WhatIfLayout($0) }
        guard isHeadline || hasBegun || attempt.movesFaulted else { return answers }
        for place in Proposals.table.indices {
            let found = hasBegun ? layouts[place].apply(attempt, model) : rules[place].apply(attempt, model)
            if let answer = found.prev { answers.prev.set(place, answer) }
            if let answer = found.next { answers.next.set(place, answer) }
            if found.rewrites { answers.rewrites |= 1 << UInt8(place) }
        }
        return answers
    }

    private mutating func begin(_ layout: Layout) { layouts = Proposals.table.indices.map { WhatIfLayout($0, layout) } }

    /// To be called when a section has ended; the kernel's layout is `layout` now.
    ///
    /// - Returns: how many VMAs were gone through.
    mutating func follow(_ range: AddressRange, _ layout: Layout) -> Int {
        layouts.indices.reduce(0) { $0 + layouts[$1].follow(range, layout) }
    }

    /// Whether an mremap has grown in place into a range that is still free here: kernels that do not consider the
    /// neighbour behind it (`vma_to_resize`, up to 5.18) record no attempt.
    func isFree(_ address: UInt64) -> Bool {
        layouts.contains { $0.layout.map { $0.vma(containing: address) == nil } ?? false }
    }

    mutating func hasForked() {
        for place in layouts.indices { layouts[place].hasForked() }
    }

    mutating func isAlone() {
        for place in layouts.indices { layouts[place].isAlone() }
    }

    /// The state of a forked child, whose own layout is `child`.
    func forked(_ child: Layout) -> WhatIfState {
        var state = WhatIfState()
        state.layouts = layouts.indices.map { layouts[$0].forked(child) ?? WhatIfLayout($0, child) }
        return state
    }

    /// The number of VMAs under the series; nil where it has not differed from the kernel.
    var count: Int? { hasBegun ? layouts[Proposals.rfc].layout?.count : nil }

    /// What each proposal that remembers has made of the boundary at an address; it replaces the answers of the last
    /// attempt.
    func standing(_ boundary: UInt64, _ tried: WhatIfAnswers) -> WhatIfAnswers {
        var answers = tried
        for (place, layout) in layouts.enumerated() {
            guard let spans = layout.spans(boundary) else { continue }
            if spans {
                answers.set(place, .joins)
            } else if tried[place] == .recoverable {
                answers.set(place, WhatIfAnswer(.shared, .moved))
            }
        }
        return answers
    }
}

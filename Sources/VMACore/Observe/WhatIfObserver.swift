/// How an observation keeps the layouts that its address spaces would have under the proposals.
extension Observer {
    /// Judges an attempt when it happens, since the proposals' layouts change with it.
    ///
    /// - Parameter before: the VMAs as the section found them, where they were recorded: the layout has already what
    ///   the section left.
    func judge(_ attempt: MergeAttempt, _ image: Image?, before: [VMA] = []) -> Verdict {
        guard let image else { return judge.judge(attempt) }
        let hadBegun = image.whatIf.hasBegun
        defer { if !hadBegun, image.whatIf.hasBegun { strain(image.layout.count) } }
        let verdict = judge.judge(attempt, &image.whatIf) {
            guard image.isComplete else { return nil }
            var layout = image.layout
            for vma in before { layout.overwrite(vma.range, with: [vma]) }
            for vma in attempt.found { layout.overwrite(vma.range, with: [vma]) }
            return layout
        }
        for side in verdict.sides where !side.answers.isEmpty {
            let boundary = side.side == .prev ? attempt.proposed.start : attempt.proposed.end
            if image.tried.count < OpenSection.limit { image.tried.append((boundary, side.answers)) }
        }
        return verdict
    }

    /// To be called at the end of a section: its boundaries keep the answers of their attempts, and the proposals'
    /// layouts take over all changes that no attempt has made.
    func settleWhatIf(_ section: Section, _ image: Image) {
        if section.syscall.operation == .mremap { grow(section, image) }
        if !image.counts.isEmpty { image.counts.removeAll(keepingCapacity: image.counts.count < 64) }
        guard !image.tried.isEmpty || image.whatIf.hasBegun else { return }
        for (boundary, answers) in image.tried {
            image.layout.charge(at: boundary, to: Causes.tried(image.layout.cause(at: boundary), answers))
        }
        image.tried.removeAll(keepingCapacity: image.tried.count < 64)
        guard image.whatIf.hasBegun else { return }
        for range in section.ranges { follow(range, image) }
    }

    /// Lets the proposals' layouts take over what the kernel's own has now.
    func follow(_ range: AddressRange, _ image: Image) { strain(image.whatIf.follow(range, image.layout)) }

    /// A VMA of a proposal's layout takes so many times as long as one that is charged.
    private static let strain = 40

    /// - Parameter vmas: how many VMAs of proposals' layouts were gone through.
    private func strain(_ vmas: Int) { effort &+= Self.strain &* vmas }

    /// Judges an mremap that has grown a VMA in place up to a neighbour, where the kernel did not consider joining
    /// that.
    private func grow(_ section: Section, _ image: Image) {
        let syscall = section.syscall
        guard image.isComplete, syscall.isNative, !syscall.movesAway,
            syscall.argument(2) > syscall.argument(1)
        else { return }
        let old = AddressRange.pages(at: syscall.argument(0), length: syscall.argument(1))
        let new = AddressRange.pages(at: syscall.argument(0), length: syscall.argument(2))
        guard let grown = image.layout.vma(containing: old.start), grown.end == new.end, old.end < new.end,
            let next = image.layout.vma(containing: new.end),
            image.whatIf.isFree(old.end) || !image.whatIf.hasBegun,
            !image.tried.contains(where: { $0.boundary == new.end })
        else { return }
        let added = grown.clipped(to: AddressRange(old.end, new.end))
        let blockers = judge.boundary(grown, next).blockers
        let isHeadline = blockers.isHeadline
        guard blockers.isSubset(of: .limits), isHeadline || image.whatIf.hasBegun else { return }
        let attempt = WhatIfAttempt(
            .growth, added, prev: grown.clipped(to: AddressRange(grown.start, old.end)), next: next)
        let answers = image.whatIf.answers(attempt, isHeadline: isHeadline, judge.model) { image.layout }
        if isHeadline { image.tried.append((new.end, answers.next)) }
    }

    /// A child begins with its parent's layouts under the proposals, and shares them.
    func inherit(_ child: Image, _ parent: Image) {
        population.descend(child, from: Array((parent.ancestors + [parent.mm]).suffix(Image.ancestorLimit)))
        guard parent.whatIf.hasBegun else { return }
        strain(parent.layout.count + child.layout.count)
        child.whatIf = parent.whatIf.forked(child.layout)
        parent.whatIf.hasForked()
    }

    /// To be called when an address space ends: memory that only its ancestors have now is theirs alone.
    func leave(_ image: Image) {
        for ancestor in image.ancestors {
            guard let other = self.image(ancestor), other.whatIf.hasBegun, !population.hasDescendants(ancestor)
            else { continue }
            other.whatIf.isAlone()
        }
    }
}

extension MergeAttempt {
    /// The VMAs that the attempt found, in order: later ones are more exact.
    fileprivate var found: [VMA] {
        let changed = isCopy || [.mmap, .brk, .shmat, .other, .stack].contains(operation) ? source : proposed
        return [changed, prev?.vma, next?.vma].compactMap { $0 }
    }
}

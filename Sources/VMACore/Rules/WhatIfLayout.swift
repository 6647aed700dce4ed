/// An attempt as proposals see it: how the range came to be, and the neighbours that could join it if neither page
/// offsets nor anon_vmas were in the way.
struct WhatIfAttempt {
    enum Kind {
        case new
        /// A change in place: attributes stay, except for those that the syscall changes.
        case change
        /// A copy of `source`, from an address in it.
        case copy(source: VMA, from: UInt64)
        /// The range that an mremap in place adds to the VMA before it.
        case growth
    }

    var kind: Kind
    /// The range as the kernel proposes it.
    var proposed: VMA
    /// The neighbours; nil also where anything else keeps the two apart.
    var prev: VMA?
    var next: VMA?

    init(_ kind: Kind, _ proposed: VMA, prev: VMA?, next: VMA?) {
        self.kind = kind
        self.proposed = proposed
        self.prev = prev
        self.next = next
    }

    /// - Parameter apart: the blockers of each side; nil where there is none.
    init(_ attempt: MergeAttempt, apart: (prev: Blockers?, next: Blockers?)) {
        if attempt.isCopy {
            let source = attempt.source ?? attempt.proposed
            kind = .copy(source: source, from: attempt.source == nil ? source.start : attempt.movedFrom)
        } else if attempt.operation == .mremap {
            kind = .growth
        } else {
            kind = [.mmap, .brk, .shmat, .other, .stack].contains(attempt.operation) ? .new : .change
        }
        proposed = attempt.proposed
        func joinable(_ neighbour: MergeAttempt.Neighbour?, _ blockers: Blockers?) -> VMA? {
            blockers.map { $0.isSubset(of: .limits) } == true ? neighbour?.vma : nil
        }
        prev = joinable(attempt.prev, apart.prev)
        next = joinable(attempt.next, apart.next)
    }

    /// Whether touched anonymous memory is moved: what becomes of its page offset decides about later attempts.
    var movesFaulted: Bool {
        if case .copy = kind { return proposed.anonVMA != 0 && proposed.isAnonymous }
        return false
    }

    /// Whether pages of the VMA that it is moved from are shared other than by fork. Those that KSM has in
    /// the moved part are broken before (`ksm_madvise` in `move_vma`).
    var pages: WhatIf {
        guard case .copy(let source, _) = kind else { return .recoverable }
        if source.traits.contains(.pagesShared) { return .shared }
        if source.traits.contains(.pagesUnseen) { return .unknown }
        let isWhole = source.range.pages == proposed.range.pages
        return source.flags.contains(.mergeable) && !isWhole && !source.traits.contains(.pagesSeen) ? .unknown : .recoverable
    }
}

/// An address space as it would be on a kernel with one proposal: the same syscalls, with merges by the proposal's
/// rules. Its VMAs have the page offset and the anon_vma that they would have there; all else is the kernel's own.
/// Only such a layout shows what a proposal does with memory whose neighbours it has joined, or that it has moved,
/// before.
struct WhatIfLayout {
    let place: Int
    /// Nil for a proposal that remembers nothing: it sees the kernel's own VMAs.
    private(set) var layout: Layout?
    /// The anon_vmas that a living child is known to have inherited, including those that no VMA shows any more.
    private var shared: Set<AnonVMAID> = []
    private var fresh: AnonVMAID = Self.firstFresh
    private static let firstFresh: AnonVMAID = 1 << 31
    private static let sharedLimit = 1 << 16

    private var proposal: Proposal { Proposals.table[place] }

    init(_ place: Int, _ layout: Layout? = nil) {
        self.place = place
        guard Proposals.table[place].remembers, var layout else { return }
        for vma in layout.vmas {
            let home = asMovedNow(vma)
            if home != vma { layout.overwrite(vma.range, with: [home]) }
        }
        self.layout = layout
    }

    /// A VMA, and the ownership of its anon_vma.
    private struct Party {
        var vma: VMA
        var ownership: Ownership
        /// It was moved, and its folios relocated: the rule of 6.16, which that is built on, lets it join what is
        /// not faulted.
        var isRelocated = false
    }

    /// Memory that was moved before the observation is taken to have been moved as it could be moved now.
    private func asMovedNow(_ vma: VMA) -> VMA {
        guard vma.isAnonymous, vma.pgoff != vma.homePgoff else { return vma }
        let move = Proposal.Move(
            source: vma.ownership, pages: .recoverable, isSingular: vma.traits.contains(.chainSingular))
        guard proposal.rewritesPgoff(move) == .joins else { return vma }
        var home = vma
        home.pgoff = vma.homePgoff
        return home
    }

    // MARK: attempts

    /// Decides both sides by the proposal's rules, and changes the layout accordingly. `rewrites`: what is moved gets a
    /// new page offset, and so its pages have to be updated.
    mutating func apply(
        _ attempt: WhatIfAttempt, _ model: KernelModel
    ) -> (prev: WhatIfAnswer?, next: WhatIfAnswer?, rewrites: Bool) {
        for vma in [attempt.proposed, attempt.prev, attempt.next] { note(vma) }
        if case .copy(let source, _) = attempt.kind { note(source) }
        var refusal: WhatIfAnswer?
        var range = proposed(attempt, &refusal)
        let left = attempt.prev.map { neighbour($0, AddressRange(0, range.vma.start), at: range.vma.start - 1) }
        let right = attempt.next.map { neighbour($0, AddressRange(range.vma.end, .max), at: range.vma.end) }
        if proposal.relocates, attempt.movesFaulted, refusal == nil {
            let (prev, next) = sides(range, left, right, WhatIfAnswer(.shared, .scope), model)
            if prev == .joins || next == .joins {
                refusal = WhatIfAnswer(.shared, .scope)
            } else {
                relocate(&range, left, right)
            }
        }
        var (prev, next) = sides(range, left, right, refusal, model)
        if prev == .joins, next == .joins, let left, let right, left.vma.anonVMA != 0, right.vma.anonVMA != 0,
            left.vma.anonVMA != right.vma.anonVMA
        {
            let both = proposal.joinsDifferent(right.ownership)
            if both != .joins { next = WhatIfAnswer(both.whatIf, both.reason == .scope ? .scope : .next) }
        }
        let rewrites = attempt.movesFaulted && refusal == nil && !proposal.ignoresPgoff
        guard layout != nil else { return (prev, next, rewrites) }
        if prev == .joins, let left { range = join(left, range, keeping: left) }
        if next == .joins, let right { range = join(range, right, keeping: prev == .joins ? range : right) }
        layout?.overwrite(range.vma.range, with: [range.vma])
        return (prev, next, rewrites)
    }

    /// The range with the page offset and the anon_vma that it has in this layout. `refusal`: why it keeps its offset
    /// although it is moved.
    private mutating func proposed(_ attempt: WhatIfAttempt, _ refusal: inout WhatIfAnswer?) -> Party {
        var range = attempt.proposed
        switch attempt.kind {
        case .new:
            break
        case .change:
            if let here = here(range.start, faultedAs: range) { range.take(here, at: range.start) }
        case .growth:
            if let here = here(range.start &- 1, faultedAs: range) { range.take(here, at: range.start) }
        case .copy(let source, let from):
            if layout != nil, let here = here(from, faultedAs: source) { range.take(here, at: from) }
            guard range.isAnonymous else { break }
            if range.anonVMA == 0 {
                range.pgoff = range.homePgoff
                break
            }
            let owner = ownership(range.anonVMA, source)
            let answer = proposal.rewritesPgoff(
                Proposal.Move(source: owner, pages: attempt.pages, isSingular: source.traits.contains(.chainSingular)))
            if answer != .joins {
                refusal = answer
            } else if !proposal.relocates {
                range.pgoff = range.homePgoff
            }
            return Party(vma: range, ownership: owner)
        }
        return Party(vma: range, ownership: ownership(range.anonVMA, attempt.proposed))
    }

    private mutating func neighbour(_ real: VMA, _ bounds: AddressRange, at address: UInt64) -> Party {
        let vma = (here(address, faultedAs: real) ?? real).clipped(to: bounds)
        return Party(vma: vma, ownership: ownership(vma.anonVMA, real))
    }

    /// A faulted copy gets the page offset of where it is, and the anon_vma of a neighbour that continues it, or one of
    /// its own (`__anon_vma_prepare`).
    private mutating func relocate(_ range: inout Party, _ left: Party?, _ right: Party?) {
        range.isRelocated = true
        range.vma.pgoff = range.vma.homePgoff
        let around = [
            right?.vma ?? layout?.vma(containing: range.vma.end),
            left?.vma ?? (range.vma.start == 0 ? nil : layout?.vma(containing: range.vma.start - 1)),
        ]
        if let lender = around.lazy.compactMap({ $0 }).first(where: { $0.lendsAnonVMA(to: range.vma) }) {
            range.vma.anonVMA = lender.anonVMA
            range.vma.traits = range.vma.traits.subtracting(.ofAnonVMA).union(lender.traits.intersection(.ofAnonVMA))
        } else {
            fresh = fresh == .max ? Self.firstFresh : fresh + 1
            range.vma.anonVMA = fresh
            range.vma.traits.formUnion([.anonKnown, .ownRoot, .chainSingular])
            range.vma.traits.subtract(.hasChildren)
        }
    }

    private func sides(
        _ range: Party, _ left: Party?, _ right: Party?, _ refusal: WhatIfAnswer?, _ model: KernelModel
    ) -> (prev: WhatIfAnswer?, next: WhatIfAnswer?) {
        (
            left.map { joins(range, $0, continues: $0.vma.nextPgoff == range.vma.pgoff, refusal, model) },
            right.map { joins(range, $0, continues: range.vma.nextPgoff == $0.vma.pgoff, refusal, model) }
        )
    }

    private func joins(
        _ range: Party, _ other: Party, continues: Bool, _ refusal: WhatIfAnswer?, _ model: KernelModel
    ) -> WhatIfAnswer {
        let isAnonymous = range.vma.isAnonymous && other.vma.isAnonymous
        if isAnonymous, !continues, !proposal.ignoresPgoff {
            if let refusal { return refusal }
            return WhatIfAnswer(.shared, proposal.remembers ? .moved : .scope)
        }
        let (mine, its) = (range.vma.anonVMA, other.vma.anonVMA)
        if mine == its || range.isRelocated && its == 0 { return .joins }
        if mine != 0, its != 0 { return proposal.joinsDifferent(range.ownership) }
        // As the kernel decides without any proposal.
        if MergeRules.anonVMAMergeable(source: range.vma, target: other.vma, model) { return .joins }
        if proposal.ignoresAnonVMA { return .joins }
        return WhatIfAnswer(.shared, mine != 0 ? .unfaulted : .chain)
    }

    private func join(_ left: Party, _ right: Party, keeping kept: Party) -> Party {
        var joined = left
        joined.vma.range.end = right.vma.end
        joined.vma.flags = kept.vma.flags
        let owner = [kept, left, right].first { $0.vma.anonVMA != 0 } ?? left
        joined.vma.anonVMA = owner.vma.anonVMA
        joined.vma.traits = owner.vma.traits
        joined.ownership = owner.ownership
        return joined
    }

    // MARK: anon_vmas

    /// Remembers the ownership of an anon_vma, for the time when no VMA shows it any more.
    private mutating func note(_ vma: VMA?) {
        guard let vma, vma.anonVMA != 0, vma.traits.contains(.anonKnown), layout != nil else { return }
        if vma.ownership == .own {
            shared.remove(vma.anonVMA)
        } else {
            if shared.count >= Self.sharedLimit { shared = [] }
            shared.insert(vma.anonVMA)
        }
    }

    private func ownership(_ anonVMA: AnonVMAID, _ real: VMA) -> Ownership {
        if anonVMA == 0 { return .own }
        if real.anonVMA != anonVMA, shared.contains(anonVMA) { return .child }
        return real.anonVMA == 0 ? .own : real.ownership
    }

    /// The VMA of this layout that holds `address`. A page fault gives a VMA an anon_vma without an event: then it
    /// has that of a neighbour here which it continues (`find_mergeable_anon_vma`), or the one that it really has.
    private mutating func here(_ address: UInt64, faultedAs real: VMA) -> VMA? {
        guard layout != nil else { return proposal.remembers ? asMovedNow(real) : nil }
        guard let found = layout?.vma(containing: address) else { return nil }
        guard found.anonVMA == 0, real.anonVMA != 0 else { return found }
        var faulted = found
        faulted.anonVMA = real.anonVMA
        faulted.traits = real.traits
        let around = [layout?.vma(containing: found.end), found.start == 0 ? nil : layout?.vma(containing: found.start - 1)]
        if let other = around.lazy.compactMap({ $0 }).first(where: { $0.lendsAnonVMA(to: found) }) {
            faulted.anonVMA = other.anonVMA
            faulted.traits = other.traits
        }
        layout?.overwrite(faulted.range, with: [faulted])
        return faulted
    }

    // MARK: what else happens

    /// Takes over from the kernel's own layout what no proposal changes: which ranges are mapped, and their
    /// attributes.
    ///
    /// - Returns: how many VMAs were gone through.
    @discardableResult
    mutating func follow(_ range: AddressRange, _ real: Layout) -> Int {
        guard var here = layout else { return 0 }
        layout = nil  // or each change would copy it
        var at = range.start
        let vmas = real.vmas(overlapping: range)
        for vma in vmas {
            let part = vma.range.intersection(range)
            if at < part.start { here.clear(AddressRange(at, part.start)) }
            here.follow(vma, in: part)
            at = part.end
        }
        if at < range.end { here.clear(AddressRange(at, range.end)) }
        layout = here
        return vmas.count
    }

    /// The layout of a child that has just been forked, whose own VMAs are those of `child`: it inherits what was
    /// joined.
    func forked(_ child: Layout) -> WhatIfLayout? {
        guard let layout else { return nil }
        var copy = self
        copy.shared = []
        copy.layout = layout
        copy.follow(.all, child)
        for vma in copy.layout?.vmas ?? [] where vma.anonVMA != 0 {
            let own = child.vmas(overlapping: vma.range).first { $0.anonVMA != 0 }
            var inherited = vma
            inherited.anonVMA = own?.anonVMA ?? 0
            inherited.traits = own?.traits ?? vma.traits.subtracting(.ofAnonVMA)
            copy.layout?.overwrite(vma.range, with: [inherited])
        }
        return copy
    }

    /// A child has inherited all of it.
    mutating func hasForked() {
        for vma in layout?.vmas ?? [] where vma.anonVMA != 0 && !vma.flags.contains(.dontCopy) { shared.insert(vma.anonVMA) }
    }

    /// No child lives any more.
    mutating func isAlone() { shared = [] }

    /// Whether one VMA holds both sides of a boundary.
    func spans(_ boundary: UInt64) -> Bool? { layout.map { $0.vma(containing: boundary).map { $0.start < boundary } ?? false } }
}

extension VMA {
    /// Whether another one beside it that has no anon_vma gets this one's (`find_mergeable_anon_vma`).
    fileprivate func lendsAnonVMA(to other: VMA) -> Bool {
        anonVMA != 0 && traits.contains(.chainSingular) && file == other.file && policy == other.policy
            && (start == other.end ? other.nextPgoff == pgoff : end == other.start && nextPgoff == other.pgoff)
            && flags.symmetricDifference(other.flags).subtracting([.read, .write, .exec, .softDirty]).isEmpty
    }

    /// What of a VMA goes along to where a part of it is looked at, moved or grown.
    fileprivate mutating func take(_ other: VMA, at address: UInt64) {
        anonVMA = other.anonVMA
        traits = traits.subtracting(.ofAnonVMA).union(other.traits.intersection(.ofAnonVMA))
        if isAnonymous { pgoff = other.pgoff(at: address) }
    }
}

extension Layout {
    fileprivate mutating func clear(_ range: AddressRange) {
        if !vmas(overlapping: range).isEmpty { overwrite(range, with: []) }
    }

    /// Makes `part` have the attributes of `vma`, and be mapped as that is.
    fileprivate mutating func follow(_ vma: VMA, in part: AddressRange) {
        let pieces = vmas(overlapping: part)
        if let only = pieces.first, pieces.count == 1, only.start <= part.start, only.end >= part.end,
            only.file == vma.file, only.hasAttributes(of: vma)
        {
            return
        }
        var at = part.start
        func fill(_ end: UInt64) {
            guard at < end else { return }
            var new = vma.clipped(to: AddressRange(at, end))
            // A VMA that has grown is one with what it grew from.
            if at > vma.start, let left = self.vma(containing: at - 1), left.file == vma.file, left.hasAttributes(of: vma) {
                new = left
                new.range.end = end
            }
            overwrite(new.range, with: [new])
        }
        for piece in pieces {
            fill(min(piece.start, part.end))
            let inside = piece.range.intersection(part)
            if piece.file != vma.file || !piece.hasAttributes(of: vma) {
                var changed = piece.clipped(to: inside)
                (changed.flags, changed.file, changed.policy, changed.uffd, changed.name) = (
                    vma.flags, vma.file, vma.policy, vma.uffd, vma.name
                )
                if !vma.isAnonymous || piece.file != vma.file { changed.pgoff = vma.pgoff(at: inside.start) }
                overwrite(inside, with: [changed])
            }
            at = inside.end
        }
        fill(part.end)
    }
}

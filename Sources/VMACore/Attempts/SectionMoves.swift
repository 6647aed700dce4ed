/// The attempts of an mremap: to lengthen a mapping in place, or to copy one VMA, or several.
extension SectionAttempts {
    func moved(_ body: (MergeAttempt) -> Void) {
        let syscall = section.syscall
        let old = AddressRange.pages(at: syscall.argument(0), length: syscall.argument(1))
        guard let source = vma(before, old.start) else { return }
        let isFixed = syscall.argument(3) & Syscall.mremapFixed != 0
        if isFixed, old.end > source.end { return movedTogether(old, body) }
        var range = newlyCovered
        if isFixed {
            range = .pages(at: syscall.argument(4), length: syscall.argument(2))
            guard section.writes > 0 else { return }
        }
        guard !range.isEmpty, let result = vma(after, range.start), result.end >= range.end else { return }

        // A copy can come to lie right behind its source, too, which is then gone or a copy itself.
        let grewInPlace =
            !syscall.movesAway && range.start == source.end && old.end == source.end
            && vma(after, old.start) != nil
        // The caller of vma_to_resize lengthens a mapping that a merge would refuse for its close hook (mm/mremap.c,
        // 6.1).
        if grewInPlace, !rules.prevGrows, source.traits.contains(.hasClose) { return }
        var proposed = source.clipped(to: AddressRange(old.start, source.end))
        if grewInPlace {
            proposed.pgoff = source.nextPgoff
            proposed.anonPgoff = source.nextAnonPgoff
            proposed.range = range
        } else {
            proposed.move(to: range)
        }
        let sides = sides(of: range, vacated: grewInPlace ? .empty : syscall.vacated)
        let attempt = attempt(.mremap, proposed, sides, result)
        attempt.isCopy = !grewInPlace
        if attempt.isCopy { (attempt.source, attempt.movedFrom) = (source, old.start) }
        if !attempt.hidesOutcome(source: source, result: result) { body(attempt) }
    }

    /// Several VMAs that are moved at once (since 6.17): one after the other, each beside the one before.
    private func movedTogether(_ old: AddressRange, _ body: (MergeAttempt) -> Void) {
        let syscall = section.syscall
        let target = AddressRange.pages(at: syscall.argument(4), length: syscall.argument(2))
        guard section.writes > 0 else { return }
        var previous: VMA?
        let pieces = before.filter { $0.range.overlaps(old) }.map { $0.clipped(to: old) }
        for (index, piece) in pieces.enumerated() {
            let start = target.start &+ (piece.start - old.start)
            var proposed = piece
            proposed.move(to: AddressRange(start, start &+ (piece.end - piece.start)))
            // The kernel stops at a VMA that it can't move along with others: that one is still where it was, and so
            // is what was at its target.
            guard let result = vma(after, start), result.end >= proposed.end,
                result.file == proposed.file, result.hasAttributes(of: proposed),
                proposed.anonVMA == 0 || result.anonVMA == proposed.anonVMA, result.pgoff(at: start) == proposed.pgoff,
                syscall.keptSource != nil || vma(after, piece.start)?.hasAttributes(of: piece) != true
            else { return }
            let attempt = attempt(.mremap, proposed, sides(of: proposed.range, vacated: syscall.vacated), result)
            attempt.isCopy = true
            attempt.source = vma(before, piece.start) ?? piece
            attempt.movedFrom = piece.start
            if syscall.keptSource != nil {
                attempt.prev = attempt.prev.map { kept($0, .prev, pieces.prefix(index), piece) }
                attempt.next = attempt.next.map { kept($0, .next, pieces.prefix(index), piece) }
            }
            if syscall.keptSource == nil, index > 0, let next = attempt.next {
                attempt.next?.vma = handedOn(next.vma, at: proposed.end)
            }
            if let previous, previous.end == start { attempt.prev = MergeAttempt.Neighbour(previous) }
            if index + 1 < pieces.count, pieces[index + 1].start == piece.end { attempt.next = nil }
            attempt.outcome.prev = attempt.prev != nil && attempt.outcome.prev
            attempt.outcome.next = attempt.next != nil && attempt.outcome.next
            body(attempt)
            previous = handedOn(proposed, at: start)
        }
    }

    /// A VMA as it is when the next copy is made. The target is freed for one copy at a time, so each copy merges for
    /// a moment with what still lies behind it, which is then cut off again: one of the two leaves its anon_vma to
    /// the other. Nobody else assigns one under the lock.
    private func handedOn(_ vma: VMA, at address: UInt64) -> VMA {
        guard vma.anonVMA == 0, let left = self.vma(after, address), left.anonVMA != 0 else { return vma }
        var vma = vma
        vma.anonVMA = left.anonVMA
        vma.traits.formUnion(left.traits.intersection(.ofAnonVMA))
        return vma
    }

    /// A neighbour as it is when `piece` is copied, after other pieces that were left in place, too: a VMA that was
    /// copied as a whole has no anon_vma any more, and is not locked (`dontunmap_complete`).
    private func kept(
        _ neighbour: MergeAttempt.Neighbour, _ side: Side, _ copied: ArraySlice<VMA>, _ piece: VMA
    ) -> MergeAttempt.Neighbour {
        var found = apart(from: piece.start, neighbour, side)
        // They are in order of address.
        let first = copied.partitioningIndex { $0.start >= found.vma.start }
        guard first < copied.endIndex, found.vma.range.contains(copied[first].start) else { return found }
        let source = copied[first]
        found.vma.flags.subtract(.lockedMask)
        if source.range == found.vma.range {
            found.vma.anonVMA = 0
            found.vma.traits.subtract(.ofAnonVMA)
        }
        return found
    }

    /// A neighbour, and whether it is the source that stays. Since 7.2 a locked source is split off before it is
    /// copied, since only the source loses the lock (`prep_move_vma`): then the rest of its VMA is the neighbour.
    func apart(
        from source: UInt64, _ neighbour: MergeAttempt.Neighbour, _ side: Side
    ) -> MergeAttempt.Neighbour {
        var found = neighbour
        found.isKeptSource = found.vma.range.contains(source)
        guard found.isKeptSource, let left = vma(after, source) else { return found }
        let rest =
            side == .prev
            ? AddressRange(left.end, found.vma.end) : AddressRange(found.vma.start, left.start)
        if !rest.isEmpty {
            found.vma = found.vma.clipped(to: rest)
            found.isKeptSource = false
        }
        return found
    }
}

extension MergeAttempt {
    /// A userfaultfd without UFFD_FEATURE_EVENT_REMAP releases a range that is moved (`mremap_userfaultfd_prep`).
    /// Kernels that release no more than that range (6.12, 7.3) split it off again from what it had merged with,
    /// under the same lock: whether it had merged can't be seen.
    fileprivate func hidesOutcome(source: VMA, result: VMA) -> Bool {
        guard source.uffd != 0, result.uffd == 0 else { return false }
        return !(outcome.prev && prev?.vma.uffd == source.uffd || outcome.next && next?.vma.uffd == source.uffd)
    }
}

extension VMA {
    /// Moves the VMA as mremap copies it (`copy_vma`): a VMA without an anon_vma gets new offsets.
    fileprivate mutating func move(to target: AddressRange) {
        range = target
        guard anonVMA == 0 else { return }
        anonPgoff = target.start >> AddressRange.pageShift
        if isAnonymous { pgoff = anonPgoff }
    }
}

extension VMAFlags {
    /// VM_LOCKED_MASK
    fileprivate static let lockedMask = locked.union(VMAFlags(rawValue: 0x80000))
}

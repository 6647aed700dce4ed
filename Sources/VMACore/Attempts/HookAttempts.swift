/// Makes merge attempts from the hooks' records: a function is entered, and what happens next on the same thread says
/// how it ended. A commit means that it merged; the next attempt, or the end of the write section, without a commit
/// means that it did not.
struct HookAttempts {
    private struct Pending {
        var attempt: HookedAttempt
        /// Whether the operation has split the VMA that held the byte before the range, or the byte after it.
        var splitsPrev: Bool
        var splitsNext: Bool
        /// The range of the merged VMA, if there was a merge.
        var result: AddressRange?
        /// The operation goes on to change the next VMA, which will then look back at this one.
        var changesNext = false
    }

    /// By thread. All but the last two wait for the rows after the section.
    private var pending: [UInt32: [Pending]] = [:]
    /// A section can't have more that wait for its rows: only a damaged recording does.
    private static let limit = 65_536
    private let brk: KernelModel.BrkRule
    private let mergeableLate: Bool

    /// - Parameters:
    ///   - brk: whether the kernel looks below the heap for what its first mapping could join.
    ///   - mergeableLate: a new mapping becomes mergeable (PR_SET_MEMORY_MERGE) when it has been decided whether it
    ///     merges.
    init(brk: KernelModel.BrkRule = .any, mergeableLate: Bool = false) {
        self.brk = brk
        self.mergeableLate = mergeableLate
    }

    init(_ model: KernelModel) { self.init(brk: model.brk, mergeableLate: model.addsMergeableLate) }

    /// A thread enters a function that considers a merge. `layout` is as it was when the thread took the lock.
    /// Returns the attempts whose outcome is known now.
    mutating func enter(_ attempt: HookedAttempt, _ layout: Layout?) -> [MergeAttempt] {
        let tid = attempt.origin.tid
        let range = attempt.proposed.range
        // What the operation leaves of a VMA that it splits keeps its outer end.
        let held = (prev: layout?.vma(containing: range.start), next: layout?.vma(containing: range.end))
        let new = Pending(
            attempt: attempt,
            splitsPrev: held.prev.map { $0.start < range.start && $0.start == attempt.prev?.start } ?? false,
            splitsNext: held.next.map { $0.start < range.end && $0.end == attempt.next?.end } ?? false)
        // Taken out, so that it is changed and not copied.
        var old = pending.removeValue(forKey: tid) ?? []
        if let last = old.last?.attempt, last.proposed.start == range.start {
            // mmap_region asks once more, by vma_merge, when a driver has changed the flags.
            if last.site == .mmapRegion, attempt.site.isVMAMerge {
                old.append(new)
                pending[tid] = old
                return []
            }
            // So does __mmap_region on 6.12, by what it asked with before: this one counts.
            if last.site == .newRange, attempt.site == .newRange, attempt.operation == .mmap,
                old[old.count - 1].result == nil
            {
                old.removeLast()
            }
        }
        if let last = old.last, last.attempt.operation == attempt.operation, last.attempt.proposed.end == range.start {
            old[old.count - 1].changesNext = true
        }
        let last = Array(old.suffix(2))
        old.removeLast(last.count)
        if old.count < Self.limit { old += last.filter { $0.attempt.site == .iteratedRows } }
        old.append(new)
        pending[tid] = old
        // A new mapping without the end of its section has failed before it was made.
        return last.filter { $0.attempt.site.commits }.map(resolve)
    }

    /// A thread enters a function that considers a merge, and the attempt can't be judged. Returns the attempts whose
    /// outcome is known now.
    mutating func skip(_ origin: Origin) -> [MergeAttempt] {
        guard let old = pending.removeValue(forKey: origin.tid) else { return [] }
        return old.filter { $0.attempt.site.commits }.map(resolve)
    }

    /// A thread carries a merge out: afterwards one VMA holds `result`. If `result` ends where the proposed range
    /// begins, the VMA behind the range takes it over.
    mutating func commit(_ origin: Origin, _ result: AddressRange) {
        guard var entry = pending[origin.tid]?.popLast() else { return }
        if entry.attempt.site.commits {
            let range = entry.attempt.proposed.range
            if entry.attempt.site == .iterated {
                // The commit is recorded of other VMAs than the merged one, too.
                if range.union(result) == result { entry.result = result }
            } else if result.end <= range.start, let next = entry.attempt.next {
                entry.result = AddressRange(range.start, next.end)
            } else {
                entry.result = result
            }
        }
        pending[origin.tid]?.append(entry)
    }

    /// Whether the rows that a section of this thread leaves are looked at.
    func wantRows(of thread: UInt32) -> Bool { !pending.isEmpty && pending[thread] != nil }

    /// Whether the outcome of an attempt of this thread is in these rows.
    func needRows(of thread: UInt32) -> Bool { pending[thread]?.contains { !$0.attempt.site.commits } ?? false }

    /// A thread releases the lock; `after` is what the range it worked on holds now, in any order.
    mutating func end(_ origin: Origin, after: [VMA]) -> [MergeAttempt] {
        guard !pending.isEmpty, let list = pending.removeValue(forKey: origin.tid) else { return [] }
        let after = after.uniqued()
        return list.compactMap { entry in
            let range = entry.attempt.proposed.range
            if entry.attempt.site.commits {
                var entry = entry
                // Shared anonymous memory gets its file when it is known that nothing merges.
                if entry.result == nil, entry.attempt.operation == .mmap, entry.attempt.proposed.file == 0,
                    let found = after.holding(range.start), found.range == range
                {
                    entry.attempt.proposed.file = found.file
                }
                return resolve(entry)
            }
            guard let found = after.holding(range.start), found.end >= range.end else { return nil }
            if entry.attempt.site == .iteratedRows {
                var entry = entry
                entry.result = found.range
                return resolve(entry)
            }
            // The kernel adds flags on the way, VM_ACCOUNT for one.
            var final = entry
            final.attempt.proposed.flags = found.flags
            if mergeableLate, !entry.attempt.proposed.flags.contains(.mergeable) {
                final.attempt.proposed.flags.remove(.mergeable)
            }
            if final.attempt.proposed.file == 0 { final.attempt.proposed.file = found.file }
            final.attempt.proposed.traits.formUnion(found.traits.intersection([.heap, .stack, .hugetlb]))
            final.result = list.count > 1 ? nil : found.range
            let attempt = resolve(final)
            return attempt.hasNeighbour ? attempt : nil
        }
    }

    private func resolve(_ entry: Pending) -> MergeAttempt {
        let hooked = entry.attempt
        let range = hooked.proposed.range
        var proposed = hooked.proposed
        var (replaces, isCopy) = (false, false)
        // What lies where a new mapping goes is unmapped, and says nothing of that.
        if let middle = hooked.middle, !hooked.site.mergesByItself {
            if middle.anonVMA == proposed.anonVMA {
                proposed.traits = middle.traits.union(proposed.traits.intersection(.hasAnonPgoff))
            }
            replaces = middle.range == range
            isCopy = hooked.operation == .mremap && (middle.end != range.start || hooked.syscall.movesAway)
        }
        // In vma_merge brk looks both ways; later kernels have VMG_FLAG_JUST_EXPAND.
        let considersNext = hooked.operation != .brk || hooked.site.isVMAMerge
        let prev = neighbour(hooked, .prev, hooked.prev, stays: !entry.splitsPrev)
        // The rows after the section would show the merges of the next attempt.
        let looksOn = considersNext && !(hooked.site == .iteratedRows && entry.changesNext)
        let next =
            looksOn
            ? neighbour(hooked, .next, hooked.next, stays: !entry.splitsNext && !entry.changesNext) : nil
        let attempt = MergeAttempt(
            origin: hooked.origin, operation: hooked.operation, stack: hooked.stack, proposed: proposed,
            replacesVMA: replaces, isCopy: isCopy, prev: prev, next: next, considersNext: considersNext,
            outcome: MergeAttempt.Outcome(
                prev: prev != nil && (entry.result.map { $0.start < range.start } ?? false),
                next: next != nil && (entry.result.map { $0.end > range.end } ?? false)))
        if isCopy {
            attempt.source = hooked.middle
            attempt.movedFrom = hooked.syscall.source(of: range.start)
        }
        return attempt
    }

    private func neighbour(
        _ hooked: HookedAttempt, _ side: Side, _ vma: VMA?, stays: Bool
    ) -> MergeAttempt.Neighbour? {
        let range = hooked.proposed.range
        guard let vma, var found = MergeAttempt.Neighbour.outside(range, side, vma) else { return nil }
        if hooked.operation == .brk, brk.hides(vma) { return nil }
        if !hooked.site.mergesByItself, !found.stays { return nil }  // the rest of what is being changed
        if !stays || vma.range.overlaps(hooked.syscall.vacated) { found.stays = false }
        // Of several VMAs that are moved at once, each is the source of its own copy only.
        if let kept = hooked.syscall.keptSource {
            found.isKeptSource = hooked.middle.map { $0.range.overlaps(vma.range) } ?? found.vma.range.contains(kept)
        }
        return found
    }
}

extension HookedAttempt {
    var operation: Operation { site == .brk ? .brk : syscall.operation }
}

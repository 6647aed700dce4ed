/// Concludes merge attempts from a write section: from the VMAs around the syscall's range before and after it. For
/// kernels where the merging functions themselves can't be hooked.
///
/// There is one attempt for each range that the syscall mapped anew, and one for each VMA (or part of one) that it
/// changed, as the kernel makes one call for each.
struct SectionAttempts {
    /// What of a kernel's model decides which attempts there are. A copy of the whole model in each section would cost
    /// more than most of what is done there.
    struct Rules {
        fileprivate let addsMergeableLate: Bool
        fileprivate let brk: KernelModel.BrkRule
        /// `KernelModel.close.prevGrows`
        let prevGrows: Bool

        init(_ model: KernelModel) {
            addsMergeableLate = model.addsMergeableLate
            brk = model.brk
            prevGrows = model.close.prevGrows
        }
    }

    let rules: Rules
    let section: Section
    /// Sorted, without overlaps.
    let before: [VMA]
    let after: [VMA]

    var attempts: [MergeAttempt] {
        var all: [MergeAttempt] = []
        forEach(withLone: { false }) { if $0.hasNeighbour { all.append($0) } }
        return all
    }

    private enum Way { case mapping, move, change }

    /// How the kernel tries to merge what this operation makes or changes; nil if it does not.
    private static func way(of operation: Operation) -> Way? {
        switch operation {
        case .mmap, .brk, .shmat: .mapping
        case .mremap: .move
        case .mprotect, .pkeyMprotect, .madvise, .mlock, .mbind, .prctl, .userfaultfd, .mseal: .change
        case .munmap, .shmdt, .fork, .exec, .stack, .remapFilePages, .processMadvise, .ioctl, .ioUring, .aio, .archPrctl,
            .mapShadowStack, .other:
            nil
        }
    }

    /// Whether there can be attempts: a section without need not be made ready for it.
    static func areMade(by operation: Operation) -> Bool { way(of: operation) != nil }

    /// Calls `body` with each attempt, in the order in which the kernel makes them.
    ///
    /// - Parameter withLone: whether what has no neighbour is wanted, too. It is asked before each attempt, since the
    ///   one before may have changed the answer. A move without a neighbour is always wanted: it decides about later
    ///   attempts.
    func forEach(withLone: () -> Bool, _ body: (MergeAttempt) -> Void) {
        switch Self.way(of: section.syscall.operation) {
        case .mapping: if let attempt = mapped(section.syscall.operation, withLone) { body(attempt) }
        case .move: moved(body)
        case .change: changed(withLone, body)
        case nil: break
        }
    }

    // MARK: new mappings

    private func mapped(_ operation: Operation, _ withLone: () -> Bool) -> MergeAttempt? {
        let syscall = section.syscall
        let range: AddressRange
        if syscall.replacesBySegment, section.writes > 0 {
            // The length is the segment's, and a segment merges with nothing.
            range = vma(after, syscall.argument(1) & ~0xfff)?.range ?? .empty
        } else if operation == .mmap, syscall.argument(3) & Syscall.mapFixed != 0 {
            guard section.writes > 0 else { return nil }  // it failed
            range = .pages(at: syscall.argument(0), length: syscall.argument(1))
        } else {
            range = newlyCovered
        }
        guard !range.isEmpty, let result = vma(after, range.start), result.end >= range.end else { return nil }
        var sides = sides(of: range, considersNext: operation != .brk, vacated: .empty)
        if operation == .brk, let prev = sides.prev?.vma, rules.brk.hides(prev) { sides.prev = nil }
        guard sides.prev != nil || sides.next != nil || withLone() else { return nil }
        var proposed = result.clipped(to: range)
        proposed.anonVMA = 0
        proposed.traits.subtract(.ofAnonVMA)
        (proposed.policy, proposed.uffd, proposed.name) = (0, 0, 0)
        if rules.addsMergeableLate { proposed.flags.remove(.mergeable) }
        if result.isAnonymous { proposed.pgoff = range.start >> AddressRange.pageShift }
        proposed.anonPgoff = range.start >> AddressRange.pageShift
        return attempt(operation, proposed, sides, considersNext: operation != .brk, result)
    }

    /// The range that is mapped now and was not before, within the ranges of the section.
    var newlyCovered: AddressRange {
        var found = AddressRange.empty
        for range in section.ranges {
            for vma in after where vma.range.overlaps(range) {
                // Cut off what was mapped before, from both ends.
                var rest = vma.range.intersection(range)
                while !rest.isEmpty, let old = before.holding(rest.start) { rest.start = min(old.end, rest.end) }
                while !rest.isEmpty, let old = before.holding(rest.end - 1) { rest.end = max(old.start, rest.start) }
                found = found.union(rest)
            }
        }
        return found
    }

    typealias Sides = (prev: MergeAttempt.Neighbour?, next: MergeAttempt.Neighbour?)

    /// What touches a range from which a syscall is about to unmap what is there.
    func sides(of range: AddressRange, considersNext: Bool = true, vacated: AddressRange) -> Sides {
        (
            neighbour(vma(before, range.start &- 1), .prev, of: range, vacated),
            considersNext ? neighbour(vma(before, range.end), .next, of: range, vacated) : nil
        )
    }

    /// - Parameter result: the VMA that the range is in afterwards.
    func attempt(
        _ operation: Operation, _ proposed: VMA, _ sides: Sides, considersNext: Bool = true, _ result: VMA
    ) -> MergeAttempt {
        MergeAttempt(
            origin: section.origin, operation: operation, stack: section.stack, proposed: proposed,
            prev: sides.prev, next: sides.next, considersNext: considersNext,
            outcome: MergeAttempt.Outcome(
                prev: result.start < proposed.start, next: considersNext && result.end > proposed.end))
    }

    private func neighbour(
        _ vma: VMA?, _ side: Side, of range: AddressRange, _ vacated: AddressRange
    ) -> MergeAttempt.Neighbour? {
        guard let vma, var found = MergeAttempt.Neighbour.outside(range, side, vma) else { return nil }
        if vma.range.overlaps(vacated) {
            // What lies between the source and the range may join it, and whether it did can be seen.
            guard !vacated.contains(side == .prev ? range.start - 1 : range.end) else { return nil }
            found.stays = false
        }
        if let source = section.syscall.keptSource { found = apart(from: source, found, side) }
        return found
    }

    // MARK: changes in place

    private func changed(_ withLone: () -> Bool, _ body: (MergeAttempt) -> Void) {
        let target = section.syscall.changedRange(section.ranges.first ?? .empty)
        /// The piece before this one as the syscall left it: with changed flags, perhaps merged.
        var previous: VMA?
        for (index, old) in before.enumerated() where old.range.overlaps(target) {
            var piece = old.clipped(to: target)
            if section.syscall.operation == .userfaultfd { piece = piece.clipped(to: changedPart(of: piece)) }
            guard let result = vma(after, piece.start), result.end >= piece.end,
                !result.hasAttributes(of: old)
            else {
                previous = previous.flatMap { joined(old, by: $0) }
                continue
            }
            var proposed = piece
            proposed.takeAttributes(of: result)

            // A VMA that the syscall split has its other part beside it, which is no side.
            if previous?.end != piece.start { previous = nil }
            let prev = piece.start == old.start ? previous ?? adjacent(index - 1, .prev, piece.start) : nil
            let following = piece.end == old.end ? adjacent(index + 1, .next, piece.end) : nil
            // The next piece is about to be changed itself, and will then look back at this one.
            let nextChanges = following.map { $0.range.overlaps(target) && willChange($0, target) } ?? false
            let next = nextChanges ? nil : following

            if prev != nil || next != nil || withLone() {
                body(
                    MergeAttempt(
                        origin: section.origin, operation: section.syscall.operation, stack: section.stack,
                        proposed: proposed, replacesVMA: piece.range == old.range,
                        prev: prev.map { MergeAttempt.Neighbour($0) }, next: next.map { MergeAttempt.Neighbour($0) },
                        outcome: MergeAttempt.Outcome(
                            prev: prev != nil && result.start < piece.start,
                            next: next != nil && result.end > piece.end)))
            }

            previous = prev.flatMap { joined(proposed, by: $0) } ?? proposed
            if [.mprotect, .pkeyMprotect].contains(section.syscall.operation), proposed.isFaultedByMprotect(from: old) {
                previous!.anonVMA = result.anonVMA
                previous!.traits = result.traits
            }
        }
    }

    /// A VMA after `prev` has joined it: untouched memory then has the other's anon_vma. Nil if they stayed apart.
    private func joined(_ vma: VMA, by prev: VMA) -> VMA? {
        guard prev.end == vma.start, let result = self.vma(after, vma.start), result.start < vma.start else { return nil }
        var joined = vma
        if vma.anonVMA == 0 {
            joined.anonVMA = prev.anonVMA
            joined.traits = prev.traits
        }
        return joined
    }

    /// The part of a VMA for which a userfaultfd was registered. The registered range is in memory and not in an
    /// argument, so the known range also contains the rest of a VMA that was split.
    private func changedPart(of piece: VMA) -> AddressRange {
        var range = piece.range
        if let first = vma(after, range.start), first.end < range.end, first.hasAttributes(of: piece) {
            range.start = first.end
        }
        if let last = vma(after, range.end &- 1), last.start > range.start, last.hasAttributes(of: piece) {
            range.end = last.start
        }
        return range
    }

    private func willChange(_ vma: VMA, _ target: AddressRange) -> Bool {
        let start = max(vma.start, target.start)
        guard let result = self.vma(after, start) else { return false }
        return !result.hasAttributes(of: vma)
    }

    private func adjacent(_ index: Int, _ side: Side, _ address: UInt64) -> VMA? {
        guard before.indices.contains(index) else { return nil }
        let vma = before[index]
        return (side == .prev ? vma.end : vma.start) == address ? vma : nil
    }

    func vma(_ vmas: [VMA], _ address: UInt64) -> VMA? {
        vmas.holding(address)
    }
}

extension Section {
    /// Whether the process has changed its VMAs by a call whose attempts are not concluded. What others do to it is not
    /// meant: they act for somebody else.
    func changesUnjudged(_ image: Image) -> Bool {
        writes > 0 && origin.tgid == image.tgid && (!syscall.isNative || syscall.operation.isUnjudged)
    }
}

extension Operation {
    /// Whether the kernel considers merges in it, and its arguments do not say which.
    fileprivate var isUnjudged: Bool {
        switch self {
        case .processMadvise, .ioUring, .remapFilePages, .ioctl, .mapShadowStack: true
        // aio maps its ring once for a context, and nothing else.
        default: false
        }
    }
}

extension MergeAttempt.Neighbour {
    /// The part of a VMA that lies on one side of `range`. The part inside `range` is about to be unmapped, which
    /// splits the VMA: what remains is no side. One VMA can so remain on both sides.
    static func outside(_ range: AddressRange, _ side: Side, _ vma: VMA) -> MergeAttempt.Neighbour? {
        let rest =
            side == .prev
            ? AddressRange(vma.start, min(vma.end, range.start))
            : AddressRange(max(vma.start, range.end), vma.end)
        guard !rest.isEmpty, side == .prev ? rest.end == range.start : rest.start == range.end else { return nil }
        return MergeAttempt.Neighbour(vma.clipped(to: rest), stays: rest == vma.range)
    }
}

extension VMA {
    /// Whether the attributes that a syscall changes in place are equal.
    func hasAttributes(of other: VMA) -> Bool {
        flags.subtracting(.silent) == other.flags.subtracting(.silent)
            && policy == other.policy && uffd == other.uffd && name == other.name
    }

    /// Locked private memory that becomes writable is faulted at once (`mprotect_fixup`), before
    /// the syscall goes on with the next VMA.
    fileprivate func isFaultedByMprotect(from old: VMA) -> Bool {
        anonVMA == 0 && flags.contains(.write)
            && old.flags.intersection([.write, .shared, .locked]) == .locked
    }

    fileprivate mutating func takeAttributes(of other: VMA) {
        flags = other.flags
        policy = other.policy
        uffd = other.uffd
        name = other.name
    }
}

extension Syscall {
    /// The range that a syscall which changes VMAs in place was asked to change.
    func changedRange(_ known: AddressRange) -> AddressRange {
        switch operation {
        case .mprotect, .pkeyMprotect, .madvise, .mbind, .mseal: return .pages(at: argument(0), length: argument(1))
        case .mlock:
            // mlockall and munlockall have no range.
            return number == 151 || number == 152 ? known : .pages(at: argument(0), length: argument(1))
        case .prctl: return .pages(at: argument(2), length: argument(3))
        default: return known
        }
    }
}

extension [VMA] {
    /// The VMA that holds `address`, or nil. The VMAs are in order of address: a section can have many thousands, and
    /// each is looked for.
    func holding(_ address: UInt64) -> VMA? {
        let index = partitioningIndex { $0.end > address }
        return index < count && self[index].start <= address ? self[index] : nil
    }

    /// The VMAs in order of address, each once. Two ranges of one section may have been read with a neighbour in
    /// common.
    func uniqued() -> [VMA] {
        var end: UInt64 = 0
        let isSo = allSatisfy { vma in
            defer { end = vma.end }
            return end <= vma.start
        }
        if isSo { return self }
        var all = self
        if count <= Self.few { all.sortFew() } else { all.sort { $0.start < $1.start } }
        var unique = 0
        for index in all.indices where unique == 0 || all[unique - 1].end <= all[index].start {
            if unique != index { all[unique] = all[index] }
            unique += 1
        }
        all.removeLast(count - unique)
        return all
    }

    /// Most sections have fewer rows, for which `sort` takes three times as long.
    private static var few: Int { 24 }

    private mutating func sortFew() {
        for index in indices.dropFirst() {
            var place = index
            while place > 0, self[place].start < self[place - 1].start {
                swapAt(place, place - 1)
                place -= 1
            }
        }
    }
}

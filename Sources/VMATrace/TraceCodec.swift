import VMACore

/// Events as bytes (docs/trace-format.md). Each function describes a part of the format once, for both directions:
/// with a `ByteWriter` it writes the value that it is given, with a `ByteReader` it replaces the value by the one
/// that it reads.
struct TraceCodec<Stream: ByteStream> {
    var stream: Stream
    var memory = TraceMemory()
    /// Those read last, in memory that is used again, if nobody has kept them.
    private var list: [VMA] = []
    private static var room: Int { 64 }

    init(_ stream: Stream) { self.stream = stream }

    mutating func rows(_ rows: inout Rows) {
        let whose = origin(&rows.origin)
        var reason = UInt8(truncatingIfNeeded: rows.reason.rawValue) << 1 | (rows.truncated ? 1 : 0)
        stream.byte(&reason)
        if Stream.isReader {
            rows.truncated = reason & 1 != 0
            if let known = Rows.Reason(rawValue: UInt16(reason >> 1)) {
                rows.reason = known
            } else {
                stream.fail("rows for the unknown reason \(reason >> 1)")
            }
        }
        range(&rows.range, of: whose)
        vmas(&rows.vmas, place: rows.range.start)
    }

    mutating func section(_ section: inout Section) {
        let whose = origin(&section.origin)
        stream.flag(&section.incomplete)
        stream.number32(&section.writes)
        stream.number32(&section.stack)
        let count = stream.count(section.ranges.count, bits: 16)
        guard count <= Section.Ranges.limit else { return stream.fail("a section with \(count) ranges") }
        for index in 0 ..< count {
            if Stream.isReader { section.ranges.append(.empty) }
            range(&section.ranges[index], of: whose)
        }
        syscall(&section.syscall, near: section.ranges.first?.start ?? 0)
    }

    mutating func attempt(_ attempt: inout HookedAttempt) {
        let whose = origin(&attempt.origin)
        var site = attempt.site.rawValue
        stream.number32(&site)
        if let known = HookedAttempt.Site(rawValue: site) {
            attempt.site = known
        } else {
            stream.fail("an attempt at the unknown site \(site)")
        }
        stream.number32(&attempt.stack)
        range(&attempt.proposed.range, of: whose)
        let proposed = attempt.proposed.range
        syscall(&attempt.syscall, near: proposed.start)
        vma(&attempt.proposed, at: proposed.start, place: ~proposed.start ^ 1)
        optional(&attempt.prev, at: proposed.start, place: proposed.start ^ 1)
        optional(&attempt.middle, at: proposed.start, place: proposed.start ^ 2)
        optional(&attempt.next, at: proposed.end, place: proposed.end)
    }

    mutating func commit(_ from: inout Origin, _ range: inout AddressRange) {
        let whose = origin(&from)
        self.range(&range, of: whose)
    }

    mutating func refusal(_ refusal: inout Refusal) {
        _ = origin(&refusal.origin)
        stream.number32(&refusal.stack)
        stream.number32(&refusal.count)
        stream.number(&refusal.facts.mapCount)
        stream.number(&refusal.facts.mapLimit)
        stream.number(&refusal.facts.totalPages)
        stream.number(&refusal.facts.dataPages)
        stream.number(&refusal.facts.lockedPages)
        stream.number(&refusal.facts.limitOfSpace)
        stream.number(&refusal.facts.limitOfData)
        stream.number(&refusal.facts.limitOfLocked)
        stream.number(&refusal.facts.flagsOfNew)
        stream.number(&refusal.facts.brk)
        var isMapped = refusal.facts.flagsThere != nil
        stream.flag(&isMapped)
        var flags = refusal.facts.flagsThere?.rawValue ?? 0
        if isMapped { stream.number(&flags) }
        refusal.facts.flagsThere = isMapped ? VMAFlags(rawValue: flags) : nil
        syscall(&refusal.syscall, near: 0)
    }

    mutating func answer(_ from: inout Origin, _ result: inout Int64) {
        _ = origin(&from)
        var bits = UInt64(bitPattern: result)
        stream.number(&bits)
        result = Int64(bitPattern: bits)
    }

    mutating func counted(_ from: inout Origin, _ count: inout PageCount) {
        let whose = origin(&from)
        range(&count.range, of: whose)
        stream.number(&count.present)
        stream.number(&count.zero)
        stream.number(&count.swapped)
        stream.flag(&count.isPartial)
    }

    mutating func life(_ life: inout Life) {
        _ = origin(&life.origin)
        stream.number32(&life.parent)
        stream.number32(&life.parentTgid)
        text(&life.command)
    }

    mutating func snapshot(_ mm: inout MMID, _ vmas: inout [VMA]) {
        stream.number32(&mm)
        self.vmas(&vmas, place: UInt64(mm) << 1 | 1)
    }

    mutating func pages(_ mm: inout MMID, _ uses: inout [PageUse]) {
        stream.number32(&mm)
        let count = stream.count(uses.count, bits: 24)
        if Stream.isReader { uses = Array(repeating: PageUse(.empty, .unseen), count: count) }
        var last: UInt64 = 0
        for index in 0 ..< count {
            stream.value(&uses[index].range.start, near: last)
            stream.value(&uses[index].range.end, near: uses[index].range.start)
            last = uses[index].range.end
            var mapped = uses[index].mapped.rawValue
            stream.byte(&mapped)
            if let known = PageUse.Mapped(rawValue: mapped) {
                uses[index].mapped = known
            } else {
                stream.fail("pages with the unknown state \(mapped)")
            }
        }
    }

    mutating func time(_ time: inout UInt64) {
        stream.value(&time, near: memory.time)
        memory.time = time
    }

    mutating func text(_ text: inout String) {
        var number = Stream.isReader ? 0 : memory.texts.number(of: text)
        stream.number(&number)
        if number == 0 {
            stream.text(&text)
            memory.texts.add(text)
        } else if Stream.isReader {
            if let known = memory.texts[number] { text = known } else { stream.fail("text \(number) was never defined") }
        }
    }

    // MARK: parts

    private mutating func origin(_ origin: inout Origin) -> TraceMemory.Whose {
        time(&origin.time)
        var whose = TraceMemory.Whose(mm: origin.mm, tgid: origin.tgid, tid: origin.tid)
        var number = Stream.isReader ? 0 : memory.owners.number(of: whose)
        stream.number(&number)
        if number == 0 {
            stream.number32(&whose.mm)
            near(&whose.tgid, memory.lastWhose.tgid)
            near(&whose.tid, whose.tgid)
            memory.owners.add(whose)
        } else if Stream.isReader {
            if let known = memory.owners[number] { whose = known } else { stream.fail("thread \(number) was never defined") }
        }
        memory.lastWhose = whose
        origin = Origin(time: origin.time, mm: whose.mm, tgid: whose.tgid, tid: whose.tid)
        return whose
    }

    private mutating func near(_ id: inout UInt32, _ base: UInt32) {
        var wide = UInt64(id)
        stream.value(&wide, near: UInt64(base))
        if wide > UInt32.max { stream.fail("an id of more than 32 bits") }
        id = UInt32(truncatingIfNeeded: wide)
    }

    private mutating func range(_ range: inout AddressRange, of whose: TraceMemory.Whose) {
        let last = memory.range(whose)
        stream.value(&range.start, near: last.start)
        stream.value(&range.end, near: range.start)
        memory.note(range, of: whose)
    }

    private mutating func syscall(_ syscall: inout Syscall, near address: UInt64) {
        var number = UInt64(UInt32(bitPattern: syscall.number &+ 1)) << 1 | (syscall.isNative ? 1 : 0)
        stream.number(&number)
        if number >> 1 > UInt32.max { stream.fail("a syscall's number of more than 32 bits") }
        syscall.isNative = number & 1 != 0
        syscall.number = Int32(bitPattern: UInt32(truncatingIfNeeded: number >> 1)) &- 1
        let last = memory.arguments(syscall.number)
        var arguments = syscall.arguments
        var changed: UInt8 = 0
        if !Stream.isReader { for index in 0 ..< 6 where arguments[index] != last[index] { changed |= 1 << UInt8(index) } }
        stream.byte(&changed)
        if changed >= 1 << 6 { stream.fail("a syscall with more than six arguments") }
        for index in 0 ..< 6 {
            if changed & 1 << UInt8(index) != 0 {
                // The first is mostly where it happens.
                stream.value(&arguments[index], near: index == 0 ? address : last[index])
            } else {
                arguments[index] = last[index]
            }
        }
        syscall.arguments = arguments
        memory.note(arguments, of: syscall.number)
    }

    // MARK: VMAs

    /// A list of VMAs in order of address: a bit for each VMA that is the one remembered for its place, and the
    /// others in full. `place` stands for what comes before the first.
    private mutating func vmas(_ vmas: inout [VMA], place: UInt64) {
        let count = stream.count(vmas.count, bits: 1)
        if Stream.isReader { list.removeAll(keepingCapacity: list.count <= Self.room) }
        defer { if Stream.isReader { vmas = list } }
        var place = ~place
        var before: UInt64 = 0
        var known: UInt8 = 0
        for index in 0 ..< count {
            if index % 8 == 0 {
                known = Stream.isReader ? 0 : knownRows(vmas[index ..< min(index + 8, count)], place: place)
                stream.byte(&known)
            }
            var vma = Stream.isReader ? Self.nothing : vmas[index]
            if known & 1 << UInt8(index % 8) == 0 {
                stream.value(&vma.range.start, near: memory.row(after: place)?.start ?? (index == 0 ? ~place : before))
                self.vma(&vma, at: vma.start, place: place)
            } else if let row = memory.row(after: place) {
                vma = row
            } else {
                stream.fail("a VMA that was never defined")
            }
            // A layout relies on order.
            guard stream.damage == nil else { return }
            guard !Stream.isReader || vma.start < vma.end && vma.start >= before else {
                return stream.fail("VMAs out of order")
            }
            if Stream.isReader { list.append(vma) }
            before = vma.end
            place = vma.end
        }
    }

    private func knownRows(_ vmas: ArraySlice<VMA>, place: UInt64) -> UInt8 {
        var known: UInt8 = 0
        var place = place
        for (bit, vma) in vmas.enumerated() {
            if memory.row(after: place) == vma { known |= 1 << UInt8(bit) }
            place = vma.end
        }
        return known
    }

    private mutating func optional(_ vma: inout VMA?, at address: UInt64, place: UInt64) {
        // 0: none; 1: the remembered one; 2: another.
        var state: UInt8 = vma == nil ? 0 : vma == memory.row(after: place) ? 1 : 2
        stream.byte(&state)
        if state == 0 { return vma = nil }
        if state == 1 {
            vma = memory.row(after: place)
            if vma == nil { stream.fail("a VMA that was never defined") }
            return
        }
        if state > 2 { stream.fail("an unknown state of a VMA") }
        var found = vma ?? Self.nothing
        stream.value(&found.range.start, near: memory.row(after: place)?.start ?? address)
        self.vma(&found, at: found.start, place: place)
        vma = found
    }

    private static var nothing: VMA { VMA(.empty, pgoff: 0, flags: []) }

    /// The fields of a VMA that are not as expected.
    private struct Parts: OptionSet {
        var rawValue: UInt8
        static var end: Parts { Parts(rawValue: 1 << 0) }
        static var pgoff: Parts { Parts(rawValue: 1 << 1) }
        static var kind: Parts { Parts(rawValue: 1 << 2) }
        static var anonVMA: Parts { Parts(rawValue: 1 << 3) }
        static var anonPgoff: Parts { Parts(rawValue: 1 << 4) }
        static var all: Parts { [.end, .pgoff, .kind, .anonVMA, .anonPgoff] }
    }

    /// A VMA that starts at `start`, by its differences from the one remembered for its place: if that was cut, its
    /// end stays and its offset is adjusted.
    private mutating func vma(_ vma: inout VMA, at start: UInt64, place: UInt64) {
        let base = memory.row(after: place)
        let pages = start >> AddressRange.pageShift
        let moved = base.map { Int64(bitPattern: start &- $0.start) >> 12 } ?? 0
        let pgoff = base.map { $0.pgoff &+ UInt64(bitPattern: moved) } ?? pages
        let end = base?.end ?? start &+ 1 << AddressRange.pageShift
        let anonVMA = base?.anonVMA ?? 0
        let baseKind = base.map(TraceMemory.Kind.init) ?? memory.lastKind
        var kind = TraceMemory.Kind(vma)

        var parts: Parts = []
        if !Stream.isReader {
            if kind != baseKind { parts.insert(.kind) }
            if vma.end != end { parts.insert(.end) }
            if vma.pgoff != pgoff { parts.insert(.pgoff) }
            if vma.anonVMA != anonVMA { parts.insert(.anonVMA) }
            if vma.anonPgoff != anonPgoff(kind, base, moved: moved, pages) { parts.insert(.anonPgoff) }
        }
        stream.byte(&parts.rawValue)
        if !parts.isSubset(of: .all) { stream.fail("an unknown field of a VMA") }
        vma.range.start = start
        if parts.contains(.kind) { self.kind(&kind) } else { kind = baseKind }
        if parts.contains(.end) { stream.value(&vma.range.end, near: start) } else { vma.range.end = end }
        if parts.contains(.pgoff) { stream.value(&vma.pgoff, near: pgoff) } else { vma.pgoff = pgoff }
        if parts.contains(.anonVMA) { near(&vma.anonVMA, anonVMA) } else { vma.anonVMA = anonVMA }
        let expected = anonPgoff(kind, base, moved: moved, pages)
        if parts.contains(.anonPgoff) { stream.value(&vma.anonPgoff, near: expected) } else { vma.anonPgoff = expected }
        (vma.flags, vma.file, vma.policy, vma.uffd, vma.name, vma.traits) = (
            VMAFlags(rawValue: kind.flags), kind.file, kind.policy, kind.uffd, kind.name,
            VMA.Traits(rawValue: kind.traits)
        )
        memory.lastKind = kind
        memory.note(vma, after: place)
    }

    private func anonPgoff(_ kind: TraceMemory.Kind, _ base: VMA?, moved: Int64, _ pages: UInt64) -> UInt64 {
        guard VMA.Traits(rawValue: kind.traits).contains(.hasAnonPgoff) else { return base?.anonPgoff ?? 0 }
        return base.map { $0.anonPgoff &+ UInt64(bitPattern: moved) } ?? pages
    }

    private mutating func kind(_ kind: inout TraceMemory.Kind) {
        var number = Stream.isReader ? 0 : memory.kinds.number(of: kind)
        stream.number(&number)
        if number > 0 {
            guard Stream.isReader else { return }
            if let known = memory.kinds[number] { kind = known } else { stream.fail("kind \(number) was never defined") }
            return
        }
        stream.number(&kind.flags)
        stream.number32(&kind.file)
        stream.number32(&kind.policy)
        stream.number32(&kind.uffd)
        stream.number32(&kind.name)
        var traits = UInt32(kind.traits)
        stream.number32(&traits)
        if traits > UInt16.max { stream.fail("traits of more than 16 bits") }
        kind.traits = UInt16(truncatingIfNeeded: traits)
        memory.kinds.add(kind)
    }
}

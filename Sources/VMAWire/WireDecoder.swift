import CVMAWire
import VMACore

/// Turns the bytes of one record of the ring (CVMAWire/include/vma_wire.h) into an `Event`.
public struct WireDecoder {
    public enum Failure: Error, Equatable {
        /// The record is shorter than its kind needs: `bytes` of `needed`.
        case short(kind: UInt16, bytes: Int, needed: Int)
        case unknownKind(UInt16)
        case invalid(String)
    }

    public var interners = Interners()
    private var stackNames = StackNames()
    /// By file whose path was recorded: what the path can be checked by.
    public private(set) var fileNumbers: [FileID: FileNumbers] = [:]
    /// The next number expected of each CPU.
    private var expected: [UInt32] = []
    /// Those of the record before, in memory that is used again, if nobody has kept them.
    private var vmas: [VMA] = []

    public init() {}

    /// Whether numbers are to be forgotten that nothing has any more, beside those of files and names.
    public var isCrowded: Bool {
        interners.policies.isCrowded || interners.contexts.isCrowded || interners.anonVMAs.isCrowded
    }

    /// Whether there are so many numbers, of files and names, too, that waiting for a better time would take much memory.
    public var isOvercrowded: Bool {
        interners.policies.isOvercrowded || interners.contexts.isOvercrowded || interners.anonVMAs.isOvercrowded
            || interners.files.isOvercrowded || interners.names.isOvercrowded
    }

    /// Forgets the numbers that nothing has any more. A file that is mapped again later is another file.
    public mutating func keep(_ kept: KeptNumbers) {
        interners.files.keep(kept.has(file:))
        interners.names.keep(kept.has(name:))
        interners.policies.keep(kept.has(policy:))
        interners.contexts.keep(kept.has(context:))
        interners.anonVMAs.keep(kept.has(anonVMA:))
        fileNumbers = fileNumbers.filter { kept.has(file: $0.key) }
    }

    /// Drops all ids except those of address spaces and stacks.
    public mutating func forgetAllButAddressSpaces() {
        interners.forgetAllButAddressSpaces()
        fileNumbers = [:]
    }

    /// Records missing before this one, by the gap in the CPU's numbers.
    public mutating func missing(before record: UnsafeRawBufferPointer) -> UInt64 {
        guard record.count >= MemoryLayout<vme_header>.size else { return 0 }
        let header = record.loadUnaligned(as: vme_header.self)
        let cpu = Int(header.cpu)
        while expected.count <= cpu { expected.append(0) }
        let gap = Int32(bitPattern: header.seq &- expected[cpu])
        // A record that comes late was counted as missing when it was passed over.
        guard gap >= 0 else { return 0 }
        expected[cpu] = header.seq &+ 1
        return UInt64(gap)
    }

    /// Records missing after the last one: `next` holds the number that each CPU would take.
    public mutating func missing(atEnd next: [UInt32]) -> UInt64 {
        var missing: UInt64 = 0
        while expected.count < next.count { expected.append(0) }
        for (cpu, next) in next.enumerated() {
            let gap = Int32(bitPattern: next &- expected[cpu])
            guard gap > 0 else { continue }
            missing += UInt64(gap)
            expected[cpu] = next
        }
        return missing
    }

    /// Whether any CPU has numbered a record that has not come.
    public func isMissing(before next: [UInt32]) -> Bool {
        next.enumerated().contains { cpu, next in
            Int32(bitPattern: next &- (cpu < expected.count ? expected[cpu] : 0)) > 0
        }
    }

    public mutating func decode(_ record: UnsafeRawBufferPointer) throws(Failure) -> Event {
        let header = try load(record, vme_header.self, kind: 0)
        let kind = header.kind
        let origin = Origin(
            time: header.time, mm: interners.mms.id(header.mm), tgid: header.tgid, tid: header.tid)
        switch vme_kind(UInt32(kind)) {
        case VME_ROWS: return try rows(record, origin)
        case VME_SECTION: return .section(try section(record, origin))
        case VME_ATTEMPT: return .attempt(try attempt(record, origin))
        case VME_COMMIT:
            let commit = try load(record, vme_commit.self, kind: kind)
            return .commit(origin, AddressRange(commit.start, commit.end))
        case VME_FORK: return .fork(try life(record, origin))
        case VME_EXEC: return .exec(try life(record, origin))
        case VME_EXIT:
            let life = try life(record, origin)
            interners.mms.forget(header.mm)
            return .exit(life)
        case VME_FILE: return try file(record)
        case VME_NAME:
            let name = try load(record, vme_name.self, kind: kind)
            return .name(interners.names.id(name.name), text: withUnsafeBytes(of: name.text) { text($0[...]) })
        case VME_CALLS: return try stack(record)
        case VME_REFUSAL: return .refusal(try refusal(record, origin))
        case VME_ANSWER: return .answer(origin, try load(record, vme_answer.self, kind: kind).result)
        case VME_COUNTED:
            let counted = try load(record, vme_counted.self, kind: kind)
            return .counted(
                origin,
                PageCount(
                    AddressRange(counted.start, counted.end), present: UInt64(counted.present), zero: UInt64(counted.zero),
                    swapped: UInt64(counted.swapped), isPartial: counted.partial != 0))
        default: throw .unknownKind(kind)
        }
    }

    /// The last counts of an address space that has ended, if the record has them. They are no event, since nothing
    /// has happened.
    public mutating func tally(_ record: UnsafeRawBufferPointer) -> (mm: MMID, counts: SectionCounts)? {
        let kind = UInt16(VME_TALLY.rawValue)
        guard record.count >= 2, record.loadUnaligned(as: UInt16.self) == kind,
            let tally = try? load(record, vme_tally.self, kind: kind)
        else { return nil }
        defer { interners.mms.forget(tally.h.mm) }
        return (interners.mms.id(tally.h.mm), Self.counts(tally.counts, born: tally.born))
    }

    public static func counts(_ counts: vme_counts, born: UInt64) -> SectionCounts {
        var found = SectionCounts()
        found.born = born
        found.recorded = counts.told
        found.skipped = counts.skipped
        withUnsafeBytes(of: counts.sections) { bytes in
            let all = bytes.bindMemory(to: UInt64.self)
            for operation in Operation.allCases.indices {
                for change in Flow.Change.allCases {
                    found[operation, change.rawValue] = all[operation * Int(VME_OUTCOMES.rawValue) + change.rawValue]
                }
            }
        }
        func places(_ counts: UnsafeRawBufferPointer) -> [UInt64] {
            Array(counts.bindMemory(to: UInt64.self).prefix(Operation.allCases.count))
        }
        found.attempts = withUnsafeBytes(of: counts.attempts, places)
        found.merged = withUnsafeBytes(of: counts.merged, places)
        return found
    }

    /// The number of records so far whose stack is unknown: it was lost, or not copied to spare the ring.
    public var unknownStacks: Int { stackNames.unknown }

    /// From now on the copy with this key stands for these addresses. Returns the event that defines them, if they
    /// are new.
    public mutating func name(copy key: UInt64, _ addresses: [UInt64]) -> (stack: StackID, event: Event?) {
        let (stack, isNew) = stackNames.name(key, addresses, &interners.stacks)
        return (stack, isNew ? .stack(stack, addresses) : nil)
    }

    /// From now on the copy with this key means a stack that has been told before.
    public mutating func name(copy key: UInt64, _ stack: StackID) { stackNames.name(key, stack) }

    private func load<T: BitwiseCopyable>(
        _ record: UnsafeRawBufferPointer, _ type: T.Type, kind: UInt16
    ) throws(Failure) -> T {
        guard record.count >= MemoryLayout<T>.size else {
            throw .short(kind: kind, bytes: record.count, needed: MemoryLayout<T>.size)
        }
        return record.loadUnaligned(as: type)
    }

    private mutating func rows(_ record: UnsafeRawBufferPointer, _ origin: Origin) throws(Failure) -> Event {
        let head = MemoryLayout<vme_rows>.offset(of: \vme_rows.rows)!
        guard record.count >= head else { throw .short(kind: 1, bytes: record.count, needed: head) }
        // Shorter than the struct, which has room for the most rows there can be: field by field.
        func field<T: BitwiseCopyable>(_ path: KeyPath<vme_rows, T>) -> T {
            record.loadUnaligned(fromByteOffset: MemoryLayout<vme_rows>.offset(of: path)!, as: T.self)
        }
        let count = Int(field(\.count))
        let size = MemoryLayout<vme_row>.size
        guard count <= Int(VME_ROWS_MAX), record.count >= head + count * size else {
            throw .short(kind: 1, bytes: record.count, needed: head + count * size)
        }
        guard let reason = Rows.Reason(rawValue: field(\.reason)) else {
            throw .invalid("rows for the unknown reason \(field(\.reason))")
        }
        var truncated = field(\.truncated) != 0
        var (taken, end) = (0, UInt64(0))
        for index in 0 ..< count {
            let row = record.loadUnaligned(fromByteOffset: head + index * size, as: vme_row.self)
            // A layout relies on order, and a recording may be damaged.
            guard row.start < row.end, row.start >= end else {
                // Read without the lock, while somebody changed it.
                guard reason == .snapshot else { throw .invalid("rows out of order") }
                truncated = true
                break
            }
            end = row.end
            let vma = interners.vma(row)
            if taken < vmas.count { vmas[taken] = vma } else { vmas.append(vma) }
            taken += 1
        }
        // For so few this costs less than `removeLast(_:)`.
        while vmas.count > taken { vmas.removeLast() }
        return .rows(
            Rows(
                origin, AddressRange(field(\.lo), field(\.hi)), reason, truncated: truncated, vmas))
    }

    private mutating func section(
        _ record: UnsafeRawBufferPointer, _ origin: Origin
    ) throws(Failure) -> Section {
        let section = try load(record, vme_section.self, kind: 2)
        let flags = section.flags
        let isNative = flags & (VME_FOREIGN.rawValue | VME_COMPAT.rawValue) == 0
        var ranges = Section.Ranges()
        if section.lo < section.hi { ranges.append(AddressRange(section.lo, section.hi)) }
        if section.lo2 < section.hi2 { ranges.append(AddressRange(section.lo2, section.hi2)) }
        return Section(
            origin, Syscall(number: section.nr, arguments: Syscall.Arguments(section.args), isNative: isNative),
            stack: stackNames.id(section.stack, &interners.stacks), ranges: ranges, writes: section.writes,
            incomplete: flags & VME_INCOMPLETE.rawValue != 0, oneIn: section.one_in, growth: section.growth)
    }

    private mutating func attempt(
        _ record: UnsafeRawBufferPointer, _ origin: Origin
    ) throws(Failure) -> HookedAttempt {
        let attempt = try load(record, vme_attempt.self, kind: 3)
        guard let site = HookedAttempt.Site(rawValue: attempt.site) else {
            throw .invalid("an attempt at the unknown site \(attempt.site)")
        }
        let proposed = interners.vma(attempt.proposed)
        let prev = attempt.flags & VME_HAS_PREV.rawValue != 0 ? interners.vma(attempt.prev) : nil
        let next = attempt.flags & VME_HAS_NEXT.rawValue != 0 ? interners.vma(attempt.next) : nil
        let middle = attempt.flags & VME_HAS_MIDDLE.rawValue != 0 ? interners.vma(attempt.middle) : nil
        return HookedAttempt(
            origin, Syscall(number: attempt.nr, arguments: Syscall.Arguments(attempt.args)),
            stack: stackNames.id(attempt.stack, &interners.stacks), site: site, proposed: proposed, prev: prev, next: next,
            middle: middle)
    }

    private mutating func life(_ record: UnsafeRawBufferPointer, _ origin: Origin) throws(Failure) -> Life {
        let life = try load(record, vme_life.self, kind: 5)
        return Life(
            origin, parent: interners.mms.id(life.other_mm), parentTgid: life.other_tgid,
            command: withUnsafeBytes(of: life.comm) { text($0[...]) })
    }

    private mutating func file(_ record: UnsafeRawBufferPointer) throws(Failure) -> Event {
        let file = try load(record, vme_file.self, kind: 8)
        let at = min(Int(file.at), Int(VME_PATH_MAX) - 1)
        let id = interners.file(file.file, file.inode)
        fileNumbers[id] = FileNumbers(
            inode: file.number, device: file.device, generation: file.generation, size: file.size, modified: file.modified)
        let path = withUnsafeBytes(of: file.path) { text($0[at...]) }
        return .file(
            id, path: FileName.text(path, magic: file.magic, number: file.number, flags: file.flags))
    }

    /// VME_IS_MAPPED.
    private static let isMapped: UInt64 = 1 << 63

    private mutating func refusal(_ record: UnsafeRawBufferPointer, _ origin: Origin) throws(Failure) -> Refusal {
        let refusal = try load(record, vme_refusal.self, kind: UInt16(VME_REFUSAL.rawValue))
        var facts = Refusal.Facts()
        (facts.mapCount, facts.mapLimit) = (UInt64(refusal.map_count), UInt64(refusal.map_limit))
        (facts.totalPages, facts.dataPages, facts.lockedPages) = (refusal.total_vm, refusal.data_vm, refusal.locked_vm)
        (facts.limitOfSpace, facts.limitOfData) = (refusal.limit_as, refusal.limit_data)
        (facts.limitOfLocked, facts.flagsOfNew, facts.brk) = (refusal.limit_locked, refusal.def_flags, refusal.brk)
        if refusal.flags_at != 0 { facts.flagsThere = VMAFlags(rawValue: refusal.flags_at & ~Self.isMapped) }
        return Refusal(
            origin, Syscall(number: refusal.nr, arguments: Syscall.Arguments(refusal.args)),
            stack: stackNames.id(refusal.stack, &interners.stacks), count: refusal.count, facts: facts)
    }

    private mutating func stack(_ record: UnsafeRawBufferPointer) throws(Failure) -> Event {
        let head = MemoryLayout<vme_calls>.offset(of: \vme_calls.addresses)!
        guard record.count >= head else { throw .short(kind: 10, bytes: record.count, needed: head) }
        let key = record.loadUnaligned(fromByteOffset: MemoryLayout<vme_calls>.offset(of: \vme_calls.key)!, as: UInt64.self)
        let count = Int(
            record.loadUnaligned(fromByteOffset: MemoryLayout<vme_calls>.offset(of: \vme_calls.count)!, as: UInt32.self))
        guard count <= Int(VME_CALLS_MAX), record.count >= head + count * 8 else {
            throw .short(kind: 10, bytes: record.count, needed: head + count * 8)
        }
        return .stack(
            interners.stacks.id(key),
            CallPath.byFramePointers(
                (0 ..< count).map { record.loadUnaligned(fromByteOffset: head + $0 * 8, as: UInt64.self) }))
    }

    /// Up to the first zero; what is no UTF-8 is replaced.
    private func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

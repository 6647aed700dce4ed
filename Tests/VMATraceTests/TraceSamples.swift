import TestSupport
import VMACore

@testable import VMATrace

/// Random events of every kind, as a few processes with a few dozen VMAs would make them, and now
/// and then with the largest numbers that there are.
struct EventSource {
    var dice: SplitMix64
    private var time: UInt64 = 1_000_000_000_000

    init(_ seed: UInt64) { dice = SplitMix64(state: seed) }

    static let kinds = 20

    mutating func events(_ count: Int) -> [Event] { (0 ..< count).map { _ in event(dice.below(Self.kinds)) } }

    mutating func event(_ kind: Int) -> Event {
        switch kind {
        case 0:
            let reasons: [Rows.Reason] = [.before, .after, .forked, .image, .audit, .snapshot, .grown]
            let vmas = vmas(dice.below(17))
            let range = AddressRange(vmas.first?.start ?? 0, vmas.last?.end ?? page())
            return .rows(Rows(origin(), range, reasons[dice.below(7)], truncated: dice.chance(8), vmas))
        case 1:
            var ranges = Section.Ranges()
            for _ in 0 ..< dice.below(3) { ranges.append(range()) }
            return .section(
                Section(
                    origin(), syscall(), stack: id(), ranges: ranges, writes: id(), incomplete: dice.chance(8)))
        case 2:
            let sites: [HookedAttempt.Site] = [.vmaMerge, .mmapRegion, .brk, .newRange, .modify]
            let vmas = vmas(4)
            return .attempt(
                HookedAttempt(
                    origin(), syscall(), stack: id(), site: sites[dice.below(5)], proposed: vmas[1],
                    prev: dice.chance(3) ? nil : vmas[0], next: dice.chance(3) ? nil : vmas[2],
                    middle: dice.chance(2) ? nil : vmas[3]))
        case 3: return .commit(origin(), range())
        case 4: return .fork(life())
        case 5: return .exec(life())
        case 6: return .exit(life())
        case 7: return .file(id(), path: text())
        case 8: return .name(id(), text: text())
        case 9: return .stack(id(), [])
        case 10: return .lost(dice.chance(2) ? 1 : UInt64(UInt32.max))
        case 11: return .settled
        case 12: return .adopted(mm(), tgid: id(), command: text())
        case 13: return .snapshot(mm(), vmas(dice.below(40)), asOf: now())
        case 14: return .compared(mm(), vmas(dice.below(40)))
        case 15: return .frames(mm(), id(), (0 ..< dice.below(5)).map { _ in text() })
        case 16:
            let mapped = PageUse.Mapped.allCases
            return .pages(mm(), (0 ..< dice.below(5)).map { _ in PageUse(range(), mapped[dice.below(3)]) })
        case 17: return .aged(mm(), now())
        case 18:
            return .counted(
                origin(),
                PageCount(
                    range(), present: UInt64(id()), zero: UInt64(id()), swapped: UInt64(id()), isPartial: dice.chance(2)))
        default: return .released
        }
    }

    private mutating func now() -> UInt64 {
        if dice.chance(50) { return dice.next() }
        time += UInt64(dice.below(100_000))
        return time - UInt64(dice.below(1000))
    }

    private mutating func origin() -> Origin {
        Origin(time: now(), mm: mm(), tgid: UInt32(100 + dice.below(3)), tid: UInt32(100 + dice.below(6)))
    }

    private mutating func mm() -> MMID { MMID(dice.below(4)) }
    private mutating func id() -> UInt32 { dice.chance(20) ? .max : UInt32(dice.below(10)) }
    private mutating func page() -> UInt64 { 0x7f00_0000_0000 + UInt64(dice.below(64)) << 12 }

    private mutating func range() -> AddressRange {
        if dice.chance(20) { return AddressRange(dice.next(), dice.next()) }
        let start = page()
        return AddressRange(start, start + UInt64(dice.below(8)) << 12)
    }

    private mutating func syscall() -> Syscall {
        let numbers: [Int32] = [-1, 9, 10, 11, 12, 25, 28, 30, 157, 237, .min, .max]
        let arguments = (0 ..< 6).map { _ in dice.chance(10) ? dice.next() : dice.chance(2) ? page() : UInt64(dice.below(64)) }
        return Syscall(number: numbers[dice.below(12)], arguments: Syscall.Arguments(arguments), isNative: !dice.chance(8))
    }

    private mutating func life() -> Life { Life(origin(), parent: mm(), parentTgid: id(), command: text()) }

    private mutating func text() -> String {
        ["", "main", "/usr/lib/libc.so.6", "naïve \u{1b}[31m", String(repeating: "x", count: dice.below(300))][dice.below(5)]
    }

    private mutating func vmas(_ count: Int) -> [VMA] {
        var start = dice.chance(30) ? 0x1001 : page()
        return (0 ..< count).map { _ in
            if dice.chance(3) { start += UInt64(dice.below(4)) << 12 }
            defer { start += 0x4000 }
            let flags: [UInt64] = [0x73, 0x71, 0x100073, 0x8100073, 0xfb, 0x75, .max]
            let traits: [UInt16] = [0, 0x103, 0x303, 0x3ff, .max]
            return VMA(
                AddressRange(start, start + UInt64(1 + dice.below(4)) << 12), pgoff: dice.chance(3) ? dice.next() : start >> 12,
                flags: VMAFlags(rawValue: flags[dice.below(7)]), anonVMA: dice.chance(2) ? 0 : id(),
                file: dice.chance(3) ? id() : 0, policy: dice.chance(8) ? id() : 0, uffd: dice.chance(8) ? id() : 0,
                name: dice.chance(8) ? id() : 0, anonPgoff: dice.chance(2) ? 0 : dice.chance(2) ? start >> 12 : dice.next(),
                traits: VMA.Traits(rawValue: traits[dice.below(5)]))
        }
    }
}

enum Recording {
    static let header = TraceHeader(
        toolVersion: "0.1.0", kernel: "6.18.44", source: "tracepoints", model: model, isHooked: false, waits: true,
        started: "2026-11-23T17:30:07Z", startTime: 1_000_000_000_000, mapLimit: 65_530, hasStacks: true)

    private static var model: KernelModel {
        var model = KernelModel(
            anonVMARule: .forkChild, mergesCopiesOfForks: true, hole: .prev, close: .removed,
            ignoredFlags: [.softDirty, .maybeGuard])
        model.keptSource = .apart
        model.hasAnonPgoff = true
        model.addsMergeableLate = true
        model.dropsAccount = true
        model.brk = .start
        model.names = .shared
        model.flagNames = FlagNames(learned: [45: "VM_TEST"])
        return model
    }

    /// All bytes of a recording of `events`, so many in a block.
    static func bytes(
        _ events: [Event], perBlock: Int = 20, header: TraceHeader = header, end: TraceEnd? = TraceEnd(time: 2_000_000_000_000)
    ) -> [UInt8] {
        var writer = TraceWriter()
        var bytes = TraceWriter.start(header)
        for event in events {
            writer.append(event)
            if writer.pendingEvents == perBlock { bytes += writer.takeBlock() }
        }
        return bytes + writer.takeBlock() + (end.map(TraceWriter.end) ?? [])
    }

    /// A source that gives a few bytes at a time.
    static func source(_ bytes: [UInt8], atOnce: Int = .max) -> TraceReader.Source {
        var next = 0
        return { count in
            let part = bytes[next...].prefix(min(count, atOnce))
            next += part.count
            return Array(part)
        }
    }

    struct Reading {
        var events: [Event] = []
        var header: TraceHeader?
        var end: TraceEnd?
        var error: TraceError?
    }

    static func read(_ bytes: [UInt8], atOnce: Int = .max) -> Reading {
        var reading = Reading()
        do {
            var reader = try TraceReader(source(bytes, atOnce: atOnce))
            reading.header = reader.header
            while try reader.next({ reading.events.append($0) }) {}
            reading.end = reader.end
        } catch {
            reading.error = error as? TraceError
        }
        return reading
    }

    /// Where each block begins, as the heads say.
    static func blocks(_ bytes: [UInt8]) -> [Int] {
        var at = TraceFormat.startSize
        var blocks: [Int] = []
        while at + TraceFormat.headSize <= bytes.count {
            blocks.append(at)
            at += TraceFormat.headSize + Int(TraceFormat.value(bytes, at: at + 4))
        }
        return blocks
    }

    /// Makes the checksums fit again, as far as there are whole blocks.
    static func mend(_ bytes: inout [UInt8]) {
        for at in blocks(bytes) {
            let end = at + TraceFormat.headSize + Int(TraceFormat.value(bytes, at: at + 4))
            guard end <= bytes.count else { return }
            let sum = Checksum.of(Array(bytes[at ..< at + 12]), Array(bytes[at + TraceFormat.headSize ..< end]))
            bytes.replaceSubrange(at + 12 ..< at + 16, with: TraceFormat.bytes(sum))
        }
    }
}

import Foundation
import VMACore

@testable import VMATrace

/// Recordings of very many processes, in as few bytes as the format allows.
enum CrowdRecording: String, CaseIterable {
    /// Processes that live, each with one VMA.
    case small
    /// Processes that live and of which nothing is known.
    case unknown
    /// Processes that live, each with VMAs that differ from each other.
    case motley
    /// The same, and each unmaps half of its VMAs.
    case shrunk
    /// The same, and each has ended.
    case ended
    /// Processes whose layouts the proposals would change.
    case proposals
    /// Processes that live and were refused a call each.
    case refused
    /// Processes that live and missed merges.
    case missed
    /// Processes whose count of VMAs has changed all the time.
    case history

    static let header = TraceHeader(
        toolVersion: "1", kernel: "6.1.0", source: "hooks",
        model: KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed),
        isHooked: true, waits: false, started: "", startTime: 1, mapLimit: 65530, hasStacks: true)

    private static func origin(_ mm: MMID, _ time: UInt64 = 2) -> Origin { Origin(time: time, mm: mm, tgid: mm, tid: mm) }

    private static let palette: [VMAFlags] = (0 ..< 64 as Range<UInt64>).map { bits in
        let (protection, other) = (bits & 7, bits >> 3)
        return VMAFlags(rawValue: protection | (other & 3) << 13 | (other >> 2) << 18)
    }

    private static func motleyVMAs(_ count: Int) -> [VMA] {
        (0 ..< count).map { index in
            let page = UInt64(index) + 16
            return VMA(
                AddressRange(page << 12, (page + 1) << 12), pgoff: page, flags: palette[(index * 37 + index / 64) % 64])
        }
    }

    private static func unmap(_ mm: MMID, _ vmas: [VMA]) -> [Event] {
        let half = Array(vmas[(vmas.count / 2)...])
        let range = AddressRange(vmas[0].start, half[0].start)
        return [
            .rows(Rows(origin(mm), AddressRange(range.start, range.end + 1), .after, truncated: false, [half[0]])),
            .section(
                Section(
                    origin(mm), Syscall(number: 11, arguments: [range.start, range.end - range.start]), stack: 0, ranges: [range],
                    writes: 1, incomplete: false)),
        ]
    }

    /// The events of a number of processes.
    func events(of number: MMID) -> [Event] {
        let one = [VMA(AddressRange(1 << 12, 2 << 12), pgoff: 1, flags: [.read])]
        let adopted = Event.adopted(number, tgid: 7, command: "x")
        let motley = Self.motleyVMAs(128)
        switch self {
        case .unknown: return [adopted]
        case .small: return [adopted, .snapshot(number, one, asOf: 1)]
        case .motley: return [adopted, .snapshot(number, motley, asOf: 1)]
        case .shrunk: return [adopted, .snapshot(number, motley, asOf: 1)] + Self.unmap(number, motley)
        case .ended:
            return [
                adopted, .snapshot(number, motley, asOf: 1),
                .exit(Life(Self.origin(number), parent: 0, parentTgid: 0, command: "x")),
                .settled, .released,
            ]
        case .refused:
            var facts = Refusal.Facts()
            (facts.mapCount, facts.mapLimit) = (65_530, 65_530)
            return [
                adopted, .snapshot(number, one, asOf: 1),
                .refusal(
                    Refusal(
                        Self.origin(number), Syscall(number: 9, arguments: []), stack: 0, count: 1,
                        facts: facts)),
            ]
        case .missed, .proposals:
            let isHeadline = self == .proposals
            let (prev, next) = (
                Self.vma(15, isHeadline ? 5 : 15, isHeadline ? [.read] : [.read, .write]), Self.vma(17, 27, [.read])
            )
            let range = AddressRange(16 << 12, 17 << 12)
            let proposed = Self.vma(16, 16, [.read])
            return [
                adopted, .snapshot(number, [prev, next], asOf: 1),
                .attempt(
                    HookedAttempt(
                        Self.origin(number), Syscall(number: 9, arguments: [16 << 12, 4096, 3, 0x22]), stack: 0, site: .vmaMerge,
                        proposed: proposed, prev: prev, next: next, middle: nil)),
                .rows(
                    Rows(
                        Self.origin(number), AddressRange(range.start - 1, range.end + 1), .after, truncated: false,
                        [prev, proposed, next])),
                .section(
                    Section(
                        Self.origin(number), Syscall(number: 9, arguments: [16 << 12, 4096, 3, 0x22]), stack: 0, ranges: [range],
                        writes: 1, incomplete: false)),
            ]
        case .history:
            return [adopted, .snapshot(number, one, asOf: 1)]
                + (0 ..< 512).map { step in
                    .section(
                        Section(
                            Self.origin(number, UInt64(step) * 1_000_000), Syscall(number: 9, arguments: []), stack: 0,
                            ranges: [],
                            writes: 1, incomplete: false))
                }
        }
    }

    private static func vma(_ page: UInt64, _ pgoff: UInt64, _ flags: VMAFlags) -> VMA {
        VMA(AddressRange(page << 12, (page + 1) << 12), pgoff: pgoff, flags: flags, anonVMA: 1)
    }

    /// A recording of so many processes.
    func bytes(_ count: Int) -> [UInt8] {
        var writer = TraceWriter()
        var bytes = TraceWriter.start(Self.header)
        for number in 1 ... MMID(count) {
            for event in events(of: number) { writer.append(event) }
            if writer.pendingBytes > 1 << 20 { bytes += writer.takeBlock() }
        }
        return bytes + writer.takeBlock() + TraceWriter.end(TraceEnd(time: 2_000_000_000))
    }
}

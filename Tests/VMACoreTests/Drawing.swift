@testable import VMACore

/// Memory as it is drawn in discussions of merging: one character is one page.
///
///     Drawing("AA*B", ["A": .anon(1), "B": .anon(2).pgoff(+7)])
///
/// A letter is a page of a VMA, and the same letters side by side are one VMA; `.` is a hole and
/// `*` the range that is proposed. What is not said of a letter is as after a fresh
/// `mmap(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)` that nobody has touched.
struct Drawing {
    let vmas: [VMA]
    /// The VMA that the `*` would become.
    let proposed: VMA?

    /// The address of the first character.
    static let origin: UInt64 = 0x7000_0000
    static let pageSize: UInt64 = 1 << AddressRange.pageShift

    init(_ picture: String, _ notes: [Character: Note] = [:]) {
        var vmas: [VMA] = []
        var proposed: VMA?
        var last: Character = "."
        for (page, character) in picture.enumerated() {
            defer { last = character }
            let range = pages(page, page + 1)
            let continues = character == last
            switch character {
            case ".": continue
            case "*" where continues: proposed!.range.end = range.end
            case _ where continues: vmas[vmas.count - 1].range.end = range.end
            default:
                let offset = range.start >> AddressRange.pageShift
                let fresh = VMA(range, pgoff: offset, flags: .fresh, anonPgoff: offset)
                let vma = (notes[character] ?? .none).applied(to: fresh)
                if character == "*" { proposed = vma } else { vmas.append(vma) }
            }
        }
        self.vmas = vmas
        self.proposed = proposed
    }

    /// The VMA right before the `*`, and the one right after it.
    var prev: VMA? { vmas.first { $0.end == proposed?.start } }
    var next: VMA? { vmas.first { $0.start == proposed?.end } }

    func attempt(
        _ operation: VMACore.Operation = .mmap, replacesVMA: Bool = false, isCopy: Bool = false,
        considersNext: Bool = true, merged: MergeAttempt.Outcome = .init(prev: false, next: false)
    ) -> MergeAttempt {
        MergeAttempt(
            origin: .drawn, operation: operation, stack: 0, proposed: proposed!, replacesVMA: replacesVMA,
            isCopy: isCopy, prev: prev.map { .init($0) }, next: considersNext ? next.map { .init($0) } : nil,
            considersNext: considersNext, outcome: merged)
    }

    /// The exact differences on the sides, where nothing merges.
    func details(by model: KernelModel, replacesVMA: Bool = false) -> [String?] {
        let judge = Judge(model)
        let attempt = attempt(
            .mmap, replacesVMA: replacesVMA, isCopy: false, considersNext: true, merged: .init(prev: false, next: false))
        return judge.judge(attempt).sides.map { judge.detail($0, of: attempt) }
    }

    func judged(
        by model: KernelModel = .v6_12, _ operation: VMACore.Operation = .mmap, replacesVMA: Bool = false,
        isCopy: Bool = false, considersNext: Bool = true,
        merged: MergeAttempt.Outcome = .init(prev: false, next: false)
    ) -> Verdict {
        Judge(model).judge(
            attempt(
                operation, replacesVMA: replacesVMA, isCopy: isCopy, considersNext: considersNext,
                merged: merged))
    }

    /// What separates the only two VMAs drawn, as they stand.
    func boundary(by model: KernelModel = .v6_12) -> (blockers: Blockers, detail: String?, whatIf: WhatIf?) {
        precondition(vmas.count == 2)
        let (blockers, left, right) = Judge(model).boundary(vmas[0], vmas[1])
        let whatIf = WhatIfAnswers.either(left, right)[Proposals.rfc]
        return (blockers, Judge(model).detail(blockers, vmas[0], vmas[1]), whatIf)
    }
}

/// The pages [from, to) of a drawing, counted from 0.
func pages(_ from: Int, _ to: Int) -> AddressRange {
    AddressRange(page(from), page(to))
}

/// The address of a page of a drawing.
func page(_ index: Int) -> UInt64 { UInt64(Int(Drawing.origin) + index * Int(Drawing.pageSize)) }

/// What is said of a letter.
struct Note: Sendable {
    private var changes: [@Sendable (inout VMA) -> Void] = []

    func applied(to vma: VMA) -> VMA {
        var changed = vma
        for change in changes { change(&changed) }
        return changed
    }

    private func with(_ change: @escaping @Sendable (inout VMA) -> Void) -> Note {
        var note = self
        note.changes.append(change)
        return note
    }

    static let none = Note()

    /// Touched, by this process alone.
    static func anon(_ id: AnonVMAID) -> Note { none.anon(id) }
    func anon(_ id: AnonVMAID) -> Note {
        with { vma in
            vma.anonVMA = id
            vma.traits.formUnion([.chainSingular, .ownRoot, .anonKnown])
        }
    }

    /// Touched before a fork, in the child: its chain holds the parent's anon_vma, too.
    static func inherited(_ id: AnonVMAID) -> Note { anon(id).dropping([.chainSingular, .ownRoot]) }
    /// Touched before a fork, in the parent, while the child lives.
    static func parent(_ id: AnonVMAID) -> Note { anon(id).traits(.hasChildren) }
    /// Touched, but whether it is shared could not be read.
    static func unreadable(_ id: AnonVMAID) -> Note { anon(id).dropping([.ownRoot, .anonKnown]) }

    /// Offsets that are so many pages ahead of the address.
    static func pgoff(_ shift: Int) -> Note { none.pgoff(shift) }
    func pgoff(_ shift: Int) -> Note { with { $0.pgoff = UInt64(Int64($0.pgoff) + Int64(shift)) } }

    /// The same of the offsets by which private pages are found.
    static func anonPgoff(_ shift: Int) -> Note { none.anonPgoff(shift) }
    func anonPgoff(_ shift: Int) -> Note { with { $0.anonPgoff = UInt64(Int64($0.anonPgoff) + Int64(shift)) } }

    static func file(_ id: FileID) -> Note { none.file(id) }
    func file(_ id: FileID) -> Note { with { $0.file = id } }
    static func policy(_ id: UInt32) -> Note { none.policy(id) }
    func policy(_ id: UInt32) -> Note { with { $0.policy = id } }
    static func uffd(_ id: UInt32) -> Note { none.uffd(id) }
    func uffd(_ id: UInt32) -> Note { with { $0.uffd = id } }
    static func named(_ id: UInt32) -> Note { none.named(id) }
    func named(_ id: UInt32) -> Note { with { $0.name = id } }

    static func flag(_ flags: VMAFlags) -> Note { none.flag(flags) }
    func flag(_ flags: VMAFlags) -> Note { with { $0.flags.formUnion(flags) } }
    static func without(_ flags: VMAFlags) -> Note { none.without(flags) }
    func without(_ flags: VMAFlags) -> Note { with { $0.flags.subtract(flags) } }
    static func traits(_ traits: VMA.Traits) -> Note { none.traits(traits) }
    func traits(_ traits: VMA.Traits) -> Note { with { $0.traits.formUnion(traits) } }
    func dropping(_ traits: VMA.Traits) -> Note { with { $0.traits.subtract(traits) } }

    /// Read-only, with VM_ACCOUNT as a writable mapping leaves it.
    static let readOnly = without(.write)
    var readOnly: Note { without(.write) }
}

extension VMAFlags {
    static let fresh: VMAFlags = [.read, .write, .mayRead, .mayWrite, .mayExec, .account]
}

extension Origin {
    static let drawn = Origin(time: 1, mm: 1, tgid: 100, tid: 100)
}

extension KernelModel {
    static let v5_10 = KernelModel(anonVMARule: .neighbour, hole: .prev, close: .any)
    static let v6_1 = KernelModel(anonVMARule: .neighbour, hole: .next, close: .any)
    static let v6_12 = KernelModel(anonVMARule: .neighbour, hole: .prev, close: .removed)
    static let v6_16 = KernelModel(
        anonVMARule: .forkChild, mergesCopiesOfForks: true, hole: .prev, close: .removed)
    /// From 6.18.15 on.
    static let v6_18 = KernelModel(anonVMARule: .forkChild, hole: .prev, close: .removed)
    static let v7_2 = KernelModel(
        anonVMARule: .forkChild, hole: .prev, close: .removed, ignoredFlags: [.softDirty, .maybeGuard])
    static let v7_3 = {
        var model = KernelModel.v7_2
        model.hasAnonPgoff = true
        return model
    }()
    static let all: [KernelModel] = [.v5_10, .v6_1, .v6_12, .v6_16, .v6_18, .v7_2, .v7_3]
}

extension MergeAttempt.Outcome {
    static let none = MergeAttempt.Outcome(prev: false, next: false)
    static let prevOnly = MergeAttempt.Outcome(prev: true, next: false)
    static let nextOnly = MergeAttempt.Outcome(prev: false, next: true)
    static let both = MergeAttempt.Outcome(prev: true, next: true)
}

extension Verdict {
    /// What refuses a side, as the key of a report: "" if nothing does, nil if there is no such side.
    func why(_ side: Side) -> String? { sides.first { $0.side == side }?.blockers.key }
    var prev: String? { why(.prev) }
    var next: String? { why(.next) }
    var whatIfs: [WhatIf?] { sides.map(\.whatIf) }
}

extension Blockers {
    /// The slugs as a report joins them.
    var key: String { slugs.joined(separator: "+") }
}

extension Syscall {
    private init(_ number: Int32, _ arguments: [UInt64]) {
        self.init(number: number, arguments: Arguments(arguments))
    }

    private static func length(_ range: AddressRange) -> UInt64 { range.end - range.start }

    static func mmap(_ range: AddressRange, fixed: Bool = false) -> Syscall {
        // Lengths need not be whole pages.
        Syscall(9, [fixed ? range.start : 0, length(range) - 100, 3, 0x22 | (fixed ? 0x10 : 0)])
    }
    static func brk(to end: UInt64) -> Syscall { Syscall(12, [end]) }
    static func mremap(_ old: AddressRange, to new: AddressRange? = nil, pages: Int = 0, flags: UInt64 = 1) -> Syscall {
        if let new { return Syscall(25, [old.start, length(old), length(new), flags | 3, new.start]) }
        return Syscall(25, [old.start, length(old), UInt64(pages) * Drawing.pageSize, flags])
    }
    static func mprotect(_ range: AddressRange) -> Syscall { Syscall(10, [range.start, length(range), 1]) }
    static func munmap(_ range: AddressRange) -> Syscall { Syscall(11, [range.start, length(range)]) }
    static func madvise(_ range: AddressRange) -> Syscall { Syscall(28, [range.start, length(range), 16]) }
    static func mlock(_ range: AddressRange) -> Syscall { Syscall(149, [range.start + 5, length(range) - 10]) }
    static let munlockall = Syscall(152, [])
    static func mbind(_ range: AddressRange) -> Syscall { Syscall(237, [range.start, length(range)]) }
    static func name(_ range: AddressRange) -> Syscall { Syscall(157, [0x5356_4d41, 0, range.start, length(range)]) }
    static let ioctl = Syscall(16, [7, 0x8010_aa01])  // UFFDIO_UNREGISTER
    static let none = Syscall(-1, [])
}

/// An attempt as it is seen: `*` the proposed range, `<` the side before and `>` the one after
/// it; `(` and `)` where they merged, `!` one that does not stay.
func picture(_ attempt: MergeAttempt, _ count: Int) -> String {
    String(
        (0 ..< count).map { index -> Character in
            if attempt.proposed.range.contains(page(index)) { return "*" }
            if let prev = attempt.prev, prev.vma.range.contains(page(index)) {
                return attempt.outcome.prev ? "(" : prev.stays ? "<" : "!"
            }
            if let next = attempt.next, next.vma.range.contains(page(index)) {
                return attempt.outcome.next ? ")" : next.stays ? ">" : "!"
            }
            return "."
        })
}

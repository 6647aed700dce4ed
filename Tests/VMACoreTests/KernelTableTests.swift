import Testing

@testable import VMACore

/// Kernels on which the cases below were tried, and the rules that their calibration finds.
enum MeasuredKernel: String, CaseIterable, Comparable, Sendable {
    case v5_10 = "5.10", v6_1 = "6.1", v6_12 = "6.12", v6_16 = "6.16", v6_17 = "6.17", v6_18 = "6.18"
    case v7_2 = "7.2", v7_3 = "7.3"

    var model: KernelModel {
        switch self {
        case .v5_10: .v5_10
        case .v6_1: .v6_1
        case .v6_12: .v6_12
        case .v6_16, .v6_17: .v6_16
        case .v6_18: .v6_18
        case .v7_2: .v7_2
        case .v7_3: .v7_3
        }
    }

    static func < (one: Self, other: Self) -> Bool {
        allCases.firstIndex(of: one)! < allCases.firstIndex(of: other)!
    }
}

/// What eight kernels were seen to do: `A` stands, `*` is proposed beside it.
struct MeasuredCase: Sendable, CustomTestStringConvertible {
    var name: String
    var operation: VMACore.Operation
    var replacesVMA = false
    /// How the memory is then, from the named kernel on.
    var memory: KeyValuePairs<MeasuredKernel, [Character: Note]>
    /// What refuses, from the named kernel on; "" where it was merged.
    var refused: KeyValuePairs<MeasuredKernel, String>

    var testDescription: String { name }

    func refused(on kernel: MeasuredKernel) -> String { refused.last { $0.key <= kernel }!.value }
    func memory(on kernel: MeasuredKernel) -> [Character: Note] { memory.last { $0.key <= kernel }!.value }

    static let all: [MeasuredCase] = [
        .init(
            name: "S1 child: mmap beside an inherited, touched VMA", operation: .mmap,
            memory: [.v5_10: ["A": .inherited(1)]], refused: [.v5_10: "anon_vma"]),
        .init(
            name: "S2 child: the same after it has written", operation: .mmap,
            memory: [.v5_10: ["A": .inherited(2)]], refused: [.v5_10: "anon_vma"]),
        .init(
            name: "S2b child: beside an inherited, untouched VMA", operation: .mmap,
            memory: [.v5_10: [:]], refused: [.v5_10: ""]),
        .init(
            name: "S3 parent of a living child: mmap beside a touched VMA", operation: .mmap,
            memory: [.v5_10: ["A": .parent(1)]], refused: [.v5_10: ""]),
        .init(
            name: "S4 untouched, to a touched target (mprotect)", operation: .mprotect, replacesVMA: true,
            memory: [.v5_10: ["A": .anon(1)]], refused: [.v5_10: ""]),
        .init(
            name: "S5 touched, to an untouched target (munlock)", operation: .mlock, replacesVMA: true,
            memory: [.v5_10: ["*": .anon(1)]], refused: [.v5_10: "anon_vma", .v6_16: ""]),
        .init(
            name: "S6 touched, moved back beside an untouched VMA", operation: .mremap,
            memory: [.v5_10: ["*": .anon(1)]], refused: [.v5_10: "anon_vma", .v6_16: ""]),
        .init(
            name: "S7 touched, moved beside a touched VMA", operation: .mremap,
            memory: [.v5_10: ["A": .anon(1), "*": .anon(2).pgoff(+64)]],
            refused: [.v5_10: "pgoff+anon_vma"]),
        .init(
            name: "S7b touched, moved beside an untouched VMA", operation: .mremap,
            memory: [.v5_10: ["*": .anon(2).pgoff(+64)]],
            refused: [.v5_10: "pgoff+anon_vma", .v6_16: "pgoff"]),
        .init(
            name: "S7c untouched, moved beside a touched VMA: its offset starts afresh", operation: .mremap,
            memory: [.v5_10: ["A": .anon(1)]], refused: [.v5_10: ""]),
        .init(
            name: "S8a private file, written: mmap of the file's next part", operation: .mmap,
            memory: [.v5_10: ["A": .anon(1).file(3), "*": .file(3)]], refused: [.v5_10: ""]),
        // 7.3 gives a private file a second, anonymous offset, which the move leaves behind.
        .init(
            name: "S8b private file, written and moved: mmap of the file's next part", operation: .mmap,
            memory: [
                .v5_10: ["A": .anon(1).file(3).pgoff(+64), "*": .file(3).pgoff(+64)],
                .v7_3: ["A": .anon(1).file(3).pgoff(+64).anonPgoff(+64), "*": .file(3).pgoff(+64)],
            ],
            refused: [.v5_10: "", .v7_3: "pgoff"]),
        .init(
            name: "S8c private file, clean and moved: mmap of the file's next part", operation: .mmap,
            memory: [.v5_10: ["A": .file(3).pgoff(+64), "*": .file(3).pgoff(+64)]], refused: [.v5_10: ""]),
        .init(
            name: "S8d two parts of a private file, each written, moved together", operation: .mremap,
            memory: [.v5_10: ["A": .anon(1).file(3), "*": .anon(2).file(3)]], refused: [.v5_10: "anon_vma"]),
        // What MREMAP_DONTUNMAP leaves has no anon_vma; some kernels reset its offset as well.
        .init(
            name: "S9 moved, then left by DONTUNMAP: mmap beside what is left", operation: .mmap,
            memory: [
                .v5_10: ["A": .pgoff(+64)], .v6_1: [:], .v6_12: ["A": .pgoff(+64)], .v7_2: [:],
            ],
            refused: [.v5_10: "pgoff", .v6_1: "", .v6_12: "pgoff", .v7_2: ""]),
        .init(
            name: "S9b never moved, left by DONTUNMAP: mmap beside what is left", operation: .mmap,
            memory: [.v5_10: [:], .v6_16: ["A": .without(.account)], .v6_17: [:]],
            refused: [.v5_10: "", .v6_16: "flags", .v6_17: ""]),
        .init(
            name: "S12 touched, emptied by MADV_DONTNEED, moved", operation: .mremap,
            memory: [.v5_10: ["A": .anon(1), "*": .anon(2).pgoff(+64)]],
            refused: [.v5_10: "pgoff+anon_vma"]),
        .init(
            name: "S17 untouched, read-only and writable again", operation: .mprotect, replacesVMA: true,
            memory: [.v5_10: [:]], refused: [.v5_10: ""]),
        // Up to 6.1 VM_ACCOUNT stays, later it goes with the right to write; touched, it always stays.
        .init(
            name: "S18 untouched, made read-only: mmap of read-only memory beside it", operation: .mmap,
            memory: [
                .v5_10: ["A": .readOnly, "*": .readOnly.without(.account)],
                .v6_12: ["A": .readOnly.without(.account), "*": .readOnly.without(.account)],
            ],
            refused: [.v5_10: "flags", .v6_12: ""]),
        .init(
            name: "S19 touched, made read-only: mmap of read-only memory beside it", operation: .mmap,
            memory: [.v5_10: ["A": .readOnly.anon(1), "*": .readOnly.without(.account)]],
            refused: [.v5_10: "flags"]),
        // A first touch takes over the anon_vma of a neighbour that differs in protection only.
        .init(
            name: "S20 touched each, while only the protection differed", operation: .mprotect,
            replacesVMA: true, memory: [.v5_10: ["A": .anon(1), "*": .anon(1)]], refused: [.v5_10: ""]),
        .init(
            name: "S21 read-only made writable beside a touched VMA", operation: .mprotect, replacesVMA: true,
            memory: [.v5_10: ["A": .anon(1)]], refused: [.v5_10: ""]),
        .init(
            name: "S22 touched each, while VM_DONTDUMP differed", operation: .madvise, replacesVMA: true,
            memory: [.v5_10: ["A": .anon(1), "*": .anon(2)]], refused: [.v5_10: "anon_vma"]),
    ]
}

@Suite("As measured on real kernels")
struct KernelTableTests {
    @Test("a case merges, or is refused for the reason known", arguments: MeasuredCase.all, MeasuredKernel.allCases)
    func measured(_ row: MeasuredCase, _ kernel: MeasuredKernel) {
        let expected = row.refused(on: kernel)
        let isMerged = expected.isEmpty
        let prev = Drawing("A*", row.memory(on: kernel)).judged(
            by: kernel.model, row.operation, replacesVMA: row.replacesVMA, isCopy: row.operation == .mremap,
            merged: isMerged ? .prevOnly : .none)
        #expect(prev.prev == expected)
        #expect(prev.agreed)
        let next = Drawing("*A", row.memory(on: kernel)).judged(
            by: kernel.model, row.operation, replacesVMA: row.replacesVMA, isCopy: row.operation == .mremap,
            merged: isMerged ? .nextOnly : .none)
        #expect(next.next == expected)
        #expect(next.agreed)
    }

    @Test("S18 and S19 name VM_ACCOUNT", arguments: ["S18", "S19"])
    func account(_ name: String) throws {
        let row = try #require(MeasuredCase.all.first { $0.name.hasPrefix(name) })
        #expect(Drawing("A*", row.memory(on: .v6_1)).details(by: .v6_1) == ["VM_ACCOUNT"])
    }

    @Test("S15 a child's heap grows by a second VMA", arguments: MeasuredKernel.allCases)
    func heap(_ kernel: MeasuredKernel) {
        let drawing = Drawing("A*", ["A": .inherited(1).traits(.heap), "*": .traits(.heap)])
        let verdict = drawing.judged(by: kernel.model, .brk, considersNext: false)
        #expect(verdict.prev == "anon_vma" && verdict.agreed)
        #expect(verdict.whatIfs == [.shared])
    }

    @Test("S16 a hole between two anon_vmas goes to prev, but on 6.1 to next", arguments: MeasuredKernel.allCases)
    func hole(_ kernel: MeasuredKernel) {
        let toNext = kernel == .v6_1
        let verdict = Drawing("A*B", ["A": .anon(1), "B": .anon(2)])
            .judged(by: kernel.model, merged: toNext ? .nextOnly : .prevOnly)
        #expect(verdict.agreed)
        #expect([verdict.prev, verdict.next] == (toNext ? ["anon_vma", ""] : ["", "anon_vma"]))
    }
}

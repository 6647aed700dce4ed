import Testing

@testable import VMAProbe

/// What is tried on a kernel follows from what its BTF has, never from its version. The kernels here are those
/// by whose names the sets are called.
@Suite("how programs are loaded")
struct WaysTests {
    private static let iterator: Set<String> = ["bpf_iter__task", "bpf_iter__task_vma"]
    private static let taskIterator: Set<String> = ["bpf_iter_attach_task"]
    private static let cast: Set<String> = ["bpf_rdonly_cast", "bpf_task_from_pid", "bpf_task_release"]
    private static let kfuncIterator: Set<String> = [
        "bpf_iter_task_vma_new", "bpf_iter_task_vma_next", "bpf_iter_task_vma_destroy",
    ]
    private static let preemption: Set<String> = ["bpf_preempt_disable", "bpf_preempt_enable"]

    private func ways(
        _ functions: Set<String>, _ structs: Set<String> = iterator, readsLayouts: Bool = true, counts: Bool = false
    )
        -> [String]
    {
        Way.candidates(
            readsLayouts: readsLayouts, counts: counts, hasFunction: functions.contains, hasStruct: structs.contains
        ).map(\.text)
    }

    @Test("5.10 has no iterator over VMAs: layouts are walked")
    func linux5_10() { #expect(ways([], ["bpf_iter__task"]) == ["without kfuncs, layouts by walk"]) }

    @Test("5.15 has one that can't be told a task, and oopses where one exits: it is never loaded")
    func linux5_15() { #expect(ways([]) == ["without kfuncs, layouts by walk"]) }

    @Test("6.1 can be told a task")
    func linux6_1() {
        #expect(ways(Self.taskIterator) == ["without kfuncs, layouts by iterator", "without kfuncs, layouts by walk"])
    }

    @Test("6.3 has bpf_rdonly_cast and refuses its address: the build without kfuncs is next")
    func linux6_3() {
        #expect(
            ways(Self.taskIterator.union(Self.cast)) == [
                "full, layouts by iterator", "full, layouts by walk", "without kfuncs, layouts by iterator",
                "without kfuncs, layouts by walk",
            ])
    }

    @Test("6.8 has all kfuncs and refuses one to the program that reads layouts: the iterator is next, in the same build")
    func linux6_8() {
        let ways = ways(Self.taskIterator.union(Self.cast).union(Self.kfuncIterator))
        #expect(ways.prefix(2) == ["full, layouts by kfunc", "full, layouts by iterator"])
        #expect(ways.contains("without bpf_rdonly_cast, layouts by kfunc") && ways.last == "without kfuncs, layouts by walk")
    }

    @Test("programs that read no layout are tried in each build that makes a difference")
    func plain() {
        #expect(ways([], readsLayouts: false) == ["without kfuncs"])
        #expect(
            ways(Self.cast.union(Self.preemption), readsLayouts: false) == ["full", "without bpf_rdonly_cast", "without kfuncs"])
    }

    @Test("processes are counted in /proc where the iterator over tasks is not, or is refused")
    func counting() {
        #expect(ways([], [], counts: true) == ["without kfuncs, layouts by walk, counts by /proc"])
        #expect(
            ways([], ["bpf_iter__task"], counts: true) == [
                "without kfuncs, layouts by walk, counts by iter/task", "without kfuncs, layouts by walk, counts by /proc",
            ])
    }

    @Test("a kfunc is called in the builds that have it only")
    func calls() {
        let reader = Way.Snapshot.kfunc.program
        #expect(Way.kfuncs(of: reader, in: .full, holdsProcessor: true).contains("bpf_rdonly_cast"))
        #expect(Way.kfuncs(of: reader, in: .withoutCast, holdsProcessor: false) == Way.snapshotKfuncs)
        #expect(Way.kfuncs(of: "lock_acquired", in: .withoutCast, holdsProcessor: false) == [])
        #expect(Way.kfuncs(of: reader, in: .withoutKfuncs, holdsProcessor: true) == [])
    }

    @Test("what the executable holds of each build is an ELF file for BPF", arguments: Way.Build.allCases)
    func objects(_ build: Way.Build) {
        let elf = build.object.elf
        #expect(elf.starts(with: [0x7f, 0x45, 0x4c, 0x46]) && elf.count == build.object.bytes)
        #expect(elf[18] == 247 && elf[19] == 0)  // e_machine: EM_BPF
    }
}

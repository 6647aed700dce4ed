import Foundation
import Testing

@testable import VMAProbe

/// Kernels as data: one file each of what `vmascope doctor --shape` wrote there, or what public sources tell
/// of one, and beside it what would be done. VMASCOPE_UPDATE_PLANS=1 writes the latter anew.
@Suite("what is decided for a kernel that this machine does not run")
struct ShapeTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Shapes")

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".shape") }.map { String($0.dropLast(6)) }.sorted()
    }()

    static func shape(_ name: String) throws -> KernelShape {
        try KernelShape(text: String(contentsOf: folder.appending(path: "\(name).shape"), encoding: .utf8))
    }

    @Test("is what is written beside its shape", arguments: names)
    func decisions(_ name: String) throws {
        let shape = try Self.shape(name)
        let file = Self.folder.appending(path: "\(name).plan")
        if ProcessInfo.processInfo.environment["VMASCOPE_UPDATE_PLANS"] == "1" {
            try shape.decisions.write(to: file, atomically: true, encoding: .utf8)
        }
        #expect(try shape.decisions == String(contentsOf: file, encoding: .utf8))
    }

    @Test("is the same of a shape that was written and read again, and none holds an address", arguments: names)
    func text(_ name: String) throws {
        let shape = try Self.shape(name)
        #expect(try KernelShape(text: shape.text) == shape)
        #expect(shape.text.firstMatch(of: /0x|[0-9a-f]{12}/) == nil)
    }

    @Test("a line that is not understood is refused by name")
    func damage() throws {
        for line in ["function vma_merge", "tracepoint ma_write many", "trial x: perhaps", "colour red", "no"] {
            #expect(throws: ShapeError.self) { try KernelShape(text: "kernel 1\n\(line)\n") }
        }
    }

    // MARK: what failed on kernels that were not in the list

    /// The program that a role has in the plan, or nil.
    private static func program(_ plan: AttachPlan, _ role: AttachPoint.Role) -> String? {
        plan.points.first { $0.role == role }?.program
    }

    private static func mapleTree(_ functions: [String: String]) -> KernelShape {
        var shape = KernelShape()
        shape.fields = ["mm_struct.mm_mt"]
        shape.functions = functions.mapValues { Prototype($0) }
        shape.functions["mmap_region"] = KnownPrototype.mmapRegion
        shape.functions["do_brk_flags"] = KnownPrototype.brkIterator
        shape.functions["khugepaged_enter_vma"] = Prototype("vm_area_struct*, 8")
        return shape
    }

    @Test("without the maple tree a section ends with up_write, whatever tracepoints there are")
    func redBlackTree() {
        var shape = KernelShape()
        shape.functions = [
            "__mmap_lock_do_trace_released": Prototype("mm_struct*, 1"), "up_write": Prototype("rw_semaphore*"),
        ]
        #expect(Self.program(AttachPlan(.hooks, shape), .lockReleased) == "on_up_write")
        shape.fields = ["mm_struct.mm_mt"]
        #expect(Self.program(AttachPlan(.hooks, shape), .lockReleased) == "on_lock_released")
    }

    @Test(
        "vma_merge is hooked by the program that knows its arguments",
        arguments: [
            (KnownPrototype.vmaMergeNamed, "on_vma_merge", "no commit"),
            (KnownPrototype.vmaMergeIterator, "on_vma_merge_iterator", "on_enter_khugepaged"),
            (KnownPrototype.vmaMergeSource, "on_vma_merge_source", "on_enter_khugepaged"),
        ])
    func prototypes(_ prototype: Prototype, _ program: String, _ commit: String) {
        var shape = Self.mapleTree(["vma_merge": prototype.description])
        let plan = AttachPlan(.hooks, shape)
        #expect(Self.program(plan, .attempt) == program)
        #expect(Self.program(plan, .commit) ?? "no commit" == commit)
        #expect(Self.program(plan, .mmapAttempt) == "on_mmap_region" && Self.program(plan, .brkAttempt) == "on_brk")
        // One that takes anything else is left alone, and is named.
        shape.functions["vma_merge"] = Prototype(prototype.parameters + ["8"])
        let other = AttachPlan(.hooks, shape)
        #expect(Self.program(other, .attempt) == nil)
        #expect(
            other.missingText?.contains("vma_merge takes (\(prototype), 8): no BPF program of vmascope knows these arguments")
                == true)
    }

    @Test("vma_modify of 6.7 to 6.11, which takes no struct, is not taken for that of 6.12")
    func modify() {
        let shape = Self.mapleTree([
            "vma_merge_new_range": "vma_merge_struct*", "commit_merge": "vma_merge_struct*",
            "vma_modify":
                "vma_iterator*, vm_area_struct*, vm_area_struct*, 8, 8, 8, mempolicy*, =vm_userfaultfd_ctx, anon_vma_name*",
        ])
        #expect(Self.program(AttachPlan(.hooks, shape), .changeAttempt) == nil)
    }

    @Test("without huge pages the outcome of vma_merge is read from rows, and system does not count merges")
    func withoutHugePages() {
        var shape = Self.mapleTree(["vma_merge": KnownPrototype.vmaMergeIterator.description])
        #expect(!AttachPlan(.hooks, shape).readsOutcomes)
        #expect(AttachPlan(everyoneOn: shape, countsAttempts: true).hooks == .all)
        shape.functions["khugepaged_enter_vma"] = nil
        #expect(AttachPlan(.hooks, shape).readsOutcomes)
        #expect(AttachPlan(everyoneOn: shape, countsAttempts: true).missingText?.contains("carries a merge out") == true)
    }

    @Test(
        "a renamed function is hooked by its symbol, unless there are two",
        arguments: [
            (["vma_merge"], "vma_merge"), (["vma_merge", "vma_merge.cold"], "vma_merge"),
            (["vma_merge.isra.0", "vma_merge.isra.0.cold"], "vma_merge.isra.0"),
            (["vma_merge.llvm.123"], "vma_merge.llvm.123"),
            (["vma_merge.constprop.0", "vma_merge.part.0"], "vma_merge.constprop.0"),
            (["vma_merge", "vma_merge.constprop.0"], nil), (["vma_merge", "vma_merge"], nil), (["vma_merge.cold"], nil),
            ([], nil),
        ] as [([String], String?)])
    func clones(_ symbols: [String], _ expected: String?) {
        var shape = Self.mapleTree(["vma_merge": KnownPrototype.vmaMergeIterator.description])
        shape.clones = ["vma_merge": symbols]
        let point = AttachPlan(.hooks, shape).points.first { $0.role == .attempt }
        #expect(point.map { $0.symbol ?? $0.name } == expected)
    }

    @Test("each merge rule follows from experiments alone, never from a function")
    func rules() {
        var shape = KernelShape()
        shape.trials = [
            "hole-joins-prev": true, "close-prev-grows": true, "close-next-grows": true, "brk-joins-below-start": false,
        ]
        let before = shape.model
        shape.functions = ["vma_merge": KnownPrototype.vmaMerge, "may_remove_vma": Prototype("")]
        #expect(shape.model == before && before.name.contains("close:removed") && before.name.contains("brk:start"))
        shape.trials["close-next-grows"] = false
        #expect(shape.model.name.contains("close:next"))
        shape.trials["close-next-takes"] = true
        #expect(shape.model.name.contains("close:prev-grows,next-takes"))
        shape.trials["brk-joins-below-start"] = nil
        #expect(shape.model.name.contains("brk:unknown"))
    }

    @Test("a layout is read in the first way that the kernel is not known to refuse")
    func layouts() {
        var shape = KernelShape()
        shape.types = ["bpf_iter__task", "bpf_iter__task_vma"]
        #expect(shape.layoutWay?.text == "without kfuncs, layouts by walk")
        let kfuncs = Way.snapshotKfuncs + ["bpf_rdonly_cast", "bpf_iter_attach_task"]
        for name in kfuncs { shape.functions[name] = Prototype("*") }
        #expect(shape.layoutWay?.text == "full, layouts by kfunc")
        shape.trials["way full, layouts by kfunc"] = false
        #expect(shape.layoutWay?.text == "full, layouts by iterator")
    }
}

import Glibc
import Testing

@testable import VMAProbe

/// What becomes of a plan when the kernel refuses to attach what its BTF has.
@Suite("a probe that the kernel refuses")
struct AttachRefusalTests {
    private typealias Plan = (AttachRefusals) -> AttachPlan

    /// What is attached in the end on a kernel that takes nothing at some functions and tracepoints.
    private static func attach(_ plan: Plan, refusing names: Set<String>) throws(ProbeError) -> AttachPlan {
        try AttachRefusals.settle { refused throws(ProbeError) in
            let plan = plan(refused)
            if let text = plan.missingText { throw .unsupported(text) }
            var found = AttachRefusals()
            for point in plan.points where names.contains(point.name) {
                if case .notAttached(let refusal) = point.refused(EINVAL) { found.note(refusal) }
            }
            guard found.isEmpty else { throw .notAttached(found) }
            return plan
        }
    }

    private static func hooks(_ name: String) throws -> Plan {
        let shape = try ShapeTests.shape(name)
        return { AttachPlan(.hooks, shape, without: $0) }
    }

    private static func program(_ plan: AttachPlan, _ role: AttachPoint.Role) -> String? {
        plan.points.first { $0.role == role }?.program
    }

    @Test("is left, and the next candidate for its role taken")
    func next() throws {
        let old = try Self.attach(Self.hooks("linux-5.15"), refusing: ["khugepaged_enter_vma_merge", "finalize_exec"])
        #expect(Self.program(old, .stackGrown) == "on_stack_grown" && Self.program(old, .exec) == "task_execed")
        let names: Set = ["__mmap_lock_do_trace_acquire_returned", "__mmap_lock_do_trace_released", "wake_up_new_task"]
        let plan = try Self.attach(Self.hooks("linux-6.8"), refusing: names)
        #expect(Self.program(plan, .lockAcquired) == "lock_acquired_memcg" && Self.program(plan, .fork) == "task_forked")
        #expect(Self.program(plan, .attempt) == "on_vma_merge_iterator")
    }

    @Test("that would show the outcome of a merge is left, and outcomes are read from rows; system does not count merges")
    func outcome() throws {
        let plan = try Self.attach(Self.hooks("linux-6.8"), refusing: ["khugepaged_enter_vma"])
        #expect(plan.readsOutcomes && Self.program(plan, .commit) == nil)
        let shape = try ShapeTests.shape("linux-6.8")
        let error = #expect(throws: ProbeError.self) {
            try Self.attach(
                { AttachPlan(everyoneOn: shape, countsAttempts: true, without: $0) }, refusing: ["khugepaged_enter_vma"])
        }
        #expect(error?.message.contains("khugepaged_enter_vma (Invalid argument)") == true)
    }

    @Test("never stays in a plan: there is another, or the plan says which function it is", arguments: ShapeTests.names)
    func each(_ name: String) throws {
        let shape = try ShapeTests.shape(name)
        let plans: [Plan] =
            Source.allCases.map { source in { AttachPlan(source, shape, without: $0) } }
            + [true, false].map { attempts in { AttachPlan(everyoneOn: shape, countsAttempts: attempts, without: $0) } }
        for plan in plans where plan(AttachRefusals()).missing.isEmpty {
            for point in plan(AttachRefusals()).points {
                do throws(ProbeError) {
                    let settled = try Self.attach(plan, refusing: [point.name])
                    #expect(!settled.points.contains { $0.name == point.name })
                } catch {
                    #expect(error.message.contains("\(point.symbol ?? point.name) (Invalid argument)"))
                    #expect(error.status == 69)
                }
            }
        }
    }

    @Test("is noted with all others that are refused at once, and the first is told of")
    func together() throws {
        var tries = 0
        let plan = try Self.hooks("linux-6.8")
        let names: Set = ["__mmap_lock_do_trace_acquire_returned", "__mmap_lock_do_trace_released", "wake_up_new_task"]
        let settled = try Self.attach(
            {
                tries += 1
                return plan($0)
            }, refusing: names)
        #expect(tries == 2 && !settled.points.contains { names.contains($0.name) })
        var both = AttachRefusals(AttachPlan.table[0].place, "first")
        #expect(both.note(AttachRefusals(AttachPlan.table[1].place, "second")) && both.message == "first")
        #expect(!both.note(AttachRefusals(AttachPlan.table[1].place, "again")) && both[AttachPlan.table[1]] == "second")
    }

    @Test("is tried once, and each attempt knows of all that were refused before")
    func once() throws {
        let points = AttachPlan.table.prefix(3)
        var tries: [Int] = []
        let result = try AttachRefusals.settle { refused throws(ProbeError) in
            let known = points.count { refused[$0] != nil }
            tries.append(known)
            guard known == 3 else { throw points[points.startIndex + known].refused(ENOENT) }
            return "attached"
        }
        #expect(result == "attached" && tries == [0, 1, 2, 3])
        var count = 0
        #expect(throws: ProbeError.self) {
            try AttachRefusals.settle { _ throws(ProbeError) -> Void in
                count += 1
                throw points[0].refused(ENOENT)
            }
        }
        #expect(count == 2)
    }

    @Test("what is no refusal of a probe ends it at once")
    func others() {
        var count = 0
        #expect(throws: ProbeError.self) {
            try AttachRefusals.settle { _ throws(ProbeError) -> Void in
                count += 1
                throw .forbidden("missing CAP_PERFMON")
            }
        }
        #expect(count == 1)
    }
}

@Suite("the kernel's symbol table")
struct KernelSymbolsTests {
    @Test("has the symbols of functions with their clones and pieces, and none of data or modules")
    func symbols() {
        let text = """
            ffffffff81000000 T _stext
            ffffffff81000010 t vma_merge.isra.0
            ffffffff81000020 t vma_merge.isra.0.cold
            0000000000000000 T vma_link
            ffffffff81000040 t vma_link
            ffffffff81000050 d vma_merge
            ffffffffc0000000 t vma_merge\t[module]
            ffffffffc0000000 t vma_link [module]
            81000060 t vma_merged

            t
            ffffffff81000070 t up_write
            """
        let found = KernelSymbols.symbols(of: ["vma_merge", "vma_link", "up_write", "vma_expand"], in: Array(text.utf8))
        #expect(
            found == [
                "vma_merge": ["vma_merge.isra.0", "vma_merge.isra.0.cold"], "vma_link": ["vma_link", "vma_link"],
                "up_write": ["up_write"],
            ])
        #expect(KernelSymbols.symbols(of: ["vma_merge"], in: []) == [:])
    }
}

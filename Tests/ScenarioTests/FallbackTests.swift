import Foundation
import Testing

/// What happens on a kernel that lacks something. VMASCOPE_WITHOUT names what this one is to do
/// without.
@Suite("fallbacks on this kernel", .serialized)
struct FallbackTests {
    private func run(_ arguments: [String], without names: String) throws -> Outcome {
        try Vmascope.run(arguments, environment: ["VMASCOPE_WITHOUT": names])
    }

    @Test("a layout is read by the iterator where there is no kfunc for it")
    func snapshot() throws {
        let idle = try Victim(try Victims.idle.get().path("victim"))
        try idle.wait { idle.output.contains("ready") }
        let kfunc = try LayoutFile(try Vmascope.run(["layout", idle.pid, "--json"]).output)
        let iterator = try LayoutFile(try run(["layout", idle.pid, "--json"], without: "bpf_iter_task_vma_new").output)
        #expect(kfunc.vmas.count > 6000)
        #expect(kfunc.vmas.map(\.start) == iterator.vmas.map(\.start))
        #expect(kfunc.vmas.map(\.pgoff) == iterator.vmas.map(\.pgoff))
    }

    @Test("a source that lacks something it needs is refused, and doctor says what", arguments: ["ma_write", "mmap_lock_released"])
    func refusal(_ name: String) throws {
        let outcome = try run(["run", "--source", "tracepoints", "--", "true"], without: name)
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains(name))
        let doctor = try DoctorFile(try run(["doctor", "--json"], without: name).output)
        #expect(doctor.sources["tracepoints"]?.usable == false)
        #expect(doctor.sources["tracepoints"]?.why?.contains(name) == true)
        #expect(doctor.sources["tracepoints"]?.attach_points.contains { $0.name == name } == false)
    }

    @Test("programs run as well where nothing keeps them from being preempted")
    func preemption() throws {
        let outcome = try run(["run", "--json", "--", "true"], without: "bpf_preempt_disable")
        #expect(outcome.status == 0)
        #expect(try ReportFile(outcome.output).doubts.isEmpty, "\(outcome.errors)")
    }
}

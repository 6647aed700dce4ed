import Foundation
import Testing

/// What happens on a kernel that lacks something. VMASCOPE_WITHOUT names what this one is to do
/// without.
@Suite("fallbacks on this kernel", .serialized)
struct FallbackTests {
    private func run(_ arguments: [String], without names: String) throws -> Outcome {
        try Vmascope.run(arguments, environment: ["VMASCOPE_WITHOUT": names])
    }

    /// A kfunc that is not there; one that is, and that this type of program may not call; an iterator that
    /// can't be told one task; and combinations.
    static let refusals = [
        "bpf_iter_task_vma_new", "syscall:bpf_task_from_pid", "tracing:bpf_rdonly_cast,syscall:bpf_rdonly_cast",
        "tracing:bpf_rdonly_cast,syscall:bpf_task_from_pid", "bpf_iter_task_vma_new,bpf_iter_attach_task",
        "syscall:bpf_task_from_pid,bpf_iter_attach_task", "bpf_rdonly_cast,bpf_preempt_disable,bpf_iter_task_vma_new",
    ]

    @Test("a layout is read by the next way where the best is refused", arguments: refusals)
    func snapshot(_ names: String) throws {
        let idle = try Victim(try Victims.idle.get().path("victim"))
        try idle.wait { idle.output.contains("ready") }
        let best = try LayoutFile(try Vmascope.run(["layout", idle.pid, "--json"]).output)
        let next = try LayoutFile(try run(["layout", idle.pid, "--json"], without: names).output)
        #expect(best.vmas.count > 6000)
        #expect(best.vmas.map(\.start) == next.vmas.map(\.start))
        #expect(best.vmas.map(\.pgoff) == next.vmas.map(\.pgoff))
    }

    @Test("a process is observed as well where the best way is refused", arguments: refusals)
    func observation(_ names: String) throws {
        let busy = try Victim(try Victims.busy.get().path("victim"))
        try busy.wait { busy.output.contains("ready") }
        let outcome = try Shell.run(
            Repository.vmascope, ["attach", busy.pid, "--source", "tracepoints", "--duration", "1s", "--json"],
            environment: ["VMASCOPE_WITHOUT": names, "VMASCOPE_AUDIT_INTERVAL": "50"])
        let report = try ReportFile(outcome.output)
        #expect(outcome.status == 0 && report.doubts.isEmpty, "\(outcome.errors)")
        #expect(report.layout_audit.checked > 0 && report.totals.attempts > 0)
    }

    @Test("kernel threads and processes that do not exist are refused by each way", arguments: [""] + refusals)
    func nobody(_ names: String) throws {
        #expect(try run(["layout", "2"], without: names).status == 66)
        #expect(try run(["layout", "4194303"], without: names).status == 66)
    }

    @Test(
        "a source that lacks something it needs is refused, and doctor says what", arguments: ["ma_write", "mmap_lock_released"])
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

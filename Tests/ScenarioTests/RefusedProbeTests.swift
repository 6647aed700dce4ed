import Foundation
import Testing

/// A kernel that has a function and lets nobody attach to it: the next candidate is taken, or the source is given up.
@Suite("probes that the kernel refuses", .serialized)
struct RefusedProbeTests {
    /// Functions of which each has another that does as well, on the kernels that have it at all.
    private static let replaceable = [
        "__mmap_lock_do_trace_acquire_returned", "__mmap_lock_do_trace_released", "wake_up_new_task", "finalize_exec",
        "khugepaged_enter_vma_merge", "khugepaged_enter_vma",
    ]
    /// Functions of which one is needed.
    private static let needed = ["vma_merge", "vma_merge_new_range"]

    private static func without(_ names: [String]) -> String { names.map { "attach:\($0)" }.joined(separator: ",") }

    static let script = """
        export VMASCOPE_WITHOUT=\(without(replaceable))
        $vmascope $debug run --source hooks --json -- /root/programs/workload > replaced.demo 2> replaced.demo.err
        $vmascope $debug doctor --json > replaced.doctor
        export VMASCOPE_WITHOUT=\(without(needed))
        cat /sys/kernel/debug/kprobes/list > unprobed.before
        $vmascope $debug run --json --output unprobed.demo -- cat /sys/kernel/debug/kprobes/list > unprobed.during 2> unprobed.err
        echo "status $?" >> unprobed.err
        $vmascope $debug run --source hooks -- true > /dev/null 2> unprobed.hooks.err
        echo "status $?" >> unprobed.hooks.err
        $vmascope $debug doctor --json > unprobed.doctor
        $vmascope $debug system --duration 2s --interval 1s --json > unprobed.system 2> unprobed.system.err
        export VMASCOPE_WITHOUT=kallsyms
        $vmascope $debug run --source hooks --json -- true > unnamed.json 2> unnamed.err
        unset VMASCOPE_WITHOUT
        """

    @Test("another is taken in its place, and sees as much", arguments: Machine.outermost)
    func replaced(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        guard guest.usable.contains("hooks") else { return }
        let report = try guest.report("replaced.demo")
        #expect(report.host.source == "hooks" && Demo.complaints(report).isEmpty, "\(guest.messages("replaced.demo.err"))")
        let doctor = try #require(try DoctorFile(try guest.text("replaced.doctor")).sources["hooks"])
        #expect(doctor.usable)
        let refused = doctor.attach_points.filter { !$0.usable }
        #expect(!refused.isEmpty && refused.allSatisfy { $0.why?.contains($0.name) == true })
        #expect(Set(refused.map(\.name)).isSubset(of: Self.replaceable))
    }

    @Test(
        "without another the source is given up by name, nothing of it stays, and tracepoints are taken",
        arguments: Machine.outermost
    )
    func givenUp(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        guard guest.usable.contains("hooks") else { return }
        let hooks = guest.messages("unprobed.hooks.err")
        #expect(hooks.contains("function vma_merge") && hooks.hasSuffix("status 69\n"), "\(hooks)")
        let doctor = try #require(try DoctorFile(try guest.text("unprobed.doctor")).sources["hooks"])
        #expect(!doctor.usable && doctor.why?.contains("function vma_merge") == true)
        let auto = guest.messages("unprobed.err")
        guard guest.usable.contains("tracepoints") else {
            #expect(auto.contains("function vma_merge") && auto.contains("ma_write") && auto.hasSuffix("status 69\n"), "\(auto)")
            return
        }
        #expect(auto.contains("source: tracepoints") && auto.hasSuffix("status 0\n"), "\(auto)")
        let report = try guest.report("unprobed.demo")
        #expect(report.host.source == "tracepoints" && report.doubts.isEmpty, "\(auto)")
        #expect(guest.messages("unprobed.during") == guest.messages("unprobed.before"))
        let system = try SystemReportFile(try guest.text("unprobed.system"))
        #expect(system.host.source == "tracepoints", "\(guest.messages("unprobed.system.err"))")
    }

    @Test(
        "without the kernel's symbol table functions are hooked by their names, and a warning says so",
        arguments: Machine.outermost)
    func unnamed(_ machine: Machine) async throws {
        let guest = try await Guest.of(machine)
        guard guest.usable.contains("hooks") else { return }
        let report = try guest.report("unnamed.json")
        #expect(report.doubts.isEmpty && guest.messages("unnamed.err").contains("/proc/kallsyms can't be read"))
    }

    @Test("here a tracepoint that takes no program ends the source by name, and system counts VMAs all the same")
    func tracepoint() throws {
        for name in ["mmap_lock_acquire_returned", "sched_process_exit"] {
            let outcome = try Vmascope.run(
                ["run", "--source", "tracepoints", "--", "true"], environment: ["VMASCOPE_WITHOUT": "attach:\(name)"])
            #expect(outcome.status == 69 && outcome.errors.contains("tracepoint \(name) (Invalid argument)"), "\(outcome.errors)")
        }
        let environment = ["VMASCOPE_WITHOUT": "attach:mmap_lock_released"]
        let doctor = try DoctorFile(try Vmascope.run(["doctor", "--json"], environment: environment).output)
        let source = try #require(doctor.sources["tracepoints"])
        #expect(!source.usable && source.why?.contains("tracepoint mmap_lock_released") == true)
        let system = try Vmascope.run(["system", "--duration", "1s", "--json"], environment: environment)
        #expect(system.status == 0 && system.errors.contains("tracepoint mmap_lock_released"), "\(system.errors)")
        #expect(try SystemReportFile(system.output).system.flow == nil)
    }
}

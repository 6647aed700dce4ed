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

    @Test("doctor says what hooks go without where the symbol table can't be read")
    func symbolTable() throws {
        let note = "/proc/kallsyms can't be read"
        #expect(try run(["doctor", "--json"], without: "kallsyms").output.contains(note))
        #expect(try !Vmascope.run(["doctor", "--json"]).output.contains(note))
    }

    @Test("a command is run where the kernel has no sockets between processes, and its frames are addresses")
    func sockets() throws {
        let outcome = try Self.run(
            ["run", "--source", "tracepoints", "--json", "--", "true"],
            refusing: "SYS_socketpair, AF_UNIX, EAFNOSUPPORT")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try ReportFile(outcome.output)
        #expect(report.doubts.isEmpty && report.totals.attempts > 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("no process can be started for that (Address family"), "\(outcome.errors)")
    }

    @Test("says that no process of ours can run on a kernel without seccomp, and not that stacks took too long")
    func unconfined() throws {
        let outcome = try Self.run(
            ["run", "--source", "tracepoints", "--json", "--", "true"], refusing: "SYS_prctl, PR_SET_SECCOMP, EINVAL")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("seccomp filters are refused here"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("took too long"), "\(outcome.errors)")
    }

    // No process of ours that reads what others may delay can be confined there, so that none runs.
    @Test("layouts are read on a kernel without seccomp, by each way", arguments: [""] + refusals)
    func seccomp(_ names: String) throws {
        let idle = try Victim(try Victims.idle.get().path("victim"))
        try idle.wait { idle.output.contains("ready") }
        let outcome = try Self.run(
            ["layout", idle.pid, "--json"], refusing: "SYS_prctl, PR_SET_SECCOMP, EINVAL", without: names)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try LayoutFile(outcome.output).vmas.count > 6000)
    }

    /// Runs vmascope where a syscall with this first argument fails with this errno.
    private static func run(_ arguments: [String], refusing call: String, without names: String = "") throws -> Outcome {
        let folder = try TemporaryFolder()
        let parts = call.split(separator: ", ")
        try refuser.write(toFile: folder.path("refuser.c"), atomically: true, encoding: .utf8)
        try Shell.must(
            "clang", "-O1", "-DNUMBER=\(parts[0])", "-DARGUMENT=\(parts[1])", "-DANSWER=\(parts[2])", "-o",
            folder.path("refuser"), folder.path("refuser.c"))
        let environment = ["VMASCOPE_WITHOUT": names]
        return try Shell.run(
            folder.url.appendingPathComponent("refuser"),
            ["env", "VMASCOPE_WITHOUT=\(names)", Repository.vmascope.path] + Tuning.arguments(arguments, environment))
    }

    private static let refuser = """
        #include <errno.h>
        #include <linux/filter.h>
        #include <linux/seccomp.h>
        #include <stddef.h>
        #include <sys/prctl.h>
        #include <sys/socket.h>
        #include <sys/syscall.h>
        #include <unistd.h>

        int main(int argc, char **argv)
        {
            struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NUMBER, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARGUMENT, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ANSWER),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
            };
            struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
                return 126;
            execvp(argv[1], argv + 1);
            return 127;
        }
        """
}

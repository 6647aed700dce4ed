import Glibc
import Testing

@testable import VMAProbe

@Suite("what the kernel says to a program that it does not load")
struct ProbeErrorTests {
    @Test(
        "lockdown=confidentiality is named in whatever words a kernel refuses a helper",
        arguments: [
            "cannot use helper bpf_probe_read#4", "unknown func bpf_probe_read_kernel#113",
            "error: policy check failed for helper bpf_probe_read#4",
        ])
    func lockdown(_ words: String) {
        let error = ProbeError.refused("loading snapshot_walk (\(words))", EINVAL)
        #expect(error.status == 69 && error.message.contains("lockdown=confidentiality"))
        #expect(ProbeError.refused("loading snapshot_walk (\(words))", ENOMEM).status == 70)
    }

    @Test("another refusal is not taken for that")
    func other() {
        let error = ProbeError.refused("loading snapshot_walk (unknown func bpf_iter_task_vma_new#1)", EINVAL)
        #expect(error.status == 70 && !error.message.contains("lockdown"))
    }
}

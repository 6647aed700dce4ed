import CSystem
import Glibc

/// Why a process of ours does not run.
struct HelperFault: Error, Equatable {
    let text: String

    /// It could not be started.
    ///
    /// - Parameter code: the errno.
    init(starting code: Int32) { text = "no process can be started for that (\(String(cString: strerror(code))))" }

    /// It has ended by itself since it could not give up its rights; nil if its status says nothing of that.
    init?(status: Int32) {
        switch Int(status) {
        case Int(VMS_REFUSED_CAPABILITIES): text = "a process for that can't give up its capabilities (capset)"
        case Int(VMS_REFUSED_PROCESS): text = "a process for that can't be made undumpable (prctl)"
        case Int(VMS_REFUSED_LIMITS): text = "a process for that can't be limited (setrlimit)"
        case Int(VMS_REFUSED_FILTER):
            text =
                "a process for that can't be confined: "
                + (access("/proc/sys/kernel/seccomp", F_OK) == 0
                    ? "seccomp filters are refused here" : "this kernel has no seccomp (CONFIG_SECCOMP_FILTER)")
        default: return nil
        }
    }
}

/// Helpers that were told to end, until they have, and why one has ended by itself.
struct EndedHelpers {
    private var pids: [Int32] = []
    private(set) var fault: HelperFault?

    mutating func add(_ pair: HelperPair) {
        pair.end()
        pids += [pair.opener.pid, pair.reader.pid]
        reap()
    }

    /// How many have not ended yet: a file system that does not answer can keep them.
    var count: Int {
        mutating get {
            reap()
            return pids.count
        }
    }

    mutating func reap() {
        guard !pids.isEmpty else { return }
        pids.removeAll { pid in
            var status: Int32 = 0
            guard vms_has_ended(pid, &status) else { return false }
            fault = HelperFault(status: status) ?? fault
            return true
        }
    }
}

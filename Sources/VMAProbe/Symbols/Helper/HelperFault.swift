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
    /// Those that processes are to blame for, and the users of these.
    private var blamed: [Int32: UInt32?] = [:]
    private var forgivenEnded = 0

    /// - Parameter blamed: the helper that a process's files have delayed or ended. When it has ended, it costs nothing more.
    mutating func add(_ pair: HelperPair, blamed helper: (pid: Int32, user: UInt32?)? = nil) {
        pair.end()
        pids += [pair.opener.pid, pair.reader.pid]
        if let helper { blamed[helper.pid] = .some(helper.user) }
        reap()
    }

    /// How many helpers that processes are to blame for have ended since the last call.
    mutating func takeForgiven() -> Int {
        reap()
        defer { forgivenEnded = 0 }
        return forgivenEnded
    }

    /// How many have not ended yet: a file system that does not answer can keep them.
    var count: Int {
        mutating get {
            reap()
            return pids.count
        }
    }

    /// Whether so many have not ended that processes of this user are to blame for that its files are left alone.
    func areTooMany(of user: UInt32?) -> Bool {
        !blamed.isEmpty && blamed.values.count { $0 == user } >= SymbolLimits.unendedOfUser
    }

    mutating func reap() {
        guard !pids.isEmpty else { return }
        pids.removeAll { pid in
            var status: Int32 = 0
            guard vms_has_ended(pid, &status) else { return false }
            fault = HelperFault(status: status) ?? fault
            if blamed.removeValue(forKey: pid) != nil { forgivenEnded += 1 }
            return true
        }
    }
}

import CSystem
import Glibc

/// How a process of ours is confined, by the kernel's own word: /proc/PID/status.
public struct HelperConfinement: Equatable, Sendable {
    /// What the process is for.
    public enum Role: String, Sendable, CaseIterable {
        case opener
        case reader
        case procReader = "proc_reader"

        /// For people.
        public var text: String {
            switch self {
            case .opener: "opens files"
            case .reader: "reads files, unwinds"
            case .procReader: "reads /proc"
            }
        }
    }

    public var role: Role
    public var uid: UInt32
    var permitted: UInt64
    /// Whether exec can't give it privileges (no_new_privs).
    public var hasNoNewPrivileges: Bool
    /// Whether a seccomp filter is in force.
    public var hasFilter: Bool
    /// Why it has no user of its own; nil if it has.
    public private(set) var sharing: String?

    /// - Parameters:
    ///   - status: the text of /proc/PID/status.
    ///   - own: the user of vmascope itself, and its capabilities.
    init?(_ role: Role, _ status: String, own: (uid: UInt32, Capabilities)) {
        var fields: [Substring: Substring] = [:]
        for line in status.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        }
        // Real, effective, saved, and that of files.
        let users = Set((fields["Uid"] ?? "").split { $0 == "\t" || $0 == " " }.compactMap { UInt32($0) })
        guard let uid = users.first, let sets = fields["CapPrm"].flatMap({ UInt64($0, radix: 16) }) else { return nil }
        self.role = role
        // With several it could go back to each.
        self.uid = users.count == 1 ? uid : own.uid
        permitted = sets
        hasNoNewPrivileges = fields["NoNewPrivs"] == "1"
        hasFilter = fields["Seccomp"] == "2"
        sharing = hasOwnUser ? nil : Self.reason(role, self.uid, own)
    }

    init?(_ role: Role, pid: Int32) {
        guard let text = ProcFile.text("/proc/\(pid)/status") else { return nil }
        self.init(role, text, own: (geteuid(), .current))
    }

    /// Whether no other process has its user.
    public var hasOwnUser: Bool { uid >= VMS_FIRST_OWN_USER && uid < VMS_FIRST_OWN_USER + VMS_OWN_USERS }

    private static func reason(_ role: Role, _ uid: UInt32, _ own: (uid: UInt32, Capabilities)) -> String {
        let has = { (bit: UInt64) in own.1.effective >> bit & 1 != 0 }
        if !has(7) { return "CAP_SETUID is missing" }
        // Without it root's user is all that leads to root's files.
        if role == .opener, !has(2), uid == own.uid { return "CAP_DAC_READ_SEARCH is missing" }
        return "this user namespace has no other user"
    }

    /// Its capabilities; the number of one that is no business of its kind.
    public var capabilities: [String] {
        let names = [2: "CAP_DAC_READ_SEARCH", 19: "CAP_SYS_PTRACE", 40: "CAP_CHECKPOINT_RESTORE"]
        return (0 ..< 64).filter { permitted >> UInt64($0) & 1 != 0 }.map { names[$0] ?? "capability \($0)" }
    }

    /// All of it, for people.
    public var text: String {
        let user = sharing.map { "user \(uid), not one of its own: \($0)" } ?? "a user of its own"
        let rights = capabilities.isEmpty ? "no capability" : capabilities.joined(separator: ", ")
        let missing = (hasNoNewPrivileges ? [] : ["no_new_privs"]) + (hasFilter ? [] : ["a seccomp filter"])
        let fences = missing.isEmpty ? "no_new_privs, seccomp" : "without \(missing.joined(separator: " and "))"
        return "\(fences); \(rights); \(user)"
    }

    /// One line for who observes as root, where a process is less confined than it is elsewhere; nil if none is.
    static func warning(_ helpers: [HelperConfinement]) -> String? {
        let weak = helpers.filter { $0.uid == 0 || !$0.hasFilter || !$0.hasNoNewPrivileges }
        guard let first = weak.first else { return nil }
        let are = weak.count > 1 ? "the processes that open and read files are" : "the process that \(first.role.text) is"
        guard weak.allSatisfy({ $0.hasFilter && $0.hasNoNewPrivileges }) else {
            return "\(are) confined by less than no_new_privs and seccomp: 'vmascope doctor' says by what"
        }
        let has = weak.count > 1 ? "have" : "has"
        return
            "\(are) confined by no_new_privs and seccomp, but \(has) root's user, since \(first.sharing ?? "it may not change")"
    }
}

import CSystem
import Glibc

/// An opener and a process that reads what it opens, started anew, with the observer's sockets to both.
struct HelperPair {
    typealias Helper = (pid: Int32, socket: Int32)

    let opener: Helper
    let reader: Helper

    /// - Parameter role: the first argument of the one that reads.
    /// Nil if they can't be started.
    init?(reader role: String) {
        var sockets = [[Int32]]()
        for _ in 0 ..< 3 {
            var ends = [Int32](repeating: -1, count: 2)
            guard vms_socketpair(&ends) == 0 else {
                sockets.joined().forEach { close($0) }
                return nil
            }
            sockets.append(ends)
        }
        let (toOpener, toReader, between) = (sockets[0], sockets[1], sockets[2])
        opener = (vms_spawn_helper(SymbolHelper.opener, toOpener[1], between[0], false), toOpener[0])
        reader = (vms_spawn_helper(role, toReader[1], between[1], true), toReader[0])
        for socket in [toOpener[1], toReader[1]] + between { close(socket) }
        guard opener.pid > 0, reader.pid > 0 else {
            for helper in [opener, reader] where helper.pid > 0 { vms_end_helper(helper.pid) }
            close(opener.socket)
            close(reader.socket)
            return nil
        }
    }

    /// Returns whether it has been seen to end: `vms_has_ended` will tell.
    static func end(_ helper: Helper) -> Bool {
        vms_end_helper(helper.pid)
        close(helper.socket)
        return vms_has_ended(helper.pid)
    }
}

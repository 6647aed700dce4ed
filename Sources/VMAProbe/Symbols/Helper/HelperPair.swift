import CSystem
import Glibc

/// An opener and a process that reads what it opens, started anew, with the observer's sockets to both.
struct HelperPair {
    typealias Helper = (pid: Int32, socket: Int32)

    let opener: Helper
    let reader: Helper

    init(opener: Helper, reader: Helper) { (self.opener, self.reader) = (opener, reader) }

    /// - Parameter role: the first argument of the one that reads.
    init(reader role: String) throws(HelperFault) {
        var sockets = [[Int32]]()
        for _ in 0 ..< 3 {
            var ends = [Int32](repeating: -1, count: 2)
            let error = vms_socketpair(&ends)
            guard error == 0 else {
                sockets.joined().forEach { close($0) }
                throw HelperFault(starting: -error)
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
            throw HelperFault(starting: -min(opener.pid, reader.pid))
        }
    }

    /// One helper by itself, not confined: it confines itself. Its descriptor 3 is the observer's other end.
    static func single(_ role: String) -> Helper? {
        var ends = [Int32](repeating: -1, count: 2)
        guard vms_socketpair(&ends) == 0 else { return nil }
        let pid = vms_spawn_helper(role, ends[1], ends[1], false)
        close(ends[1])
        guard pid > 0 else {
            close(ends[0])
            return nil
        }
        return (pid, ends[0])
    }

    /// Tells both to end: `vms_has_ended` says when they have.
    func end() {
        for helper in [opener, reader] {
            vms_end_helper(helper.pid)
            close(helper.socket)
        }
    }

    enum Received {
        case nothing
        case message([UInt8])
        /// The other end is gone.
        case end
    }

    /// What has come from a helper, of at most `limit` bytes. Never waits; descriptors that come along are closed.
    static func receive(_ socket: Int32, limit: Int) -> Received {
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            got = vms_receive(socket, buffer.baseAddress, buffer.count, nil, false)
            count = max(got, 0)
        }
        if got == -Int(EAGAIN) { return .nothing }
        return got > 0 ? .message(bytes) : .end
    }
}

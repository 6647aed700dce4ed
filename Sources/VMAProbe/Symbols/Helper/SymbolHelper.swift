import CSystem
import Glibc

/// The processes that open and read files for an observation (docs/security.md). All are this executable,
/// started anew by the observer, with two sockets as descriptors 3 and 4, and end when it does.
public enum SymbolHelper {
    /// The hidden first arguments.
    static let opener = "--debug-symbol-opener"
    static let reader = "--debug-symbol-reader"
    static let unwinder = "--debug-unwinder"
    static let procReader = "--debug-proc-reader"

    /// Does not return if this process is one of them.
    public static func runIfAsked(_ arguments: [String]) {
        switch arguments.dropFirst().first {
        case opener: runOpener()
        case reader: runReader()
        case unwinder: runUnwinder()
        case procReader:
            guard isSocket(3) else { _exit(64) }
            ProcReader.run()
        default: return
        }
    }

    private static func isSocket(_ fd: Int32) -> Bool {
        var status = stat()
        return fstat(fd, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// Does not return if a process could not give up its rights, which its status says then.
    private static func confine(_ refused: Int32) { if refused != 0 { _exit(refused) } }

    /// The next message, and a descriptor that came with it. Ends the process when the other side has gone, or
    /// says what makes no sense.
    ///
    /// - Parameter takesFiles: the other side sends descriptors.
    private static func receive(_ socket: Int32, waits: Bool = true, takesFiles: Bool = true) -> (HelperMessage, fd: Int32?)? {
        var fd: Int32 = -1
        var got = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: HelperMessage.limit) { buffer, count in
            got =
                takesFiles
                ? vms_receive(socket, buffer.baseAddress, buffer.count, &fd, waits)
                : vms_receive(socket, buffer.baseAddress, buffer.count, nil, waits)
            count = max(got, 0)
        }
        if got == -Int(EAGAIN) { return nil }
        guard got > 0, let message = HelperMessage(bytes) else { _exit(got == 0 ? 0 : 70) }
        return (message, fd >= 0 ? fd : nil)
    }

    private static func send(_ socket: Int32, _ message: HelperMessage, fd: Int32? = nil) {
        let bytes = message.bytes
        while true {
            let sent = vms_send(socket, bytes, bytes.count, fd ?? -1, true)
            if sent == 0 { return }
            // As many descriptors are under way as the kernel lets be: the other side is busy, and will take them.
            guard sent == -Int32(ETOOMANYREFS) else { _exit(0) }
            _ = vms_wait(-1, -1, 2)
        }
    }

    // MARK: the opener: 3 is the observer, 4 the reader

    private static func runOpener() -> Never {
        guard isSocket(3), isSocket(4) else { _exit(64) }
        confine(vms_confine_opener())
        var files = FileOpener()
        while true {
            let ready = vms_wait(3, 4, -1)
            if ready & 2 != 0, case (.more(let key, let what, let place), _)? = receive(4, takesFiles: false) {
                let fd = files.more(key, what, place: Int(place))
                send(4, .moreFile(found: fd != nil), fd: fd)
                if let fd { close(fd) }
            }
            if ready & 1 != 0, case (.open(let key, let request), _)? = receive(3, takesFiles: false) {
                let (result, fd) = files.open(key, request)
                if let fd {
                    if let content = request.identity?.content ?? FileIdentity.Content(fd) {
                        send(4, .file(key: key, request.kind, content), fd: fd)
                    }
                    close(fd)
                }
                send(3, .opened(key: key, result))
            }
        }
    }

    // MARK: the reader: 3 is the observer, 4 the opener

    private static func runReader() -> Never {
        // What is set up at its first use is used once while it may be.
        _ = Demangler.text("_ZN1a1bEv") + Demangler.text("$s1a1bV") + "\([1: 2].hashValue)"
        vms_guard_demangling()
        guard isSocket(3), isSocket(4) else { _exit(64) }
        confine(vms_confine_reader(SymbolLimits.readerMemory, UInt64(SymbolLimits.openFiles) + 64))
        var engine: SymbolEngine!
        engine = SymbolEngine(lacks: { send(3, .lacks(key: $0, buildID: $1)) }) { key, what, place in
            send(4, .more(key: key, what, place: UInt8(place)))
            while true {
                let (message, fd) = receive(4)!
                if case .moreFile = message { return fd }
                add(message, fd, to: engine)
            }
        }
        while true {
            let ready = vms_wait(3, 4, -1)
            if ready & 2 != 0 { while let (message, fd) = receive(4, waits: false) { add(message, fd, to: engine) } }
            guard ready & 1 != 0, case (.lookUp(let id, let key, let depth, let places), _)? = receive(3, takesFiles: false)
            else { continue }
            // The file was sent before the request for it.
            while let (message, fd) = receive(4, waits: false) { add(message, fd, to: engine) }
            send(3, .names(id: id, engine.names(key, places, depth)))
        }
    }

    private static func add(_ message: HelperMessage, _ fd: Int32?, to engine: SymbolEngine) {
        guard let fd else { return }
        if case .file(let key, let kind, let content) = message { engine.add(key, kind, fd, content) } else { close(fd) }
    }

    // MARK: the unwinder: 3 is the observer, 4 its opener

    private static func runUnwinder() -> Never {
        _ = "\([1: 2].hashValue)"
        guard isSocket(3), isSocket(4) else { _exit(64) }
        confine(vms_confine_reader(SymbolLimits.readerMemory, UInt64(SymbolLimits.unwindFiles) + 64))
        let engine = UnwindEngine()
        func takeFiles() {
            while let (message, fd) = receive(4, waits: false) {
                guard let fd else { continue }
                if case .file(let key, .mapped, let content) = message { engine.add(key, fd, content) } else { close(fd) }
            }
        }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: UnwindMessage.limit, alignment: 16)
        while true {
            let ready = vms_wait(3, 4, -1)
            if ready & 2 != 0 { takeFiles() }
            guard ready & 1 != 0 else { continue }
            // Files were sent before the request that is about them.
            takeFiles()
            let got = vms_receive(3, room.baseAddress, room.count, nil, true)
            guard got > 0 else { _exit(got == 0 ? 0 : 70) }
            var bytes = [UInt8](UnsafeRawBufferPointer(rebasing: room[..<got]))
            guard case .unwind(let id, var request)? = UnwindMessage(bytes) else { _exit(70) }
            let reply = UnwindMessage.unwound(id: id, engine.unwind(request)).bytes
            // A copy holds whatever the program had on its stack.
            vms_clear(room.baseAddress, got)
            bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, $0.count) }
            request.bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, $0.count) }
            if vms_send(3, reply, reply.count, -1, true) != 0 { _exit(0) }
        }
    }
}

import CSystem
import Glibc

/// Whether the processes that find names work here: asked for a name of this very program.
public struct SymbolTrial: Sendable {
    /// What is wrong, in words; nil if both answer.
    public let problem: String?
    /// How those are confined that have answered, and the reader of /proc.
    public let helpers: [HelperConfinement]

    /// Nanoseconds for an answer: in an emulator a process takes a second to start.
    private static let patience: UInt64 = 20_000_000_000

    /// Waits for the answer: some milliseconds.
    public init() {
        var helpers: [HelperConfinement] = []
        problem =
            Self.ownFile.map { Self.problem($0, &helpers) } ?? "what this process has mapped is not known: is /proc mounted?"
        let reader = ProcReader()
        _ = reader.answer(.arguments, UInt32(getpid()), within: Self.patience)
        self.helpers = helpers + (reader.confinement.map { [$0] } ?? [])
    }

    private static func problem(_ request: FileRequest, _ helpers: inout [HelperConfinement]) -> String? {
        let service = SymbolService()
        guard let key = service.key(request, wantsDebug: false) else { return "no file can be asked for" }
        let place = SymbolPlace(key: key, request: NameRequest(address: 0, isCaller: false))
        _ = service.answer(place, for: getpid())
        let end = vms_monotonic_ns() + patience
        while vms_monotonic_ns() < end {
            for (found, answer) in service.advance(vms_monotonic_ns()) where found == place {
                helpers = service.confinement
                if case .name = answer { return nil }
                guard service.losses.broken || service.losses.late > 0 else { return "our own file can't be opened" }
                return service.fault ?? "the processes that read files can't be kept running"
            }
            usleep(1000)
        }
        return "the processes that read files do not answer"
    }

    /// As the kernel says of what the program itself is mapped from.
    private static var ownFile: FileRequest? {
        guard let name = ProcFile.link("/proc/self/exe") else { return nil }
        for line in ProcFile.lines("/proc/self/maps").lazy.compactMap(MapsLine.init) where line.path == name {
            // Without CAP_SYS_PTRACE it is found at its path, if it has not changed since this time.
            return FileRequest(
                kind: .mapped, pid: getpid(), path: name, start: line.start, end: line.end, identity: line.identity,
                toldAt: FileRequest.now)
        }
        return nil
    }
}

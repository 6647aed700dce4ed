import CSystem
import VMACore

/// Frames of processes that are not followed: what their addresses lie in is read from /proc/PID/maps, and the
/// processes that find names are asked. Nothing here waits, but for `finish`.
public final class MapsSymbolizer {
    private let table: StackTable
    let maps: ProcessMaps

    /// A stack of a process of which it is not known yet what it maps.
    private struct Waiting {
        var stack: StackID
        var mm: MMID
        var tgid: UInt32
        var command: String
    }
    private var waiting: [Waiting] = []
    private static let waitingLimit = 1000

    /// - Parameter wantsNames: starts the processes that read /proc and find names.
    public init(wantsNames: Bool = true) {
        var options = StackTable.Options(wantsNames: wantsNames)
        options.forgetsStacks = true
        table = StackTable(options)
        maps = ProcessMaps(reads: wantsNames)
    }

    /// Takes the addresses of a stack; other events say nothing.
    public func note(_ event: Event) { table.note(event) }

    /// Asks for the frames of a stack of `mm`, which the process `tgid` has.
    ///
    /// - Parameter body: is told of `.frames` as they come, of earlier stacks too.
    public func resolve(_ stack: StackID, of mm: MMID, tgid: UInt32, command: String, _ body: (Event) -> Void) {
        if waiting.count < Self.waitingLimit {
            waiting.append(Waiting(stack: stack, mm: mm, tgid: tgid, command: command))
        }
        advance(body)
    }

    public func advance(_ body: (Event) -> Void) {
        proceed(body)
        table.advance(body)
    }

    private func proceed(_ body: (Event) -> Void) {
        while let first = waiting.first, maps.refresh(first.tgid) {
            waiting.removeFirst()
            table.resolve(first.stack, of: first.mm, tgid: first.tgid, command: first.command, maps, body)
        }
    }

    /// Waits until `deadline` (CLOCK_MONOTONIC nanoseconds) for what was asked for.
    public func finish(_ deadline: UInt64, _ body: (Event) -> Void) {
        proceed(body)
        while !waiting.isEmpty, vms_monotonic_ns() < deadline {
            _ = vms_wait(maps.socket, -1, 10)
            proceed(body)
        }
        table.finish({ deadline }, body)
    }

    private var told: [StackTable.Reason: String] = [:]

    /// Why names are missing, and what is less confined than elsewhere, one line each: once, and at the end what there is more of.
    public func takeWarnings(isLast: Bool) -> [String] {
        table.reasons.compactMap { kind, text in
            guard told[kind] == nil || isLast && told[kind] != text else { return nil }
            told[kind] = text
            return text
        }
    }

    /// Descriptors that can be read when an answer has come; -1 where none is waited for.
    public var sockets: [Int32] {
        Array((table.isWaiting ? table.sockets + [-1, -1] : [-1, -1]).prefix(2)) + [waiting.isEmpty ? -1 : maps.socket]
    }
}

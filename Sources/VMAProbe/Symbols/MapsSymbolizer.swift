import VMACore

/// Frames of processes that are not followed: what their addresses lie in is read from /proc/PID/maps, and the
/// processes that find names are asked. Nothing here waits, but for `finish`.
public final class MapsSymbolizer {
    private let table: StackTable
    let maps = ProcessMaps()

    /// - Parameter wantsNames: starts the processes that find names.
    public init(wantsNames: Bool = true) { table = StackTable(StackTable.Options(wantsNames: wantsNames)) }

    /// Takes the addresses of a stack; other events say nothing.
    public func note(_ event: Event) { table.note(event) }

    /// Asks for the frames of a stack of `mm`, which the process `tgid` has.
    ///
    /// - Parameter body: is told of `.frames` as they come, of earlier stacks too.
    public func resolve(_ stack: StackID, of mm: MMID, tgid: UInt32, command: String, _ body: (Event) -> Void) {
        table.resolve(stack, of: mm, tgid: tgid, command: command, maps, body)
    }

    public func advance(_ body: (Event) -> Void) { table.advance(body) }

    /// Waits until `deadline` (CLOCK_MONOTONIC nanoseconds) for what was asked for.
    public func finish(_ deadline: UInt64, _ body: (Event) -> Void) { table.finish({ deadline }, body) }

    /// Two descriptors that can be read when an answer has come; -1 where none is waited for.
    public var sockets: [Int32] { table.isWaiting ? Array((table.sockets + [-1, -1]).prefix(2)) : [-1, -1] }
}

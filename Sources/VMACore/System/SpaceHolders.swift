/// Tells address spaces apart that had the same id one after the other: while counting pauses there is no record of an
/// end, and the kernel gives the memory of an `mm_struct` to the next process at once.
public struct SpaceHolders: Sendable {
    private var holders: [MMID: Set<ProcessKey>] = [:]

    /// Nobody is known.
    public init() {}

    /// Takes all living processes, and returns the address spaces that belong to others now than the last time: those
    /// ids stand for something else.
    public mutating func update(_ processes: [ProcessStock]) -> Set<MMID> {
        var now: [MMID: Set<ProcessKey>] = [:]
        for process in processes where process.mm != 0 { now[process.mm, default: []].insert(process.key) }
        defer { holders = now }
        return Set(now.filter { mm, keys in holders[mm]?.isDisjoint(with: keys) ?? false }.keys)
    }
}

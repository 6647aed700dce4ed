/// How often helpers may be started anew: some times at once, and later once in a while. So what breaks them again and
/// again costs little, and what did so once has no effect for good.
struct RestartBudget {
    private var spent = 0
    /// When the number of those that are spent was last reduced, CLOCK_MONOTONIC nanoseconds.
    private var reducedAt: UInt64 = 0

    /// One that was ended since a process delayed it, and has ended, does not count: else who delays many would leave none
    /// for others.
    mutating func giveBack() { spent = max(0, spent - 1) }

    /// Whether helpers may be started now, which counts then.
    ///
    /// - Parameter ended: helpers that were killed and have not ended: a file system that does not answer can keep them,
    ///   and their memory.
    mutating func take(_ now: UInt64, ended: Int) -> Bool {
        guard ended < SymbolLimits.unended else { return false }
        if spent == 0 { reducedAt = now }
        let back = Int((now - min(now, reducedAt)) / SymbolLimits.restartPause)
        if back > 0 {
            spent = max(0, spent - back)
            reducedAt += UInt64(back) * SymbolLimits.restartPause
        }
        guard spent < SymbolLimits.restarts else { return false }
        spent += 1
        return true
    }
}

import VMACore

extension KernelModel {
    /// The merge rules that the results of experiments show.
    ///
    /// - Parameters:
    ///   - results: by name (`Experiments.Name`); an experiment that is missing could not be made.
    ///   - hasAnonPgoff: whether private pages of a file have an offset of their own.
    init(_ results: [String: Bool], hasAnonPgoff: Bool) {
        typealias Name = Experiments.Name
        func isSo(_ name: String) -> Bool { results[name] == true }
        let hole: HolePreference =
            switch (isSo(Name.holeJoinsPrev), isSo(Name.holeJoinsNext)) {
            case (true, false): .prev
            case (false, true): .next
            case (true, true): .both
            case (false, false): .neither
            }
        self.init(
            anonVMARule: isSo(Name.faultedJoinsUnfaulted) ? .forkChild : .neighbour, hole: hole,
            close: CloseRule(
                prevGrows: isSo(Name.prevGrows), nextGrows: isSo(Name.nextGrows), prevTakes: isSo(Name.prevTakes),
                nextTakes: isSo(Name.nextTakes)))
        mergesCopiesOfForks = anonVMARule == .forkChild && isSo(Name.copyOfForkJoins)
        keptSource = isSo(Name.copyJoinsSource) ? .merges : isSo(Name.copyJoinsOther) ? .apart : .alone
        if isSo(Name.guardedJoins) { ignoredFlags.insert(.maybeGuard) }
        addsMergeableLate = isSo(Name.mergeableLate)
        dropsAccount = isSo(Name.dropsAccount)
        brk = results[Name.brkJoinsBelow].map { $0 ? .any : .start } ?? .unknown
        names = isSo(Name.namedShared) ? .shared : isSo(Name.named) ? .private : .none
        self.hasAnonPgoff = hasAnonPgoff
    }
}

/// Finds the running kernel's merge rules by experiment (`Experiments`).
public enum Calibration {
    public static func model(_ kernel: Kernel) throws(ProbeError) -> KernelModel {
        let experiments = Experiments()
        if let problem = experiments.problem { throw .failed(problem) }
        return KernelModel(experiments.results, hasAnonPgoff: kernel.hasField("vm_area_struct", "__vm_anon_pgoff_lo"))
    }
}

import VMACore

extension KernelShape {
    /// The running kernel's shape, with the results of all experiments and of loading what reads a layout. It has no
    /// address and no name of a process or file, and may be sent to anybody.
    public init(_ kernel: Kernel) {
        kernel.readSymbols(AttachPlan.hookedFunctions)
        var trials = Experiments().results
        if let ways = Trial.layout(kernel).ways {
            trials[Self.trial(of: ways.taken)] = true
            for refused in ways.refused { trials[Self.trial(of: refused.way)] = false }
        }
        self.init(kernel, release: kernel.release, trials: trials)
    }

    private static func trial(of way: Way) -> String { "way \(way.text)" }

    /// The merge rules that its experiments show.
    public var model: KernelModel { KernelModel(trials, hasAnonPgoff: hasField("vm_area_struct", "__vm_anon_pgoff_lo")) }

    /// The way in which a layout would be read: the first that this kernel is not known to refuse.
    var layoutWay: Way? {
        Way.candidates(readsLayouts: true, counts: false, hasFunction: hasFunction, hasStruct: hasType)
            .first { trials[Self.trial(of: $0)] != false }
    }

    /// The decisions that would be taken on such a kernel, in lines.
    public var decisions: String {
        var lines = ["kernel \(release)", "merge rules: \(model.name)", "layouts: \(layoutWay?.text ?? "none")"]
        for source in Source.allCases { lines += Self.lines(source.rawValue, AttachPlan(source, self)) }
        lines += Self.lines("system, with attempts", AttachPlan(everyoneOn: self, countsAttempts: true))
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(_ title: String, _ plan: AttachPlan) -> [String] {
        let outcome = plan.readsOutcomes ? "; outcomes are read from rows" : ""
        let first = "\(title): \(plan.missingText ?? "everything is there\(outcome)")"
        return [first]
            + plan.points.map { point in
                "  \(point.role.rawValue): \(point.kind) \(point.symbol ?? point.name) by \(point.program)"
            }
    }
}

extension BPFLoader {
    /// Attaches all that a point needs. Where the kernel has no symbol of the function's name, its compiler
    /// may have renamed it: then the symbol table is asked, which takes long.
    func attach(_ point: AttachPoint, on kernel: Kernel) throws(ProbeError) {
        for program in point.programs {
            let isHook = point.kind == "kprobe" && program == point.program
            do {
                try attach(program, to: isHook ? point.symbol : nil, counts: program == point.program)
            } catch {
                guard isHook, point.symbol == nil, let symbol = kernel.renamed(point.name) else { throw error }
                try attach(program, to: symbol)
            }
        }
    }
}

extension Kernel {
    /// The only symbol that a function has, if that is not its name.
    fileprivate func renamed(_ function: String) -> String? {
        readSymbols(AttachPlan.hookedFunctions)
        let found = symbol(function)
        return found == function ? nil : found
    }
}

extension AttachPlan {
    /// All that any plan puts a kprobe on.
    static let hookedFunctions = Set(table.filter { $0.kind == "kprobe" }.map(\.name))
}

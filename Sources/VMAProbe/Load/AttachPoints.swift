extension BPFLoader {
    /// Attaches all programs of a point. Where no symbol has the function's name, the compiler may have renamed the
    /// function: then the symbol table is read, which takes long.
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
    /// The only symbol of a function, if that is not its name.
    fileprivate func renamed(_ function: String) -> String? {
        readSymbols(AttachPlan.hookedFunctions)
        let found = symbol(function)
        return found == function ? nil : found
    }
}

extension AttachPlan {
    /// All functions that any plan puts a kprobe on.
    static let hookedFunctions = Set(table.filter { $0.kind == "kprobe" }.map(\.name))
}

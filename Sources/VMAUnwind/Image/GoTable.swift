/// Go's own table of its functions, .gopclntab (cmd/internal/obj, debug/gosym), which stripped programs have, too:
/// names, and at each instruction how far the stack pointer has moved. The layout is that of Go 1.18 and later.
public final class GoTable {
    private let table: Section
    private let textStart: UInt64
    private let count: Int
    private let step: UInt64
    private let names, values, functions: Int
    private var known: [UInt64: Function?] = [:]

    private struct Function {
        var start, end: UInt64
        var name: String
        /// The offset in the table of the function's list of stack pointer distances; nil if it has none.
        var distances: Int?
    }

    private static let mostKnown = 4096
    /// Instructions of one list.
    private static let mostSteps = 1 << 16

    /// `text` is where the code of the image begins, which newer linkers do not say in the table.
    public init?(_ table: Section, text: UInt64?) {
        guard let magic = table.value(at: 0, size: 4), magic == 0xffff_fff0 || magic == 0xffff_fff1,
            let step = table.value(at: 6, size: 1), step > 0, table.value(at: 7, size: 1) == 8,
            let count = table.value(at: 8, size: 8), count < 1 << 24, count > 0,
            let start = table.value(at: 24, size: 8),
            let names = Self.offset(table, 32), let values = Self.offset(table, 56),
            let functions = Self.offset(table, 64), functions + (2 * Int(count) + 1) * 4 <= table.count
        else { return nil }
        guard start != 0 || text != nil else { return nil }
        self.table = table
        textStart = start != 0 ? start : text ?? 0
        (self.step, self.count) = (step, Int(count))
        (self.names, self.values, self.functions) = (names, values, functions)
    }

    private static func offset(_ table: Section, _ place: Int) -> Int? {
        table.value(at: place, size: 8).flatMap { $0 < UInt64(table.count) ? Int($0) : nil }
    }

    public var footprint: Int { known.count * 160 }

    /// The name of the function that holds an address of the image.
    public func name(at address: UInt64) -> String? { function(at: address)?.name }

    /// The address where it begins, and the one behind its last instruction.
    public func range(at address: UInt64) -> Range<UInt64>? { function(at: address).map { $0.start ..< $0.end } }

    private func start(_ index: Int) -> UInt64? {
        table.value(at: functions + 8 * index, size: 4).map { textStart &+ $0 }
    }

    private func function(at address: UInt64) -> Function? {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            guard let start = self.start(middle) else { return nil }
            if start <= address { low = middle + 1 } else { high = middle }
        }
        // The entry behind the last function has only its end.
        guard low > 0, let start = self.start(low - 1), let end = self.start(low), address < end else { return nil }
        if let known = known[start] { return known }
        let found = read(low - 1, start, end)
        if known.count >= Self.mostKnown { known = [:] }
        known[start] = .some(found)
        return found
    }

    private func read(_ index: Int, _ start: UInt64, _ end: UInt64) -> Function? {
        guard let offset = table.value(at: functions + 8 * index + 4, size: 4),
            let name = table.value(at: functions + Int(offset) + 4, size: 4),
            let distances = table.value(at: functions + Int(offset) + 16, size: 4),
            let text = table.text(at: UInt64(names) + name), !text.isEmpty
        else { return nil }
        return Function(
            start: start, end: end, name: text, distances: distances == 0 ? nil : values + Int(distances))
    }

    // MARK: the stack

    /// Where nothing calls them: goroutines begin at goexit, threads at mstart, programs at rt0_go.
    private static let outermost: Set<String> = [
        "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall",
    ]
    /// They call on the stack of the thread what was called on that of a goroutine.
    private static let switching: Set<String> = ["runtime.systemstack", "runtime.asmcgocall", "runtime.morestack"]
    /// They jump to one of those.
    private static let jumping = ["runtime.morestack_noctxt": "runtime.morestack"]

    /// The name of the function at an address without the mark of its calling convention.
    private func plainName(at address: UInt64) -> String? {
        function(at: address).map { $0.name.hasSuffix(".abi0") ? String($0.name.dropLast(5)) : $0.name }
    }

    /// Of the functions that go on on the thread's stack, the one that holds an address of the image, or jumps there.
    func switchingFunction(at address: UInt64) -> String? {
        guard let name = plainName(at: address) else { return nil }
        return Self.switching.contains(name) ? name : Self.jumping[name]
    }

    /// Whether an address of the image is in the scheduler, which looks for another goroutine than the one that was
    /// interrupted.
    func isScheduler(at address: UInt64) -> Bool { plainName(at: address) == "runtime.schedule" }

    /// The rules at an address of the image; nil if there are none, or if the function changes to another stack.
    func row(at address: UInt64, steps: inout Int) -> UnwindRow? {
        guard let function = function(at: address), let name = plainName(at: address) else { return nil }
        if Self.outermost.contains(name) { return UnwindRow(returnRule: .undefined) }
        guard !Self.switching.contains(name), let distance = distance(function, address, &steps) else { return nil }
        var row = UnwindRow(cfa: .register(UInt8(Registers.Number.rsp), Int64(distance) + 8), returnRule: .offset(-8))
        // A function with a frame keeps the frame pointer at its top.
        if distance >= 8 {
            row.rules = [(UInt8(Registers.Number.rbp), .offset(-16))]
            row.keepsFramePointer = true
        }
        return row
    }

    private func distance(_ function: Function, _ address: UInt64, _ steps: inout Int) -> Int? {
        guard let place = function.distances, place < table.count else { return nil }
        var cursor = Cursor(table.bytes(at: place, count: 1 << 14))
        var (value, at) = (Int64(-1), function.start)
        for index in 0 ..< Self.mostSteps {
            steps -= 1
            guard steps > 0 else { return nil }
            let coded = cursor.uleb()
            if coded == 0, index > 0 { return nil }
            value &+= coded & 1 == 0 ? Int64(coded >> 1) : -Int64(coded >> 1) - 1
            at &+= cursor.uleb() &* step
            guard !cursor.failed else { return nil }
            if address < at { return value >= 0 && value < 1 << 30 ? Int(value) : nil }
        }
        return nil
    }
}

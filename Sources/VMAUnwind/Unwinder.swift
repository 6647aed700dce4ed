/// Walks the call stack of an x86-64 thread by call-frame information, and by frame pointers where there is none.
public enum Unwinder {
    /// - Parameters:
    ///   - registers: of the thread, in user mode.
    ///   - stacks: copies of its stack, the one that begins at rsp first.
    ///   - chain: what `bpf_get_stack` found by following frame pointers: the innermost address and return
    ///     addresses. It reaches further than the copy. Empty if there is none.
    ///   - lookup: what is mapped at an address; nil if that is not executable.
    public static func unwind(
        _ registers: Registers, stacks: [StackCopy], chain: [UInt64] = [], limits: UnwindLimits = UnwindLimits(),
        lookup: (_ address: UInt64) -> CodePlace?
    ) -> Unwound {
        var walk = Walk(registers, stacks, chain, limits)
        walk.run(lookup)
        return walk.result
    }
}

/// One walk, from the innermost frame outwards.
private struct Walk {
    private var registers: Registers
    private let stacks: [StackCopy]
    private var pointers: FramePointerChain
    private let limits: UnwindLimits
    private var steps: Int
    private var kind = Unwound.Frame.Kind.innermost
    private var isGuessed = false
    /// Whether the last step was one by frame pointer.
    private var followedPointer = false
    /// The walk has gone on on another stack than the one that begins at the thread's rsp.
    private var hasChangedStacks = false
    /// Of the stack, the first address that was wanted and not copied.
    private var missing: UInt64?
    private(set) var result = Unwound()
    /// What each register's value is, as an input: it counts once the value is used.
    private var sources = InlineArray<17, UInt16>(repeating: Unwound.noInput)

    init(_ registers: Registers, _ stacks: [StackCopy], _ chain: [UInt64], _ limits: UnwindLimits) {
        self.registers = registers
        self.stacks = stacks
        self.limits = limits
        steps = limits.steps
        let kept = [Registers.Number.rbp, Registers.Number.rbx, 12, 13, 14, 15]
        for (place, number) in kept.enumerated() { sources[number] = Unwound.registerInput + 2 + UInt16(place) }
        pointers = FramePointerChain(chain, from: registers[Registers.Number.rbp], stacks)
    }

    mutating func run(_ lookup: (UInt64) -> CodePlace?) {
        while let address = registers[Registers.Number.rip] {
            guard result.frames.count < limits.frames else { return end(.limit) }
            let frame = Unwound.Frame(address: address, kind: kind, isGuessed: isGuessed)
            let place = lookup(frame.lookup)
            // A walk that has left the code has gone wrong one step earlier.
            if place == nil, kind == .caller { return end(missing == nil ? .unknown : cut) }
            result.frames.append(frame)
            let row = place.flatMap { place in
                place.table?.row(at: frame.lookup &- place.bias, steps: &steps)
            }
            guard steps > 0 else { return end(.limit) }
            let count = result.frames.count
            let next: Step
            if let row {
                next = step(row, lookup)
            } else if let place, let table = place.table, table.isGo,
                let step = changeStacks(table.switchingFunction(at: frame.lookup &- place.bias), lookup)
            {
                next = step
            } else {
                next = followFramePointer(place, lookup)
            }
            switch next {
            case .frame: continue
            case .end(let ending):
                // Code that was made at run time, or that changes stacks in its own way. What has tables, and none for
                // this place, may be where a stack begins.
                let isDark = place.map { $0.table.map(\.isGo) ?? true } ?? false
                if isDark, ending != .complete, ending != .limit, result.frames.count == count, scan(lookup) { return }
                return end(ending)
            }
        }
        end(.unknown)
    }

    // MARK: by looking for it

    /// Whether this walk may look for return addresses: it does so once.
    private var mayScan = true
    /// Words of the stack that are looked at, and of them such as have a walk begin there.
    private static let (scannedWords, scannedStarts) = (512, 24)

    /// Looks on the stack for a return address from which a walk by call-frame information comes to an end. It may be
    /// one that a function has left there that has returned since: so all that it leads to is a guess.
    private mutating func scan(_ lookup: (UInt64) -> CodePlace?) -> Bool {
        guard mayScan, let stack = registers[Registers.Number.rsp] else { return false }
        var starts = 0
        let first = (stack &+ 7) & ~7
        for index in 0 ..< UInt64(Self.scannedWords) {
            let address = first &+ 8 &* index
            guard let value = word(address), starts < Self.scannedStarts, steps > 0 else { return false }
            guard value > 4096, let place = lookup(value &- 1), let table = place.table,
                table.hasCall(before: value &- place.bias) == true,
                table.row(at: value &- 1 &- place.bias, steps: &steps) != nil
            else { continue }
            starts += 1
            var other = self
            other.mayScan = false
            other.isGuessed = true
            other.kind = .caller
            other.followedPointer = false
            other.sources = InlineArray(repeating: Unwound.noInput)
            other.registers = Registers()
            other.registers[Registers.Number.rip] = value
            other.registers[Registers.Number.rsp] = address &+ 8
            other.registers[Registers.Number.rbp] = registers[Registers.Number.rbp]
            other.use(source(at: address))
            other.run(lookup)
            steps = other.steps
            if other.result.ending == .complete {
                self = other
                return true
            }
        }
        return false
    }

    private enum Step {
        /// `registers` are those of the caller.
        case frame
        case end(Unwound.Ending)
    }

    private mutating func end(_ ending: Unwound.Ending) { result.ending = ending }

    /// One step out of a function of Go that has changed from a goroutine's stack to the thread's, and left the frame
    /// pointer as it was: a copy of the goroutine's stack tells the function that changed, and the kernel's
    /// frame-pointer chain those behind it. Nil if neither is at hand.
    ///
    /// - Parameter name: of the function; nil if it is one of C, which Go's linker leaves without tables.
    private mutating func changeStacks(_ name: String?, _ lookup: (UInt64) -> CodePlace?) -> Step? {
        if name == "runtime.morestack", hasScheduled(lookup) { return .end(.complete) }
        if let stack = registers[Registers.Number.rsp], let step = leaveC(name, stack, lookup) { return step }
        guard let pointer = registers[Registers.Number.rbp], pointer != 0 else { return nil }
        let caller = withoutActuallyEscaping(lookup) {
            GoroutineSearch(stacks: stacks, lookup: $0).caller(
                of: name ?? "runtime.asmcgocall", pointer: pointer, steps: &steps)
        }
        if let caller {
            use(Unwound.unnamedInput)
            // Functions of C may lie between.
            if name == nil || !caller.isOnly { isGuessed = true }
            registers = Registers()
            registers[Registers.Number.rip] = caller.address
            registers[Registers.Number.rsp] = caller.stack
            registers[Registers.Number.rbp] = pointer
            sources = InlineArray(repeating: Unwound.noInput)
            (kind, followedPointer, hasChangedStacks) = (.caller, false, true)
            return .frame
        }
        guard stacks.first?.value(at: pointer) == nil else { return nil }
        guard pointers.returns(behind: pointer) != nil else {
            result.wantsChain = true
            return nil
        }
        // The function that called this one has the frame that the frame pointer leads to: it is not seen.
        isGuessed = true
        let count = result.frames.count
        let step = followChain(lookup)
        // The first function of a goroutine has a frame pointer of 0 to save, and there the kernel stops.
        if case .end(.cut) = step, result.frames.count > count, !pointers.isCut { return .end(.complete) }
        return step
    }

    /// Whether Go's scheduler is among the frames. A goroutine that was preempted where its stack would have grown, and may
    /// run elsewhere by now, has not called what the scheduler does.
    private func hasScheduled(_ lookup: (UInt64) -> CodePlace?) -> Bool {
        result.frames.contains { frame in
            lookup(frame.lookup).map { $0.table?.isGoScheduler(at: frame.lookup &- $0.bias) ?? false } ?? false
        }
    }

    /// One step out of a function of C without tables, or out of the one that calls such on the same stack.
    private mutating func leaveC(_ name: String?, _ stack: UInt64, _ lookup: (UInt64) -> CodePlace?) -> Step? {
        guard name == nil || name == "runtime.asmcgocall", let address = result.frames.last?.lookup else { return nil }
        let caller = withoutActuallyEscaping(lookup) {
            let search = GoroutineSearch(stacks: stacks, lookup: $0)
            return name == nil
                ? search.callerOfC(address, stack: stack, steps: &steps) : search.callerOfCgoCall(stack: stack)
        }
        guard let caller else { return nil }
        use(source(at: caller.stack &- 8))
        registers = Registers()
        registers[Registers.Number.rip] = caller.address
        registers[Registers.Number.rsp] = caller.stack
        sources = InlineArray(repeating: Unwound.noInput)
        (kind, followedPointer) = (.caller, false)
        return .frame
    }

    // MARK: by call-frame information

    private mutating func step(_ row: UnwindRow, _ lookup: (UInt64) -> CodePlace?) -> Step {
        guard let rule = row.returnRule, rule != .undefined else {
            // Nothing returns from here, says the outermost function.
            return .end(row.returnRule == .undefined ? .complete : .unknown)
        }
        missing = nil
        guard let cfa = address(row.cfa) else {
            return row.followsFramePointer ? followChain(lookup) : .end(missing == nil ? .unknown : cut)
        }
        var caller = Registers()
        var callerSources = InlineArray<17, UInt16>(repeating: Unwound.noInput)
        for number in 0 ..< Registers.count where Registers.isKeptByCallee(number) || row.isSignalFrame {
            caller[number] = registers[number]
            callerSources[number] = sources[number]
        }
        caller[Registers.Number.rsp] = cfa
        let before = missing
        for (number, rule) in row.rules where Int(number) < Registers.count {
            let (value, source) = value(rule, Int(number), cfa)
            caller[Int(number)] = value
            callerSources[Int(number)] = source
        }
        missing = before
        let (found, source) = value(rule, Registers.Number.rip, cfa)
        guard let next = found else {
            return row.followsFramePointer ? followChain(lookup) : .end(missing == nil ? .unknown : cut)
        }
        use(source)
        caller[Registers.Number.rip] = next
        if next == 0 { return .end(.complete) }
        // Without progress the rest would be the same for ever.
        if next == registers[Registers.Number.rip], caller[Registers.Number.rsp] == registers[Registers.Number.rsp] {
            return .end(.unknown)
        }
        registers = caller
        sources = callerSources
        kind = row.isSignalFrame ? .interrupted : .caller
        followedPointer = false
        return .frame
    }

    private mutating func address(_ rule: AddressRule) -> UInt64? {
        switch rule {
        case .unknown: return nil
        case .register(let register, let offset):
            guard let value = registers[Int(register)] else { return nil }
            use(sources[Int(register)])
            return value &+ UInt64(bitPattern: offset)
        case .expression(let bytes): return evaluate(bytes, nil)
        }
    }

    /// And what it is as an input, if it gets used.
    private mutating func value(_ rule: RegisterRule, _ number: Int, _ cfa: UInt64) -> (UInt64?, source: UInt16) {
        switch rule {
        case .undefined: return (nil, Unwound.noInput)
        case .same: return (registers[number], sources[number])
        case .offset(let distance):
            let address = cfa &+ UInt64(bitPattern: distance)
            return (word(address), source(at: address))
        case .valueOffset(let distance): return (cfa &+ UInt64(bitPattern: distance), Unwound.noInput)
        case .register(let other):
            guard Int(other) < Registers.count else { return (nil, Unwound.noInput) }
            return (registers[Int(other)], sources[Int(other)])
        case .expression(let bytes):
            guard let address = evaluate(bytes, cfa) else { return (nil, Unwound.noInput) }
            return (word(address), source(at: address))
        case .valueExpression(let bytes): return (evaluate(bytes, cfa), Unwound.noInput)
        }
    }

    // MARK: what the result rests on

    private mutating func use(_ source: UInt16) {
        if source != Unwound.noInput, !result.inputs.contains(source) { result.inputs.append(source) }
    }

    /// The input that a word of memory is.
    private func source(at address: UInt64) -> UInt16 {
        guard let first = stacks.first, address >= first.base, (address - first.base) % 8 == 0,
            (address - first.base) / 8 < UInt64(Unwound.registerInput)
        else { return Unwound.unnamedInput }
        return UInt16((address - first.base) / 8)
    }

    /// All registers that an expression may name count: more than are needed do no harm.
    private mutating func useRegisters(of expression: [UInt8]) {
        for byte in expression where byte >= 0x70 && byte < 0x70 + UInt8(Registers.count) { use(sources[Int(byte) - 0x70]) }
    }

    private mutating func evaluate(_ bytes: [UInt8], _ cfa: UInt64?) -> UInt64? {
        useRegisters(of: bytes)
        do {
            return try Expression.value(bytes, registers, initial: cfa) { address, size in
                self.use(size == 8 ? self.source(at: address) : Unwound.unnamedInput)
                return self.word(address, size)
            }
        } catch .noMemory(let address) {
            missing = missing ?? address
        } catch {}
        return nil
    }

    // MARK: memory

    private mutating func word(_ address: UInt64, _ size: Int = 8) -> UInt64? {
        for (index, stack) in stacks.enumerated() {
            guard let value = stack.value(at: address, size: size) else { continue }
            if index == 0 { result.depth = max(result.depth, Int(address - stack.base) + size) }
            return value
        }
        missing = missing ?? address
        return nil
    }

    /// No stack of a thread is larger: what is further away is another one.
    private static let largestStack: UInt64 = 1 << 30

    private var cut: Unwound.Ending {
        guard let missing, !hasChangedStacks, let first = stacks.first, missing >= first.base,
            missing - first.base < Self.largestStack
        else { return .cut(wanted: nil) }
        return .cut(wanted: Int(missing - first.base) + 8)
    }

    // MARK: by frame pointers

    /// Whether rsp points to what the kernel gives a program: the number of its arguments, and the first of them,
    /// which lies further out. Some start by aligning rsp.
    private mutating func isAtEntry() -> Bool {
        guard let stack = registers[Registers.Number.rsp] else { return false }
        for offset: UInt64 in [0, 8] {
            guard let count = word(stack &+ offset), let first = word(stack &+ offset &+ 8) else { return false }
            use(source(at: stack &+ offset))
            use(source(at: stack &+ offset &+ 8))
            if count < 1 << 20, first > stack, first - stack < 64 << 20 { return true }
        }
        return false
    }

    /// One step where there is no call-frame information.
    private mutating func followFramePointer(_ place: CodePlace?, _ lookup: (UInt64) -> CodePlace?) -> Step {
        missing = nil
        guard let pointer = registers[Registers.Number.rbp] else { return .end(.unknown) }
        use(sources[Registers.Number.rbp])
        // The ABI marks the outermost frame by a frame pointer of 0. But rbp may be any number that a function
        // works with: so a frame pointer has led there, or the stack is that of a program's first instruction.
        if pointer == 0 { return .end(kind != .innermost && (followedPointer || isAtEntry()) ? .complete : .unknown) }
        guard pointer % 8 == 0, let stack = registers[Registers.Number.rsp], pointer >= stack else {
            return .end(.unknown)
        }
        guard let saved = word(pointer), let address = word(pointer &+ 8) else {
            // Beyond the copy, or on another stack, as where a fiber begins: nothing says that this frame is its.
            isGuessed = true
            let step = followChain(lookup)
            if case .end(.cut) = step { return .end(cut) }
            return step
        }
        use(source(at: pointer))
        use(source(at: pointer &+ 8))
        if address == 0 { return .end(saved == 0 ? .complete : .unknown) }
        guard let code = lookup(address &- 1) else { return .end(.unknown) }
        let hasCall = code.table?.hasCall(before: address &- code.bias)
        // A caller that keeps no frame pointer may have had anything in rbp.
        let leadsOn = saved == 0 || saved % 8 == 0 && saved > pointer
        let hasRow = hasCall == true && code.table?.row(at: address &- 1 &- code.bias, steps: &steps) != nil
        let isNext = (hasRow || leadsOn) && isFirstReturn(at: pointer &+ 8, from: stack, lookup)
        // What Go's goroutines return to stands behind no call.
        if hasCall == false, saved == 0, followedPointer { return .end(.complete) }
        if hasCall == false || hasCall == nil && !leadsOn { return .end(.unknown) }
        // The function where the thread is may have pushed nothing yet, or nothing at all: then this is the
        // caller of its caller.
        if !isNext, hasCall != true || !leadsOn || kind != .caller { isGuessed = true }
        var caller = Registers()
        caller[Registers.Number.rip] = address
        caller[Registers.Number.rsp] = pointer &+ 16
        caller[Registers.Number.rbp] = saved
        registers = caller
        sources = InlineArray(repeating: Unwound.noInput)  // of rbp the word is among the inputs already
        kind = .caller
        followedPointer = true
        return .frame
    }

    /// Bytes of one frame that are looked through for return addresses.
    private static let searchedFrame: UInt64 = 1 << 14

    /// Whether no word of the stack between `from` and `place` can be a return address. A call that is not in the chain
    /// of frame pointers would have left one there. The words are no inputs: a function has its frame pointer at a fixed
    /// distance from where it calls.
    private mutating func isFirstReturn(at place: UInt64, from: UInt64, _ lookup: (UInt64) -> CodePlace?) -> Bool {
        guard from % 8 == 0, place >= from, place - from <= Self.searchedFrame else { return false }
        steps -= Int(place - from) / 64
        guard steps > 0 else { return false }
        for address in stride(from: from, to: place, by: 8) {
            guard let value = stacks.lazy.compactMap({ $0.value(at: address) }).first else { return false }
            if value > 4096, let code = lookup(value &- 1), code.table?.hasCall(before: value &- code.bias) != false {
                return false
            }
        }
        return true
    }

    /// One step where the copy has ended, and the frame-pointer chain goes on.
    private mutating func followChain(_ lookup: (UInt64) -> CodePlace?) -> Step {
        guard let pointer = registers[Registers.Number.rbp], let rest = pointers.returns(behind: pointer) else {
            return .end(missing == nil ? .unknown : cut)
        }
        // Of what follows only the addresses are known. As long as each function keeps a frame pointer, each is
        // the caller of the one before; from the first that does not on, it is a guess.
        use(Unwound.unnamedInput)
        for address in rest {
            guard result.frames.count < limits.frames else { return .end(.limit) }
            if address == 0 { return .end(.complete) }
            guard let place = lookup(address &- 1) else { return .end(cut) }
            let hasCall = place.table?.hasCall(before: address &- place.bias)
            let frame = Unwound.Frame(address: address, kind: .caller, isGuessed: isGuessed)
            let row = place.table?.row(at: frame.lookup &- place.bias, steps: &steps)
            guard steps > 0 else { return .end(.limit) }
            // A goroutine is made to return to where it ends, which nothing has called.
            if hasCall == false, row?.returnRule != .undefined { return .end(cut) }
            result.frames.append(frame)
            if let row {
                if row.returnRule == .undefined { return .end(.complete) }
                if !row.followsFramePointer { isGuessed = true }
            } else if hasCall != true {
                isGuessed = true
            }
        }
        return .end(cut)
    }
}

/// Finds the function that has changed from a goroutine's stack to the thread's. It called, say,
/// `runtime.systemstack`, which leaves the frame pointer as it was. So the return address of that call lies below what
/// the frame pointer leads to, as far as Go's table says that the function's frame reaches.
struct GoroutineSearch {
    /// Copies of stacks, one of which has what the frame pointer leads to.
    let stacks: [StackCopy]
    let lookup: (UInt64) -> CodePlace?

    struct Caller: Equatable {
        /// Where the call returns to, and the stack pointer there.
        var address, stack: UInt64
        /// No other word of the stack can be it.
        var isOnly: Bool
    }

    /// Bytes below the frame pointer that are looked through: functions that change stacks have small frames.
    static let reach: UInt64 = 2048
    /// Functions without a frame between the change of stacks and the one that keeps the frame pointer.
    private static let mostFrameless = 4

    /// The function that has called `switching`, while the frame pointer was `pointer`.
    func caller(of switching: String, pointer: UInt64, steps: inout Int) -> Caller? {
        guard pointer % 8 == 0 else { return nil }
        var found: Caller?
        // A function that has returned since can have left such a word, too. But the one that runs is what its caller
        // calls, as long as that call names it.
        var isNamed = false
        for distance in stride(from: UInt64(8), through: Self.reach, by: 8) where distance < pointer {
            let place = pointer - distance
            guard let address = word(place) else { break }
            steps -= 1
            guard steps > 0 else { return nil }
            guard hasCall(of: switching, before: address),
                let named = leads(address, place + 8, to: pointer, &steps)
            else { continue }
            if found == nil || named && !isNamed {
                (found, isNamed) = (Caller(address: address, stack: place + 8, isOnly: true), named)
            } else if named == isNamed {
                found!.isOnly = false
            }
        }
        return found
    }

    // MARK: functions of C

    /// Bytes of a frame of C that are looked through.
    private static let frame: UInt64 = 1024

    /// The caller of a function of C, which Go's linker leaves without tables: the first call that names it, or
    /// asmcgocall, which calls any.
    ///
    /// - Parameters:
    ///   - address: in the function, of the process.
    ///   - stack: its stack pointer.
    func callerOfC(_ address: UInt64, stack: UInt64, steps: inout Int) -> Caller? {
        guard stack % 8 == 0 else { return nil }
        for distance in stride(from: 0, to: Self.frame, by: 8) {
            guard let next = word(stack &+ distance) else { return nil }
            steps -= 1
            guard steps > 0 else { return nil }
            let above = stack &+ distance &+ 8
            if isCall(of: address, before: next) || isInCgoCall(next, stack: above) {
                return Caller(address: next, stack: above, isOnly: true)
            }
        }
        return nil
    }

    /// The caller of asmcgocall, where it has called on the stack on which it was called: it keeps the stack pointer that
    /// it came with, and that it has changed no stack.
    func callerOfCgoCall(stack: UInt64) -> Caller? {
        guard word(stack &+ 48) == 0, let own = word(stack &+ 40), own > stack, own - stack < Self.frame,
            let address = word(own), hasCall(of: "runtime.asmcgocall", before: address)
        else { return nil }
        return Caller(address: address, stack: own + 8, isOnly: true)
    }

    private func isInCgoCall(_ address: UInt64, stack: UInt64) -> Bool {
        guard stack % 16 == 0, address > 4096, let place = lookup(address &- 1), let table = place.table,
            table.switchingFunction(at: address &- 1 &- place.bias) == "runtime.asmcgocall",
            table.hasCall(before: address &- place.bias) == true
        else { return false }
        return callerOfCgoCall(stack: stack) != nil
    }

    private func word(_ address: UInt64) -> UInt64? { stacks.lazy.compactMap { $0.value(at: address) }.first }

    private func hasCall(of switching: String, before address: UInt64) -> Bool {
        guard address > 4096, let place = lookup(address &- 1), let table = place.table, table.isGo,
            let target = table.callTarget(before: address &- place.bias)
        else { return false }
        return table.switchingFunction(at: target) == switching
    }

    /// Whether the frames from a return address on lead to the one at `pointer`. Nil if they do not; false if a call among
    /// them names another function, or none.
    private func leads(_ address: UInt64, _ stack: UInt64, to pointer: UInt64, _ steps: inout Int) -> Bool? {
        var (address, stack, isNamed) = (address, stack, true)
        for _ in 0 ... Self.mostFrameless {
            guard let place = lookup(address &- 1), let table = place.table,
                let row = table.row(at: address &- 1 &- place.bias, steps: &steps),
                row.cfa.register == UInt8(Registers.Number.rsp), row.returnRule == .offset(-8)
            else { return nil }
            let frame = stack &+ UInt64(bitPattern: row.cfa.distance)
            guard frame > stack, let next = word(frame - 8) else { return nil }
            if !isCall(of: address &- 1, before: next) { isNamed = false }
            if row.keepsFramePointer { return frame &- 16 == pointer ? isNamed : nil }
            guard frame <= pointer else { return nil }
            (address, stack) = (next, frame)
        }
        return nil
    }

    /// Whether the call before `next` names the function that `address` is in.
    private func isCall(of address: UInt64, before next: UInt64) -> Bool {
        guard next > 4096, let place = lookup(next &- 1), let table = place.table,
            let target = table.callTarget(before: next &- place.bias), let own = lookup(address)
        else { return false }
        return own.table?.goFunction(at: address &- own.bias)?.lowerBound == target &+ place.bias &- own.bias
    }
}

extension AddressRule {
    fileprivate var register: UInt8? {
        if case .register(let register, _) = self { register } else { nil }
    }

    fileprivate var distance: Int64 {
        if case .register(_, let distance) = self { distance } else { 0 }
    }
}

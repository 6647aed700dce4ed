/// Evaluates DWARF expressions (DWARF 5, section 2.5) as they stand in call-frame information: arithmetic on
/// registers and on words of the stack.
enum Expression {
    /// Operations of one expression: those of toolchains have about ten.
    private static let mostSteps = 512
    private static let deepest = 64

    /// Why there is no value.
    enum Failure: Error {
        case malformed
        /// A register of the frame is not known.
        case noRegister
        /// A word of memory is not known, which is at this address.
        case noMemory(UInt64)
    }

    /// `initial` is on the stack before the first operation: the CFA, if it is one for a register.
    static func value(
        _ bytes: [UInt8], _ registers: Registers, initial: UInt64?,
        memory: (_ address: UInt64, _ size: Int) -> UInt64?
    ) throws(Failure) -> UInt64 {
        var cursor = Cursor(bytes)
        var stack: [UInt64] = initial.map { [$0] } ?? []
        var steps = 0
        while !cursor.isAtEnd {
            steps += 1
            guard steps <= mostSteps, stack.count <= deepest else { throw .malformed }
            try step(&cursor, &stack, registers, memory)
            if cursor.failed { throw .malformed }
        }
        guard let last = stack.last else { throw .malformed }
        return last
    }

    private static func step(
        _ cursor: inout Cursor, _ stack: inout [UInt64], _ registers: Registers,
        _ memory: (UInt64, Int) -> UInt64?
    ) throws(Failure) {
        let operation = cursor.u8()
        switch operation {
        case 0x03, 0x0e, 0x0f: stack.append(cursor.unsigned(8))  // addr, const8u, const8s
        case 0x06: try load(&stack, 8, memory)
        case 0x08: stack.append(cursor.unsigned(1))
        case 0x09: stack.append(UInt64(bitPattern: cursor.signed(1)))
        case 0x0a: stack.append(cursor.unsigned(2))
        case 0x0b: stack.append(UInt64(bitPattern: cursor.signed(2)))
        case 0x0c: stack.append(cursor.unsigned(4))
        case 0x0d: stack.append(UInt64(bitPattern: cursor.signed(4)))
        case 0x10: stack.append(cursor.uleb())
        case 0x11: stack.append(UInt64(bitPattern: cursor.sleb()))
        case 0x12: stack.append(try top(stack, 0))  // dup
        case 0x13: _ = try pop(&stack)  // drop
        case 0x14: stack.append(try top(stack, 1))  // over
        case 0x15: stack.append(try top(stack, Int(cursor.u8())))  // pick
        case 0x16:  // swap
            let (right, left) = (try pop(&stack), try pop(&stack))
            stack += [right, left]
        case 0x17:  // rot
            let (first, second, third) = (try pop(&stack), try pop(&stack), try pop(&stack))
            stack += [first, third, second]
        case 0x19:  // abs
            let value = try pop(&stack)
            stack.append(Int64(bitPattern: value) < 0 ? 0 &- value : value)
        case 0x1f: stack.append(0 &- (try pop(&stack)))
        case 0x20: stack.append(~(try pop(&stack)))
        case 0x23: stack.append(try pop(&stack) &+ cursor.uleb())  // plus_uconst
        case 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e:
            let (right, left) = (try pop(&stack), try pop(&stack))
            stack.append(try binary(operation, left, right))
        case 0x28, 0x2f:  // bra, skip
            let distance = Int(cursor.signed(2))
            if operation == 0x28, try pop(&stack) == 0 { return }
            cursor.move(to: cursor.offset + distance)
        case 0x30 ... 0x4f: stack.append(UInt64(operation - 0x30))  // lit
        case 0x70 ... 0x8f:  // breg
            try append(&stack, registers, UInt64(operation - 0x70), cursor.sleb())
        case 0x92:  // bregx
            let number = cursor.uleb()
            try append(&stack, registers, number, cursor.sleb())
        case 0x94: try load(&stack, Int(cursor.u8()), memory)  // deref_size
        case 0x96: break  // nop
        default: throw .malformed
        }
    }

    private static func binary(_ operation: UInt8, _ left: UInt64, _ right: UInt64) throws(Failure) -> UInt64 {
        let (a, b) = (Int64(bitPattern: left), Int64(bitPattern: right))
        switch operation {
        case 0x1a: return left & right
        case 0x1b:
            guard b != 0 else { throw .malformed }
            return UInt64(bitPattern: a.dividedReportingOverflow(by: b).partialValue)
        case 0x1c: return left &- right
        case 0x1d:
            guard right != 0 else { throw .malformed }
            return left % right
        case 0x1e: return left &* right
        case 0x21: return left | right
        case 0x22: return left &+ right
        case 0x24: return right < 64 ? left << right : 0
        case 0x25: return right < 64 ? left >> right : 0
        case 0x26: return UInt64(bitPattern: a >> Int64(min(right, 63)))
        case 0x27: return left ^ right
        case 0x29: return a == b ? 1 : 0
        case 0x2a: return a >= b ? 1 : 0
        case 0x2b: return a > b ? 1 : 0
        case 0x2c: return a <= b ? 1 : 0
        case 0x2d: return a < b ? 1 : 0
        default: return a != b ? 1 : 0
        }
    }

    private static func pop(_ stack: inout [UInt64]) throws(Failure) -> UInt64 {
        guard let value = stack.popLast() else { throw .malformed }
        return value
    }

    private static func top(_ stack: [UInt64], _ depth: Int) throws(Failure) -> UInt64 {
        guard depth < stack.count else { throw .malformed }
        return stack[stack.count - 1 - depth]
    }

    private static func append(
        _ stack: inout [UInt64], _ registers: Registers, _ number: UInt64, _ offset: Int64
    ) throws(Failure) {
        guard number < UInt64(Registers.count) else { throw .malformed }
        guard let value = registers[Int(number)] else { throw .noRegister }
        stack.append(value &+ UInt64(bitPattern: offset))
    }

    private static func load(
        _ stack: inout [UInt64], _ size: Int, _ memory: (UInt64, Int) -> UInt64?
    ) throws(Failure) {
        guard size > 0, size <= 8 else { throw .malformed }
        let address = try pop(&stack)
        guard let value = memory(address, size) else { throw .noMemory(address) }
        stack.append(value)
    }
}

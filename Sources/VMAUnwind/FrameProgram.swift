/// Runs the instructions of a CIE and an FDE (DWARF 5, section 6.4.2) up to one address.
struct FrameProgram {
    private var cfa = AddressRule.unknown
    private var rules = [RegisterRule?](repeating: nil, count: Registers.count)
    private var initial: [RegisterRule?] = []
    private var saved: [(AddressRule, [RegisterRule?])] = []
    private let common: CommonEntry

    /// Compilers nest DW_CFA_remember_state once or twice.
    private static let deepest = 64
    /// Bytes of an expression.
    private static let longestExpression = 512

    private init(_ common: CommonEntry) { self.common = common }

    /// The row for `address`, or nil if the instructions are none that we understand.
    /// Each instruction takes one from `steps`, which is the bound of what a hostile file can cost.
    static func row(_ entry: FrameEntry, at address: UInt64, steps: inout Int) -> UnwindRow? {
        var program = FrameProgram(entry.common)
        guard program.run(entry.common.instructions, from: entry.start, to: nil, &steps) else { return nil }
        program.initial = program.rules
        guard program.run(entry.instructions, from: entry.start, to: address, &steps) else { return nil }
        return program.row
    }

    private var row: UnwindRow {
        var row = UnwindRow(cfa: cfa, isSignalFrame: common.isSignalFrame)
        for (number, rule) in rules.enumerated() {
            guard let rule else { continue }
            if number == common.returnColumn {
                row.returnRule = rule
            } else if number != Registers.Number.rip {
                row.rules.append((UInt8(number), rule))
            }
        }
        return row
    }

    private mutating func set(_ register: UInt64, _ rule: RegisterRule?) {
        // Vector registers and flags, which no caller is found by.
        guard register < UInt64(Registers.count) else { return }
        rules[Int(register)] = rule
    }

    /// Runs the program up to `target`; nil: to its end. Returns whether everything was understood.
    private mutating func run(
        _ instructions: [UInt8], from start: UInt64, to target: UInt64?, _ steps: inout Int
    ) -> Bool {
        var cursor = Cursor(instructions)
        var location = start
        while !cursor.isAtEnd {
            steps -= 1
            guard steps > 0 else { return false }
            let byte = cursor.u8()
            let operand = UInt64(byte & 0x3f)
            var advance: UInt64?
            switch byte >> 6 {
            case 1: advance = operand
            case 2: set(operand, .offset(scaled(cursor.uleb())))
            case 3: restore(operand)
            default:
                switch byte {
                case 0x00: break  // nop
                case 0x01:  // set_loc
                    // Nobody emits it for x86-64 in a pc-relative encoding, which would need its address.
                    guard common.pointers.byte & 0xf0 == 0, let place = common.pointers.readValue(&cursor) else {
                        return false
                    }
                    if let target, place > target { return true }
                    location = place
                case 0x02: advance = cursor.unsigned(1)
                case 0x03: advance = cursor.unsigned(2)
                case 0x04: advance = cursor.unsigned(4)
                case 0x1d: advance = cursor.unsigned(8)  // MIPS_advance_loc8
                default:
                    guard other(byte, &cursor) else { return false }
                }
            }
            guard !cursor.failed else { return false }
            if let advance {
                let next = location &+ advance &* common.codeAlignment
                if let target, next > target { return true }
                location = next
            }
        }
        return true
    }

    private mutating func other(_ byte: UInt8, _ cursor: inout Cursor) -> Bool {
        switch byte {
        case 0x05:  // offset_extended
            let register = cursor.uleb()
            set(register, .offset(scaled(cursor.uleb())))
        case 0x06: restore(cursor.uleb())  // restore_extended
        case 0x07: set(cursor.uleb(), .undefined)
        case 0x08: set(cursor.uleb(), .same)
        case 0x09:  // register
            let register = cursor.uleb()
            let other = cursor.uleb()
            set(register, other < UInt64(Registers.count) ? .register(UInt8(other)) : .undefined)
        case 0x0a:  // remember_state
            guard saved.count < Self.deepest else { return false }
            saved.append((cfa, rules))
        case 0x0b:  // restore_state
            guard let last = saved.popLast() else { return false }
            (cfa, rules) = last
        case 0x0c:  // def_cfa
            let register = cursor.uleb()
            return define(register, Int64(bitPattern: cursor.uleb()))
        case 0x0d:  // def_cfa_register
            let register = cursor.uleb()
            guard case .register(_, let offset) = cfa else { return false }
            return define(register, offset)
        case 0x0e:  // def_cfa_offset
            let offset = Int64(bitPattern: cursor.uleb())
            guard case .register(let register, _) = cfa else { return false }
            cfa = .register(register, offset)
        case 0x0f:  // def_cfa_expression
            guard let expression = expression(&cursor) else { return false }
            cfa = .expression(expression)
        case 0x10, 0x16:  // expression, val_expression
            let register = cursor.uleb()
            guard let expression = expression(&cursor) else { return false }
            set(register, byte == 0x10 ? .expression(expression) : .valueExpression(expression))
        case 0x11:  // offset_extended_sf
            let register = cursor.uleb()
            set(register, .offset(scaled(cursor.sleb())))
        case 0x12:  // def_cfa_sf
            let register = cursor.uleb()
            return define(register, scaled(cursor.sleb()))
        case 0x13:  // def_cfa_offset_sf
            let offset = scaled(cursor.sleb())
            guard case .register(let register, _) = cfa else { return false }
            cfa = .register(register, offset)
        case 0x14:  // val_offset
            let register = cursor.uleb()
            set(register, .valueOffset(scaled(cursor.uleb())))
        case 0x15:  // val_offset_sf
            let register = cursor.uleb()
            set(register, .valueOffset(scaled(cursor.sleb())))
        case 0x2e: _ = cursor.uleb()  // GNU_args_size, which says what is on the stack for a callee
        case 0x2f:  // GNU_negative_offset_extended
            let register = cursor.uleb()
            set(register, .offset(0 &- scaled(cursor.uleb())))
        default: return false
        }
        return true
    }

    private func scaled(_ factor: UInt64) -> Int64 { Int64(bitPattern: factor) &* common.dataAlignment }
    private func scaled(_ factor: Int64) -> Int64 { factor &* common.dataAlignment }

    private mutating func define(_ register: UInt64, _ offset: Int64) -> Bool {
        guard register < UInt64(Registers.count) else { return false }
        cfa = .register(UInt8(register), offset)
        return true
    }

    private mutating func restore(_ register: UInt64) {
        guard register < UInt64(initial.count) else { return }
        rules[Int(register)] = initial[Int(register)]
    }

    private func expression(_ cursor: inout Cursor) -> [UInt8]? {
        let range = cursor.block()
        guard !cursor.failed, range.count <= Self.longestExpression else { return nil }
        return Array(cursor.bytes[range])
    }
}

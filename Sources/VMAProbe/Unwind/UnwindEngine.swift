import CSystem
import CVMAWire
import Glibc
import VMAUnwind

/// Unwinds copies of stacks by the tables of files that somebody else has opened. What it reads may be anything.
final class UnwindEngine {
    private enum Content {
        /// The file has not been read yet.
        case fd(Int32, FileIdentity.Content?)
        /// Nil: it is no ELF file.
        case file(UnwindFile?)
    }

    private var contents: [UInt32: (content: Content, used: UInt64)] = [:]
    private var clock: UInt64 = 0

    /// Files that were found changed while a stack was unwound.
    private var changed: Set<UInt32> = []

    /// Takes over `fd`.
    ///
    /// - Parameter content: what the file has to hold.
    func add(_ key: UInt32, _ fd: Int32, _ content: FileIdentity.Content? = nil) {
        remove(key)
        clock += 1
        contents[key] = (.fd(fd, content), clock)
        shrink()
    }

    func unwind(_ request: UnwindRequest) -> UnwindReply {
        var reply = UnwindReply()
        reply.lacking = request.mappings.map(\.key).filter { $0 != 0 && contents[$0] == nil }
        guard reply.lacking.isEmpty else { return reply }
        clock += 1
        // Tables grow by what is looked up in them.
        if clock % 1024 == 0 { shrink() }
        func register(_ register: vme_register) -> UInt64 { request.registers[Int(register.rawValue)] }
        let registers = Registers(
            rip: register(VME_IP), rsp: register(VME_SP), rbp: register(VME_BP), rbx: register(VME_BX),
            r12: register(VME_R12), r13: register(VME_R13), r14: register(VME_R14), r15: register(VME_R15))
        let unwound = request.bytes.withUnsafeBytes { bytes in
            var start = 0
            var stacks = request.pieces.map { piece in
                defer { start += piece.count }
                return StackCopy(
                    base: register(VME_SP) &+ UInt64(piece.offset),
                    bytes: UnsafeRawBufferPointer(rebasing: bytes[start ..< start + piece.count]))
            }
            if request.other.count > 0 {
                stacks.append(
                    StackCopy(
                        base: request.other.address,
                        bytes: UnsafeRawBufferPointer(rebasing: bytes[start ..< start + request.other.count])))
            }
            return Unwinder.unwind(registers, stacks: stacks, chain: request.chain) { place(of: $0, request.mappings) }
        }
        // Who opens them anew finds out.
        guard changed.isEmpty else {
            reply.lacking = changed.sorted()
            for key in changed { remove(key) }
            changed = []
            return reply
        }
        reply.ending = unwound.ending
        reply.frames = unwound.frames
        reply.inputs = unwound.inputs
        reply.wantsChain = unwound.wantsChain
        if unwound.inputs.count > UnwindReply.inputLimit { reply.inputs = [Unwound.unnamedInput] }
        return reply
    }

    private func place(of address: UInt64, _ mappings: [UnwindRequest.Mapping]) -> CodePlace? {
        let low = mappings.partitioningIndex { $0.start > address }
        guard low > 0, address < mappings[low - 1].end else { return nil }
        let mapping = mappings[low - 1]
        guard mapping.key != 0, let file = file(mapping.key),
            let inFile = file.address(ofOffset: address &- mapping.start &+ mapping.fileOffset)
        else { return CodePlace(table: nil, bias: 0) }
        return CodePlace(table: file.table, bias: address &- inFile)
    }

    // MARK: files

    private func file(_ key: UInt32) -> UnwindFile? {
        guard let known = contents[key] else { return nil }
        switch known.content {
        case .file(let file):
            if known.used != clock {
                contents[key]!.used = clock
                if file?.isChanged == true { changed.insert(key) }
            }
            return file
        case .fd(let fd, let content):
            let file = UnwindFile(owning: fd, content)
            if file?.isChanged == true { changed.insert(key) }
            contents[key] = (.file(file), clock)
            return file
        }
    }

    private func remove(_ key: UInt32) {
        if case .fd(let fd, _)? = contents.removeValue(forKey: key)?.content { close(fd) }
    }

    /// Lets go of what was not used for longest.
    private func shrink() {
        func footprint(_ content: Content) -> Int {
            if case .file(let file?) = content { file.footprint } else { 256 }
        }
        var all = contents.values.reduce(0) { $0 + footprint($1.content) }
        guard all > SymbolLimits.unwindFootprint || contents.count > SymbolLimits.unwindFiles else { return }
        for (key, known) in contents.sorted(by: { $0.value.used < $1.value.used }) {
            guard contents.count > 1, all > SymbolLimits.unwindFootprint || contents.count > SymbolLimits.unwindFiles else {
                return
            }
            all -= footprint(known.content)
            remove(key)
        }
    }
}

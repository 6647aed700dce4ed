import CSystem
import CVMAWire
import VMACore
import VMAUnwind
import VMAWire

/// From copies of stacks, as they come from the kernel's side, to call paths: puts their pieces together, unwinds
/// them by what is mapped in the process at that time, and teaches the kernel's side which paths are known.
///
/// A copy holds whatever the program had on its stack. It is cleared when it has been unwound, and nothing but
/// addresses goes on from here.
final class StackCopies {
    /// What is known of the processes at the time of the record that is being read.
    struct Processes {
        var image: (MMID) -> Image?
        var path: (FileID) -> String?
        var number: (FileID) -> CodeFiles.Number?
    }

    struct Figures: Equatable {
        /// Copies that have come, and their bytes.
        var copies = 0
        var bytes = 0
        /// Of them: unwound up to their end; cut where the copy ended.
        var complete = 0
        var cut = 0
        /// Of a path that was known already: all, and those of another stack than it said.
        var checked = 0
        var wrong = 0
    }

    private(set) var figures = Figures()
    var processes: Processes?
    private let files = CodeFiles()
    private var tree: PathTree
    /// Copies of which pieces are still to come, by their keys.
    private var partial: [UInt64: Copy] = [:]

    /// What the last copy has taught, but for the name of its stack.
    private var lesson: (path: UInt64, inputs: [(PathTree.Input, UInt64)])?

    private static let mostPartial = 64
    /// Of the first paths of an address space.
    static let firstBytes = 16384
    static let mostBytes = 65536

    /// The pieces until now, with zeros between them, and where they are.
    private final class Copy {
        var bytes: [UInt8] = []
        var pieces: [Range<Int>] = []

        deinit { bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, $0.count) } }

        func append(_ piece: CopyPiece) {
            bytes.append(contentsOf: repeatElement(0, count: piece.offset - bytes.count))
            bytes.append(contentsOf: piece.bytes)
            if let last = pieces.last, last.upperBound == piece.offset {
                pieces[pieces.count - 1] = last.lowerBound ..< bytes.count
            } else {
                pieces.append(piece.offset ..< bytes.count)
            }
        }
    }

    /// - Parameter memory: of the map `paths`.
    init(_ memory: UnsafeMutableRawPointer) { tree = PathTree(memory) }

    /// Returns the addresses of the path, innermost first, when all pieces have come, in the form of
    /// `Event.stack`.
    func take(_ piece: CopyPiece) -> [UInt64]? {
        if piece.offset == 0, !piece.hasMore { return unwind(piece, piece.bytes, [0 ..< piece.bytes.count]) }
        if piece.offset == 0 {
            // Those whose rest was lost.
            if partial.count >= Self.mostPartial { partial = [:] }
            partial[piece.key] = Copy()
        }
        guard let copy = partial[piece.key], copy.bytes.count <= piece.offset, piece.offset <= Self.mostBytes else {
            partial[piece.key] = nil
            return nil
        }
        copy.append(piece)
        guard !piece.hasMore else { return nil }
        partial[piece.key] = nil
        return copy.bytes.withUnsafeBytes { unwind(piece, $0, copy.pieces) }
    }

    var evicted: Int { tree.evicted }

    /// Opens the files with code among what has been mapped.
    func open(_ vmas: [VMA], tgid: UInt32) {
        for vma in vmas where vma.file != 0 && vma.flags.contains(.exec) && !files.knows(vma.file) {
            _ = files.file(vma, tgid: tgid, path: processes?.path(vma.file), number: processes?.number(vma.file))
        }
    }

    // MARK: one copy

    private func unwind(_ piece: CopyPiece, _ bytes: UnsafeRawBufferPointer, _ pieces: [Range<Int>]) -> [UInt64] {
        lesson = nil
        figures.copies += 1
        figures.bytes += bytes.count
        let at = piece.registers
        func register(_ register: vme_register) -> UInt64 { at[Int(register.rawValue)] }
        let registers = Registers(
            rip: register(VME_IP), rsp: register(VME_SP), rbp: register(VME_BP), rbx: register(VME_BX),
            r12: register(VME_R12), r13: register(VME_R13), r14: register(VME_R14), r15: register(VME_R15))
        let image = processes?.image(piece.mm)
        let stacks = pieces.map { range in
            StackCopy(base: piece.stackPointer &+ UInt64(range.lowerBound), bytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        let unwound = Unwinder.unwind(registers, stacks: stacks) { address in
            image.flatMap { place(of: address, $0, piece.tgid) }
        }
        learn(piece, bytes, unwound, isSure: image?.isComplete ?? false)
        return Self.addresses(unwound)
    }

    private func place(of address: UInt64, _ image: Image, _ tgid: UInt32) -> CodePlace? {
        guard let vma = image.layout.vma(containing: address), vma.flags.contains(.exec) else { return nil }
        guard let file = files.file(vma, tgid: tgid, path: processes?.path(vma.file), number: processes?.number(vma.file)),
            let inFile = file.address(ofOffset: address &- vma.start &+ vma.pgoff << UInt64(AddressRange.pageShift))
        else { return CodePlace(table: nil, bias: 0) }
        return CodePlace(table: file.table, bias: address &- inFile)
    }

    private func learn(_ piece: CopyPiece, _ bytes: UnsafeRawBufferPointer, _ unwound: Unwound, isSure: Bool) {
        switch unwound.ending {
        case .complete: figures.complete += 1
        case .cut(let wanted):
            figures.cut += 1
            // A page that is not there is not to be had by asking for more.
            guard let wanted, piece.hasRest, wanted > piece.asked, piece.asked < Self.mostBytes else { break }
            // Next time as much again beyond what one frame more needs.
            tree.want(min(2 * wanted, Self.mostBytes), piece.path)
            tree.want(min(2 * wanted, Self.mostBytes), piece.space)
            return
        case .unknown, .limit: break
        }
        // What is mapped there may not be known yet.
        guard isSure, !unwound.inputs.contains(Unwound.unnamedInput) else { return }
        lesson = (piece.path, unwound.inputs.compactMap { input in value(of: input, piece, bytes).map { (input, $0) } })
    }

    private func value(of input: PathTree.Input, _ piece: CopyPiece, _ bytes: UnsafeRawBufferPointer) -> UInt64? {
        if input >= PathTree.firstRegister { return piece.registers[Int(input - PathTree.firstRegister)] }
        let offset = 8 * Int(input)
        return offset + 8 <= bytes.count ? bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) : nil
    }

    /// From now on the kernel's side calls the path that was taken last by this name.
    ///
    /// - Parameter known: what it was called already; 0 if it was not known.
    func learn(_ stack: StackID, known: StackID = 0) {
        guard let lesson else { return }
        if known != 0 {
            figures.checked += 1
            if known != stack { figures.wrong += 1 }
        }
        tree.teach(lesson.path, lesson.inputs.map(\.0), stack: stack) { input in
            lesson.inputs.first { $0.0 == input }?.1
        }
        self.lesson = nil
    }

    /// A frame that is not a call's is told one byte further on: whoever reads it goes one back.
    static func addresses(_ unwound: Unwound) -> [UInt64] {
        var addresses: [UInt64] = []
        addresses.reserveCapacity(unwound.frames.count + 1)
        var isGuessed = false
        for frame in unwound.frames {
            if frame.isGuessed, !isGuessed { addresses.append(CallPath.unseen) }
            isGuessed = frame.isGuessed
            addresses.append(frame.kind == .interrupted ? frame.address &+ 1 : frame.address)
        }
        if unwound.ending != .complete { addresses.append(CallPath.unseen) }
        return addresses
    }
}

import CSystem
import CVMAWire
import Glibc
import VMACore
import VMAUnwind
import VMAWire

/// Turns copies of stacks, as they come from the kernel's side, into call paths: puts their pieces together, has them
/// unwound with the mappings that the process had at that time, and teaches the kernel's side which paths are known.
///
/// A copy holds whatever the program had on its stack. It is cleared when it has been unwound, and nothing but
/// addresses goes on from here.
final class StackCopies {
    /// The facts about the processes at the time of the record that is being read.
    struct Processes {
        /// What is mapped at an address of a process, if code is.
        var vma: (MMID, UInt32, UInt64) -> VMA?
        /// All of its VMAs are known.
        var isSure: (MMID) -> Bool
        /// Looks at the process anew, before one of its stacks is unwound. Returns false while that is under way.
        var refresh: (UInt32) -> Bool
        var path: (FileID) -> String?
        var identity: (FileID) -> FileIdentity?
    }

    struct Figures: Equatable {
        /// Copies that have come, and their bytes.
        var copies = 0
        var bytes = 0
        /// Copies among these: of paths that were known by the time that they were read; unwound to their end; cut
        /// where the copy ended.
        var repeated = 0
        var complete = 0
        var cut = 0
        /// Copies of paths that were known already: all, and those with another stack than the known one.
        var checked = 0
        var wrong = 0
        /// Nanoseconds from a copy to its stack, all together.
        var waited: UInt64 = 0
    }

    private(set) var figures = Figures()
    var processes: Processes?
    let service: UnwindService
    private var tree: PathTree
    /// Copies of which pieces are still to come, by their keys.
    private var partial: [UInt64: Copy] = [:]
    /// The numbers of files at `service`, by the kernel's `struct file`, of which each process has its own.
    private var keys = NumberTable()

    /// The copy that is being unwound, without its bytes, and the value of each possible input.
    private final class Asked {
        let piece: CopyPiece
        let parts: [UnwindRequest.Piece]
        var words: [UInt64]
        let isSure: Bool
        let since: UInt64
        var hasChain = false

        init(
            _ piece: CopyPiece, _ parts: [UnwindRequest.Piece], _ words: [UInt64], isSure: Bool, since: UInt64
        ) {
            (self.piece, self.parts, self.words, self.isSure, self.since) = (piece, parts, words, isSure, since)
        }

        /// The word that is so many words from the stack pointer.
        func word(_ index: Int) -> UInt64? {
            UnwindRequest.place(of: 8 * index, in: parts).flatMap { $0 / 8 < words.count ? words[$0 / 8] : nil }
        }

        deinit { words.withUnsafeMutableBytes { vms_clear($0.baseAddress, $0.count) } }
    }
    private var asked: Asked?
    /// A copy that waits until it is known what its process maps.
    private var waiting: (piece: CopyPiece, copy: Copy, since: UInt64)?

    /// What the last copy has taught, without the name of its stack.
    private var lesson: (path: UInt64, inputs: [(PathTree.Input, UInt64)])?

    /// How often it took too long to learn what a process maps, and when last. A process can delay that: after a few
    /// times its stacks are not waited for, for a while, since its pid can become another's.
    private var lateness: [UInt32: (count: Int, at: UInt64)] = [:]
    private static let (mostLate, latenessLimit, latenessTime) = (3, 1024, UInt64(60_000_000_000))

    private static let mostPartial = 64
    /// Mappings to which words of a stack may point: a program can have words for each of its own.
    private static let mostRanges = 1024
    /// Of the first paths of an address space.
    static let firstBytes = 16384
    /// Where that was not enough, at least.
    static let nextBytes = 65536
    static let mostBytes = UnwindRequest.nearLimit

    /// The pieces until now, and where they are.
    private final class Copy {
        var bytes: [UInt8]
        var pieces: [UnwindRequest.Piece] = []
        var other = UnwindRequest.Other()
        var chain: [UInt64] = []

        init(capacity: Int) {
            bytes = []
            bytes.reserveCapacity(capacity)
        }

        deinit { bytes.withUnsafeMutableBytes { vms_clear($0.baseAddress, $0.count) } }

        func append(_ piece: CopyPiece) {
            guard !piece.isChain else {
                chain = (0 ..< piece.bytes.count / 8).map {
                    piece.bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)
                }
                return
            }
            if piece.other != 0 {
                // A page that was not there ends it, or it begins behind that.
                if other.count == 0 { other.address = piece.other }
                guard piece.other == other.address &+ UInt64(other.count), piece.bytes.count % 8 == 0 else { return }
                other.count += piece.bytes.count
                bytes.append(contentsOf: piece.bytes)
                return
            }
            bytes.append(contentsOf: piece.bytes)
            if let last = pieces.last, last.end == piece.offset {
                pieces[pieces.count - 1].count += piece.bytes.count
            } else if !piece.bytes.isEmpty {
                pieces.append(UnwindRequest.Piece(offset: piece.offset, count: piece.bytes.count))
            }
        }

        var end: Int { pieces.last?.end ?? 0 }

        func hasRoom(_ piece: CopyPiece) -> Bool {
            guard bytes.count + piece.bytes.count <= UnwindRequest.byteLimit else { return false }
            if piece.other != 0 { return other.count + piece.bytes.count <= UnwindRequest.otherLimit }
            return other.count == 0 && end <= piece.offset && pieces.count < UnwindRequest.pieceLimit
        }
    }

    /// - Parameter memory: of the map `paths`.
    /// - Parameter sharesByUser: the system is observed: what stacks may cost is bounded for each user.
    init(_ memory: UnsafeMutableRawPointer, sharesByUser: Bool = false) {
        tree = PathTree(memory)
        service = UnwindService(sharesByUser: sharesByUser)
    }

    enum Taken {
        /// More pieces are to come, or will not.
        case nothing
        /// The path has been learned since it was copied.
        case known(StackID)
        /// The copy is being unwound: `result` has to be called until the stack comes, and no record must be read
        /// before.
        case begun
    }

    /// Has a copy unwound when all of its pieces have come.
    func take(_ piece: CopyPiece) -> Taken {
        if piece.offset == 0, piece.other == 0 {
            // Drop copies whose rest was lost.
            if partial.count >= Self.mostPartial { partial = [:] }
            partial[piece.key] = Copy(capacity: piece.hasMore ? UnwindRequest.byteLimit : piece.bytes.count)
        }
        guard let copy = partial[piece.key], piece.isChain || copy.hasRoom(piece) else {
            partial[piece.key] = nil
            return .nothing
        }
        copy.append(piece)
        guard !piece.hasMore else { return .nothing }
        partial[piece.key] = nil
        figures.copies += 1
        figures.bytes += copy.bytes.count
        // Others came by while it was unwound for the first time.
        if piece.known == 0, let stack = known(piece, copy) {
            figures.repeated += 1
            return .known(stack)
        }
        begin(piece, copy)
        return .begun
    }

    private func known(_ piece: CopyPiece, _ copy: Copy) -> StackID? {
        copy.bytes.withUnsafeBytes { bytes in
            tree.find(piece.path) { input in
                Self.value(of: input, piece) { word in
                    UnwindRequest.place(of: 8 * word, in: copy.pieces).map {
                        bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)
                    }
                }
            }
        }
    }

    /// The value of an input, a register or a word of the stack; nil if the copy does not have it.
    private static func value(of input: PathTree.Input, _ piece: CopyPiece, word: (Int) -> UInt64?) -> UInt64? {
        guard input >= PathTree.firstRegister else { return word(Int(input)) }
        let register = Int(input - PathTree.firstRegister)
        return register < piece.registers.count ? piece.registers[register] : nil
    }

    var evicted: Int { tree.evicted }

    /// Has the files with code opened among what has been mapped: later the process may be gone.
    func open(_ vmas: [VMA], tgid: UInt32) {
        for vma in vmas where vma.file != 0 && vma.flags.contains(.exec) && keys[UInt64(vma.file)] == 0 {
            _ = key(vma, tgid, vms_monotonic_ns())
        }
    }

    private func key(_ vma: VMA, _ tgid: UInt32, _ now: UInt64) -> UInt32 {
        let identity = processes?.identity(vma.file)
        func request() -> FileRequest {
            FileRequest(
                kind: .mapped, pid: Int32(truncatingIfNeeded: tgid), path: processes?.path(vma.file) ?? "", start: vma.start,
                end: vma.end, identity: identity, toldAt: FileRequest.now)
        }
        let generation = service.generation
        let key = service.key(request(), identity, now)
        if service.generation != generation { keys = NumberTable() }
        keys[UInt64(vma.file)] = key
        return key
    }

    // MARK: one copy

    private func begin(_ piece: CopyPiece, _ copy: Copy) {
        var piece = piece
        // Valid as long as the record is.
        piece.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        waiting = (piece, copy, vms_monotonic_ns())
        proceed()
    }

    /// Asks for the stack, if it is known what the process maps.
    private func proceed() {
        guard let (piece, copy, now) = waiting, processes?.refresh(piece.tgid) ?? true else { return }
        waiting = nil
        let words = copy.bytes.withUnsafeBytes { bytes in
            (0 ..< bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
        }
        let begun = Asked(piece, copy.pieces, words, isSure: processes?.isSure(piece.mm) ?? false, since: now)
        var request = UnwindRequest(registers: piece.registers, pieces: copy.pieces)
        request.other = copy.other
        request.chain = copy.chain.prefix(UnwindRequest.chainLimit).map { $0 }
        begun.hasChain = !copy.chain.isEmpty
        request.mappings = mappings(piece, begun.words, request.chain, now)
        // The service clears it.
        swap(&request.bytes, &copy.bytes)
        asked = begun
        service.ask(request, piece.tgid, now)
    }

    /// Where the code lies to which a register or a word of the stack points: no walk comes anywhere else.
    private func mappings(
        _ piece: CopyPiece, _ words: [UInt64], _ chain: [UInt64], _ now: UInt64
    ) -> [UnwindRequest.Mapping] {
        var found = RangeSet()
        var all: [UnwindRequest.Mapping] = []
        func look(_ address: UInt64) {
            // Behind the last address of a process, and before the first that it can map.
            guard address >= 0x1000, address < 1 << 56, !found.contains(address), found.count < Self.mostRanges,
                all.count < UnwindRequest.mappingLimit,
                let vma = processes?.vma(piece.mm, piece.tgid, address)
            else { return }
            found.insert(vma.start, vma.end)
            guard vma.flags.contains(.exec) else { return }
            var key: UInt32 = 0
            if vma.file != 0 {
                key = keys[UInt64(vma.file)]
                // Another process may lead to a file to which the one before did not.
                if key == 0 || service.isClosed(key, now) { key = self.key(vma, piece.tgid, now) }
            }
            all.append(
                UnwindRequest.Mapping(
                    start: vma.start, end: vma.end, fileOffset: vma.pgoff << UInt64(AddressRange.pageShift), key: key))
        }
        for index in piece.registers.indices { look(piece.registers[index]) }
        for address in chain { look(address &- 1) }
        // A return address may be the first one behind its function's mapping.
        for word in words {
            look(word)
            if word & 0xfff == 0 { look(word &- 1) }
        }
        return all.sorted { $0.start < $1.start }
    }

    /// The addresses of the path that was begun with, innermost first, in the form of `Event.stack`, and what a
    /// section or an attempt will call it by; nil while it is not known.
    ///
    /// - Parameter isHurried: nothing is waited for.
    func result(isHurried: Bool) -> (key: UInt64, known: StackID, addresses: [UInt64])? {
        proceed()
        let now = vms_monotonic_ns()
        if let (piece, _, since) = waiting {
            let isLate = now > since + SymbolLimits.unwindTime
            guard isHurried || isLate || isOftenLate(piece.tgid, now) || now >= service.deadline else { return nil }
            if isLate { noteLate(piece.tgid, now) }
            waiting = nil
            lesson = nil
            return (piece.key, piece.known, [CallPath.unseen])
        }
        guard let task = asked else { return nil }
        var progress = service.advance(now)
        if isHurried, case .pending = progress { progress = service.giveUp() }
        guard case .done(let reply) = progress else { return nil }
        figures.waited += now - task.since
        asked = nil
        lesson = nil
        if let reply { learn(task, reply) }
        return (task.piece.key, task.piece.known, reply.map(Self.addresses) ?? [CallPath.unseen])
    }

    private func isOftenLate(_ tgid: UInt32, _ now: UInt64) -> Bool {
        lateness[tgid].map { $0.count >= Self.mostLate && now < $0.at + Self.latenessTime } ?? false
    }

    private func noteLate(_ tgid: UInt32, _ now: UInt64) {
        if lateness.count >= Self.latenessLimit { lateness = [:] }
        let old = lateness[tgid].flatMap { now < $0.at + Self.latenessTime ? $0.count : nil }
        lateness[tgid] = ((old ?? 0) + 1, now)
    }

    private func learn(_ task: Asked, _ reply: UnwindReply) {
        let piece = task.piece
        switch reply.ending {
        case .complete: figures.complete += 1
        case .cut(let wanted):
            figures.cut += 1
            // A page that is not there is not to be had by asking for more.
            guard let wanted, piece.hasRest, wanted > piece.asked else { break }
            if wanted > Self.mostBytes {
                // A frame that is larger than all that is copied: what lies behind it is copied beside.
                guard task.parts.last.map({ $0.offset < piece.asked }) ?? true else { break }
                tree.wantFar(wanted - 8, piece.path)
                tree.wantFar(wanted - 8, piece.space)
                return
            }
            guard piece.asked < Self.mostBytes else { break }
            // Next time as much again beyond what one frame more needs, and the stack's end: paths that are gone along
            // once learn from the others of their address space only.
            let next = max(min(2 * wanted, Self.mostBytes), Self.nextBytes)
            tree.want(next, piece.path)
            tree.want(next, piece.space)
            tree.wantFar(4096, piece.space)
            return
        case .unknown, .limit: break
        }
        if reply.wantsChain, !task.hasChain { return tree.wantChain(piece.space) }
        // The mapping there may be unknown yet.
        guard task.isSure, !reply.inputs.contains(Unwound.unnamedInput) else { return }
        lesson = (
            piece.path,
            reply.inputs.compactMap { input in
                Self.value(of: input, piece) { task.word($0) }.map { (input, $0) }
            }
        )
    }

    /// From now on the kernel's side uses this name for the path that was taken last.
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
    static func addresses(_ unwound: UnwindReply) -> [UInt64] {
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

extension UnwindRequest {
    /// Where in `bytes` the eight bytes are that lie so many bytes from the stack pointer; nil if they are not all there.
    static func place(of offset: Int, in pieces: [Piece]) -> Int? {
        var start = 0
        for piece in pieces {
            if offset >= piece.offset, offset + 8 <= piece.end { return start + offset - piece.offset }
            start += piece.count
        }
        return nil
    }
}

/// Ranges of addresses that do not overlap.
private struct RangeSet {
    private var ranges: [(start: UInt64, end: UInt64)] = []
    /// Where the last one was found.
    private var last: (start: UInt64, end: UInt64) = (0, 0)

    var count: Int { ranges.count }

    mutating func contains(_ address: UInt64) -> Bool {
        if address >= last.start, address < last.end { return true }
        let at = place(address)
        guard at > 0, address < ranges[at - 1].end else { return false }
        last = ranges[at - 1]
        return true
    }

    mutating func insert(_ start: UInt64, _ end: UInt64) { ranges.insert((start, end), at: place(start)) }

    private func place(_ address: UInt64) -> Int {
        ranges.partitioningIndex { $0.start > address }
    }
}

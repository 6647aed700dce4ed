import CZlib
import Glibc
import VMAUnwind

/// The symbols of one mapped file.
final class SymbolFile {
    /// Its functions need no mention of the file: they are the program's own.
    let isProgram: Bool
    private let segments: [Segment]
    private let symbols: SymbolTable
    /// The symbols that are missing in `symbols`.
    private let moreSymbols: SymbolTable
    private let go: GoTable?
    private let debug: DebugInfo?
    private let debugBytes: Int
    /// The difference to add to an address to find it in `symbols`: a debug file may have been made before its
    /// program was moved by prelink.
    private let shift: UInt64
    private var texts: [String: String] = [:]
    private var textBytes = 0
    private static let mostTexts = 4 << 20

    var footprint: Int { symbols.footprint + moreSymbols.footprint + debugBytes + 1024 }

    /// For a file that is no ELF file.
    init() {
        isProgram = false
        segments = []
        symbols = SymbolTable()
        moreSymbols = SymbolTable()
        go = nil
        debug = nil
        debugBytes = 0
        shift = 0
    }

    /// Opens a debug file in one of its places.
    typealias Opener = (MoreFile, _ place: Int) -> Int32?

    /// - Parameters:
    ///   - wantsDebug: reads debug information, too.
    ///   - lacks: gets the build id if no debug file with it is to be had.
    init(_ elf: consuming ElfFile, wantsDebug: Bool = true, lacks: ([UInt8]) -> Void = { _ in }, openDebug: Opener) {
        isProgram = elf.isProgram()
        segments = elf.segments()
        var symbols = elf.symbols(exported: false)
        var more = SymbolTable()
        var shift: UInt64 = 0
        var sections = wantsDebug ? elf.debugSections() : DebugSections()
        let wantsFile = symbols.isEmpty || wantsDebug && sections.info == nil
        if wantsFile, let debug = Self.debugFile(of: elf, openDebug) {
            if let ours = segments.first, let theirs = debug.segments().first { shift = theirs.address &- ours.address }
            if wantsDebug, shift == 0 || symbols.isEmpty { sections = debug.debugSections() }
            if symbols.isEmpty { symbols = debug.symbols(exported: false) } else { shift = 0 }
        } else if wantsFile {
            lacks(elf.buildID())
        }
        if symbols.isEmpty {
            shift = 0
            if let bytes = XZ.bytes(elf.packedSymbols(), most: SymbolLimits.unpackedSymbols), let packed = ElfFile(bytes) {
                symbols = packed.symbols(exported: false)
            }
            more = elf.symbols(exported: true)
        }
        let goTable = symbols.isEmpty ? elf.goTable() : nil
        go = goTable?.table
        self.symbols = symbols
        moreSymbols = more
        self.shift = shift
        debugBytes = sections.bytes + (goTable?.bytes ?? 0)
        debug = DebugInfo(sections, budget: SymbolLimits.debugEntries)
    }

    /// The file's own address of what lies at `offset` in it.
    func address(ofOffset offset: UInt64) -> UInt64? {
        // A page at the border of two segments is mapped for both: ask for the exact bytes first.
        var best: Segment?
        for slack in [0, Self.pageSize - 1] {
            for segment in segments where best == nil || segment.isExecutable && !best!.isExecutable {
                let start = segment.offset < slack ? 0 : segment.offset - slack
                let end = segment.offset.addingReportingOverflow(segment.size).partialValue
                if offset >= start, end >= segment.offset, offset < end || offset - end < slack { best = segment }
            }
            if best != nil { break }
        }
        return best.map { offset &- $0.offset &+ $0.address }
    }

    private static let pageSize: UInt64 = 4096

    /// The function at an address of the file, for people; `isPlain`: as the file has it.
    func function(at address: UInt64, isPlain: Bool = false) -> String? {
        guard let name = symbols.name(at: address &+ shift) ?? go?.name(at: address) ?? moreSymbols.name(at: address) else {
            return nil
        }
        return isPlain ? name : text(name)
    }

    private func text(_ name: String) -> String {
        if let text = texts[name] { return text }
        let text = Demangler.text(name)
        if textBytes > Self.mostTexts { (texts, textBytes) = ([:], 0) }
        texts[name] = text
        textBytes += name.utf8.count + text.utf8.count
        return text
    }

    /// The same with debug information: the line, and functions that were inlined there.
    func answer(at address: UInt64, place: UInt64) -> NameAnswer {
        var answer = NameAnswer(address: place, isProgram: isProgram, name: function(at: address))
        guard let found = debug?.functions(at: address &+ shift), let outer = found.last else { return answer }
        answer.name = answer.name ?? text(outer.name)
        answer.line = Self.line(outer)
        answer.inlined = found.dropLast().prefix(SymbolLimits.inlined).map { function in
            NameAnswer.Inlined(name: text(function.name).cut(to: SymbolLimits.inlinedName), line: Self.line(function))
        }
        return answer
    }

    private static func line(_ function: DebugInfo.Function) -> String? {
        guard let file = function.file, let line = function.line, line > 0 else { return nil }
        let name = file.lastIndex(of: "/").map { file[file.index(after: $0)...] } ?? file[...]
        return name.isEmpty ? nil : String(name).cut(to: SymbolLimits.source) + ":\(line)"
    }

    // MARK: debug files

    private static func debugFile(of elf: borrowing ElfFile, _ open: Opener) -> ElfFile? {
        let id = elf.buildID()
        if id.count > 1 {
            for place in 0 ..< MoreFile.buildID(id).places {
                if let debug = open(.buildID(id), place).flatMap({ ElfFile(owning: $0) }), debug.buildID() == id { return debug }
            }
        }
        guard let link = elf.debugLink() else { return nil }
        for place in 0 ..< MoreFile.link(link.name).places {
            guard let fd = open(.link(link.name), place) else { continue }
            let isRight = id.isEmpty ? checksum(fd) == link.checksum : true
            guard let debug = ElfFile(owning: fd), isRight, id.isEmpty || debug.buildID() == id else { continue }
            return debug
        }
        return nil
    }

    /// CRC-32; nil of a file that would take too long.
    private static func checksum(_ fd: Int32) -> UInt32? {
        var status = stat()
        guard fstat(fd, &status) == 0, Int64(status.st_size) <= SymbolLimits.checkedFile else { return nil }
        var sum: UInt = 0
        var offset = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while offset <= Int(status.st_size) {
            let got = pread(fd, &buffer, buffer.count, offset)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return UInt32(truncatingIfNeeded: sum) }
            sum = crc32_z(sum, buffer, got)
            offset += got
        }
        return nil
    }
}

extension DebugSections {
    fileprivate var bytes: Int { Self.names.reduce(0) { $0 + (self[keyPath: $1.1]?.count ?? 0) } }
}

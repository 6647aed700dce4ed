import CElf
import CZlib
import Glibc
import VMAUnwind

/// One open ELF file. What is damaged in it is as if it were not there.
struct ElfFile: ~Copyable {
    private let elf: OpaquePointer
    /// -1 of a file in memory.
    private let fd: Int32
    private let memory: UnsafeMutableRawBufferPointer?

    /// The bytes that were read of the file, which libelf keeps; a section counts each time it is read.
    private final class Budget {
        var sections = SymbolLimits.sections
        var smallSections = SymbolLimits.smallSections
    }
    private let budget = Budget()

    /// Takes over `fd`. Nil if it is no ELF file.
    init?(owning fd: Int32) {
        elf_version(UInt32(EV_CURRENT))
        var start = [UInt8](repeating: 0, count: MemoryLayout<Elf64_Ehdr>.size)
        start.removeLast(start.count - max(0, pread(fd, &start, start.count, 0)))
        guard Self.isOrdinary(start) else {
            close(fd)
            return nil
        }
        // The file is not mapped: if somebody truncates a mapped file, a process that reads it dies.
        let elf = elf_begin(fd, ELF_C_READ, nil)
        guard let elf, elf_kind(elf) == ELF_K_ELF else {
            elf_end(elf)
            close(fd)
            return nil
        }
        self.elf = elf
        self.fd = fd
        memory = nil
    }

    /// Reads bytes that look like a file; nil if they are no ELF file.
    init?(_ bytes: [UInt8]) {
        elf_version(UInt32(EV_CURRENT))
        guard Self.isOrdinary(bytes) else { return nil }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        memory.copyBytes(from: bytes)
        let elf = elf_memory(memory.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        guard let elf, elf_kind(elf) == ELF_K_ELF else {
            elf_end(elf)
            memory.deallocate()
            return nil
        }
        self.elf = elf
        fd = -1
        self.memory = memory
    }

    /// Whether the numbers of its sections and segments are in its header, and not somewhere else, as those of
    /// 65,280 sections or more are, for which libelf would make room.
    private static func isOrdinary(_ start: [UInt8]) -> Bool {
        guard start.count >= MemoryLayout<Elf32_Ehdr>.size,
            start.starts(with: [0x7f, UInt8(ascii: "E"), UInt8(ascii: "L"), UInt8(ascii: "F")]), start[5] == 1
        else { return false }
        return start.withUnsafeBytes { bytes in
            if bytes[4] == 2, bytes.count >= MemoryLayout<Elf64_Ehdr>.size {
                let wide = bytes.loadUnaligned(as: Elf64_Ehdr.self)
                return (wide.e_shnum != 0 || wide.e_shoff == 0) && wide.e_phnum != 0xffff
            }
            let narrow = bytes.loadUnaligned(as: Elf32_Ehdr.self)
            return bytes[4] == 1 && (narrow.e_shnum != 0 || narrow.e_shoff == 0) && narrow.e_phnum != 0xffff
        }
    }

    deinit {
        elf_end(elf)
        if fd >= 0 { close(fd) }
        memory?.deallocate()
    }

    // MARK: segments

    private func forEachHeader(_ body: (GElf_Phdr) -> Void) {
        var count = 0
        var header = GElf_Phdr()
        guard elf_getphdrnum(elf, &count) == 0 else { return }
        for index in 0 ..< min(count, SymbolLimits.segments) {
            guard gelf_getphdr(elf, Int32(index), &header) != nil else { return }
            body(header)
        }
    }

    /// The parts of the file that are mapped, PT_LOAD.
    func segments() -> [Segment] {
        var segments: [Segment] = []
        forEachHeader { header in
            guard header.p_type == PT_LOAD else { return }
            segments.append(
                Segment(
                    offset: header.p_offset, size: header.p_filesz, address: header.p_vaddr,
                    isExecutable: header.p_flags & UInt32(PF_X) != 0))
        }
        return segments
    }

    /// Whether it is a program and not a library, which look much alike: libc has PT_INTERP
    /// too, and a static program that is position independent has not.
    func isProgram() -> Bool {
        var header = GElf_Ehdr()
        guard gelf_getehdr(elf, &header) != nil else { return false }
        if header.e_type == ET_EXEC { return true }
        guard header.e_type == ET_DYN else { return false }
        var asksForLoader = false
        forEachHeader { if $0.p_type == PT_INTERP { asksForLoader = true } }
        var saysProgram = false
        var hasLibraryName = false
        forEachSection { section, header in
            guard header.sh_type == SHT_DYNAMIC, let data = data(section, header) else { return }
            var entry = GElf_Dyn()
            for index in 0 ..< Int32(1 << 16) {
                guard gelf_getdyn(data, index, &entry) != nil, entry.d_tag != DT_NULL else { return }
                if entry.d_tag == DT_SONAME { hasLibraryName = true }
                if entry.d_tag == DT_FLAGS_1, entry.d_un.d_val & UInt64(DF_1_PIE) != 0 { saysProgram = true }
            }
        }
        return saysProgram || asksForLoader && !hasLibraryName
    }

    // MARK: sections

    private func forEachSection(_ body: (OpaquePointer, GElf_Shdr) -> Void) {
        var section = elf_nextscn(elf, nil)
        var header = GElf_Shdr()
        while let current = section {
            if gelf_getshdr(current, &header) != nil { body(current, header) }
            section = elf_nextscn(elf, current)
        }
    }

    private func data(_ section: OpaquePointer, _ header: GElf_Shdr) -> UnsafeMutablePointer<Elf_Data>? {
        guard header.sh_type != SHT_NOBITS, header.sh_flags & UInt64(SHF_COMPRESSED) == 0,
            header.sh_size <= SymbolLimits.table, header.sh_size <= budget.sections,
            case let isSmall = header.sh_type == SHT_NOTE || header.sh_type == SHT_DYNAMIC,
            !isSmall || header.sh_size <= SymbolLimits.smallSection && budget.smallSections > 0
        else { return nil }
        budget.sections -= header.sh_size
        if isSmall { budget.smallSections -= 1 }
        guard let data = elf_getdata(section, nil), data.pointee.d_buf != nil else { return nil }
        return data
    }

    private func bytes(_ section: OpaquePointer, _ header: GElf_Shdr) -> [UInt8] {
        guard let data = data(section, header) else { return [] }
        return Array(UnsafeRawBufferPointer(start: data.pointee.d_buf, count: data.pointee.d_size))
    }

    /// The functions of .symtab, or of .dynsym if `exported`; empty if there is none.
    func symbols(exported: Bool) -> SymbolTable {
        let wanted = UInt32(exported ? SHT_DYNSYM : SHT_SYMTAB)
        var table: (section: OpaquePointer, header: GElf_Shdr)?
        // By the number of a section: its end if it holds code, else 0.
        var codeEnds: [UInt64] = [0]
        forEachSection { section, header in
            let isCode = header.sh_flags & UInt64(SHF_EXECINSTR) != 0
            codeEnds.append(isCode ? header.sh_addr &+ header.sh_size : 0)
            if table == nil, header.sh_type == wanted { table = (section, header) }
        }
        guard let table, let names = elf_getscn(elf, Int(table.header.sh_link)) else { return SymbolTable() }
        var nameHeader = GElf_Shdr()
        guard gelf_getshdr(names, &nameHeader) != nil, nameHeader.sh_type == SHT_STRTAB,
            let data = data(table.section, table.header)
        else { return SymbolTable() }
        let strings = bytes(names, nameHeader)
        var entries: [SymbolTable.Entry] = []
        var symbol = GElf_Sym()
        for index in 0 ..< Int32.max {
            guard entries.count < SymbolLimits.symbols, gelf_getsym(data, index, &symbol) != nil else { break }
            let number = Int(symbol.st_shndx)
            guard number != SHN_UNDEF, Int(symbol.st_name) < strings.count else { continue }
            let codeEnd = number < codeEnds.count ? codeEnds[number] : 0
            let first = strings[Int(symbol.st_name)]
            switch Int32(symbol.st_info & 0xf) {
            case STT_FUNC, STT_GNU_IFUNC: break
            case STT_NOTYPE:
                // A label in assembly; `$x` and `.L1` are marks of the tools.
                guard codeEnd != 0, first != UInt8(ascii: "$"), first != UInt8(ascii: ".") else { continue }
            default: continue
            }
            guard first != 0 else { continue }
            entries.append(
                SymbolTable.Entry(
                    address: symbol.st_value, size: symbol.st_size, limit: codeEnd == 0 ? symbol.st_value : codeEnd,
                    name: symbol.st_name, isLocal: Int32(symbol.st_info >> 4) == STB_LOCAL))
        }
        return SymbolTable(entries, strings: strings)
    }

    // MARK: its debug file

    /// The note by which a stripped file and its debug file know each other; empty if none.
    func buildID() -> [UInt8] {
        var id: [UInt8] = []
        forEachSection { section, header in
            guard id.isEmpty, header.sh_type == SHT_NOTE, let data = data(section, header) else { return }
            var note = GElf_Nhdr()
            var at = 0
            var name = 0
            var description = 0
            while id.isEmpty {
                let next = gelf_getnote(data, at, &note, &name, &description)
                guard next > at else { return }
                at = next
                let all = UnsafeRawBufferPointer(start: data.pointee.d_buf, count: data.pointee.d_size)
                guard note.n_type == NT_GNU_BUILD_ID, note.n_namesz == 4, name + 4 <= all.count,
                    all[name ..< name + 4].elementsEqual("GNU\0".utf8),
                    description + Int(note.n_descsz) <= all.count, note.n_descsz <= 64
                else { continue }
                id = Array(all[description ..< description + Int(note.n_descsz)])
            }
        }
        return id
    }

    // MARK: sections by name

    private func isNamed(_ header: GElf_Shdr, _ name: String, _ names: Int) -> Bool {
        header.sh_name > 0 && elf_strptr(elf, names, Int(header.sh_name)).map { strcmp($0, name) == 0 } ?? false
    }

    /// The symbols that a distribution has left in a stripped file (MiniDebugInfo), an ELF file packed by xz.
    func packedSymbols() -> [UInt8] {
        var names = 0
        guard elf_getshdrstrndx(elf, &names) == 0 else { return [] }
        var packed: [UInt8] = []
        forEachSection { section, header in
            guard packed.isEmpty, header.sh_size <= SymbolLimits.packedSymbols, isNamed(header, ".gnu_debugdata", names) else {
                return
            }
            packed = bytes(section, header)
        }
        return packed
    }

    /// Go's own table of functions, which stripped programs have, too, and its bytes.
    func goTable() -> (table: GoTable, bytes: Int)? {
        var names = 0
        guard elf_getshdrstrndx(elf, &names) == 0 else { return nil }
        var text: UInt64?
        var found: (address: UInt64, bytes: [UInt8])?
        forEachSection { section, header in
            if text == nil, isNamed(header, ".text", names) { text = header.sh_addr }
            guard found == nil, isNamed(header, ".gopclntab", names) || isNamed(header, ".data.rel.ro.gopclntab", names) else {
                return
            }
            found = (header.sh_addr, bytes(section, header))
        }
        guard let found, let table = GoTable(Section(address: found.address, bytes: found.bytes), text: text) else { return nil }
        return (table, found.bytes.count)
    }

    /// The sections of debug information, unpacked; none where they are more than is read of one file.
    func debugSections() -> DebugSections {
        var names = 0
        guard elf_getshdrstrndx(elf, &names) == 0 else { return DebugSections() }
        var found: [(path: WritableKeyPath<DebugSections, Section?>, section: OpaquePointer, header: GElf_Shdr)] = []
        forEachSection { section, header in
            guard header.sh_type != SHT_NOBITS, found.count < 64, let name = elf_strptr(elf, names, Int(header.sh_name)),
                let known = DebugSections.names.first(where: { strcmp(name, $0.0) == 0 })
            else { return }
            found.append((known.1, section, header))
        }
        var room = SymbolLimits.debugSections
        var sections = DebugSections()
        for (path, section, header) in found where sections[keyPath: path] == nil {
            guard header.sh_size <= room, let bytes = unpacked(section, header, most: room) else { return DebugSections() }
            room -= UInt64(bytes.count)
            sections[keyPath: path] = Section(address: 0, bytes: bytes)
        }
        return sections
    }

    /// The unpacked bytes of a section; of one that is not compressed its bytes; nil where that takes more than
    /// `most`.
    private func unpacked(_ section: OpaquePointer, _ header: GElf_Shdr, most: UInt64) -> [UInt8]? {
        guard header.sh_size <= SymbolLimits.table, header.sh_size <= budget.sections else { return nil }
        budget.sections -= header.sh_size
        guard let data = elf_getdata(section, nil), let start = data.pointee.d_buf else { return [] }
        let bytes = UnsafeRawBufferPointer(start: start, count: data.pointee.d_size)
        guard header.sh_flags & UInt64(SHF_COMPRESSED) != 0 else { return Array(bytes) }
        let head = MemoryLayout<Elf64_Chdr>.size
        guard bytes.count > head else { return [] }
        let packed = bytes.loadUnaligned(as: Elf64_Chdr.self)
        guard packed.ch_type == ELFCOMPRESS_ZLIB else { return [] }
        // zlib packs no better than a thousandth.
        guard packed.ch_size <= most, packed.ch_size / 1200 <= UInt64(bytes.count) else { return nil }
        var result = uLongf(packed.ch_size)
        let all = [UInt8](unsafeUninitializedCapacity: Int(packed.ch_size)) { buffer, count in
            let from = bytes.baseAddress!.advanced(by: head).assumingMemoryBound(to: UInt8.self)
            let ended = uncompress(buffer.baseAddress, &result, from, uLong(bytes.count - head))
            count = ended == Z_OK ? Int(result) : 0
        }
        return all
    }

    /// The name of the debug file and the CRC-32 of its bytes.
    func debugLink() -> (name: [UInt8], checksum: UInt32)? {
        var names = 0
        guard elf_getshdrstrndx(elf, &names) == 0 else { return nil }
        var link: ([UInt8], UInt32)?
        forEachSection { section, header in
            guard link == nil, header.sh_size < 4096, isNamed(header, ".gnu_debuglink", names) else { return }
            let content = bytes(section, header)
            let text = content.prefix { $0 != 0 }
            guard !text.isEmpty, content.count >= 8, text.count <= content.count - 5, text.count <= 255,
                !text.contains(UInt8(ascii: "/"))
            else { return }
            let checksum = content.suffix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            link = (Array(text), checksum)
        }
        return link
    }
}

/// A part of a file that is mapped, by its program header.
struct Segment {
    var offset: UInt64
    /// Bytes of the file.
    var size: UInt64
    /// Where the file wants it, before a loader moves all of it.
    var address: UInt64
    var isExecutable: Bool
}

import VMACore

/// Where an address of a process lies.
struct MappedPlace {
    /// The path of the mapped file, as the process or the host sees it; nil if the memory is anonymous.
    var path: String?
    /// The offset of the address in that file.
    var fileOffset: UInt64
    var address: UInt64
    /// The start of the mapping; the address itself if nothing is mapped there.
    var mappingStart: UInt64
    var mappingEnd: UInt64 = 0
    /// The identity of the mapped file, as the kernel reported it.
    var identity: FileIdentity?
    var toldAt: (seconds: Int64, nanoseconds: Int64) = (0, 0)

    /// The place of an address in `vma`, which is nil where nothing is mapped.
    init(_ vma: VMA?, path: String?, at address: UInt64) {
        let start = vma?.start ?? address
        self.init(
            path: path, fileOffset: vma.map { address &- start &+ $0.pgoff << AddressRange.pageShift } ?? 0, address: address,
            mappingStart: start, mappingEnd: vma?.end ?? 0)
    }

    init(path: String?, fileOffset: UInt64, address: UInt64, mappingStart: UInt64, mappingEnd: UInt64 = 0) {
        (self.path, self.fileOffset, self.address) = (path, fileOffset, address)
        (self.mappingStart, self.mappingEnd) = (mappingStart, mappingEnd)
    }

    /// The file to be asked for its name: what is mapped, or what the process says of the code it has made, as
    /// some do of code in a memory file.
    ///
    /// - Parameter space: the address space that the address is in.
    func file(_ pid: Int32, in space: MMID = 0) -> FileRequest {
        guard let path, isOfFile else { return FileRequest(kind: .perfMap, pid: pid, path: "", space: space) }
        return FileRequest(
            kind: .mapped, pid: pid, path: path, start: mappingStart, end: mappingEnd, identity: identity, toldAt: toldAt)
    }

    /// The C library, whose own functions that are inlined tell nobody anything.
    var isLibc: Bool { path.map { Frame("f (\(object($0)))").isLibc } ?? false }

    /// Whether what is mapped has a path of its own: memory files have names only.
    private var isOfFile: Bool {
        guard let path else { return false }
        // The end of a path that is too long is looked for in vain; the mapping itself leads to the file.
        return path.hasPrefix("…/") || path.hasPrefix("/") && !["/memfd:", "/dev/zero", "/SYSV"].contains { path.hasPrefix($0) }
    }

    /// The request for the name of the address.
    func request(isCaller: Bool) -> NameRequest {
        NameRequest(address: isOfFile ? fileOffset : address, isCaller: isCaller)
    }

    /// The frame's text, with less where less could be found. It holds neither ";" nor a line's end.
    ///
    /// - Parameter opening: what became of opening the file.
    func text(_ answer: NameAnswer?, _ opening: Opening = .opened) -> String {
        let mark =
            switch opening {
            case .another: " (another file now)"
            case .changed: " (overwritten since)"
            case .denied: " (vmascope may not read it)"
            case .opened, .missing: ""
            }
        let text = Self.printable(plainText(answer) + mark)
        return text == CallPath.unseenFrame ? "?" : text
    }

    /// The same with functions that were inlined there before it, the innermost first.
    ///
    /// - Parameter wantsLines: with `at file:line` behind each, where that is known.
    func texts(_ answer: NameAnswer?, wantsLines: Bool) -> [String] {
        guard let answer, isOfFile else { return [text(answer)] }
        func with(_ line: String?, _ text: String) -> String {
            guard wantsLines, let line else { return text }
            return text + " at " + Self.printable(line)
        }
        // Within the C library they are its own names for what everybody knows by another.
        let plain = text(answer)
        guard !answer.inlined.isEmpty, !isLibc else { return [with(answer.line, plain)] }
        let inside = answer.isProgram ? " (inlined)" : " (inlined, \(object(path ?? "")))"
        return answer.inlined.map { with($0.line, Self.printable($0.name + inside)) } + [with(answer.line, plain)]
    }

    private func plainText(_ answer: NameAnswer?) -> String {
        guard let path, !path.isEmpty else {
            if let name = answer?.name { return "\(name) (jit)" }
            if mappingStart == address { return "0x" + String(address, radix: 16) }
            return "anon+0x" + String(address &- mappingStart, radix: 16)
        }
        guard isOfFile else {
            if let name = answer?.name { return "\(name) (jit)" }
            return "\(object(path))+0x" + String(fileOffset, radix: 16)
        }
        if let answer, let name = answer.name { return answer.isProgram ? name : "\(name) (\(object(path)))" }
        return "\(object(path))+0x" + String(answer?.address ?? fileOffset, radix: 16)
    }

    private func object(_ path: String) -> String {
        var object = path[...]
        if object.hasSuffix(Self.deleted) { object = object.dropLast(Self.deleted.count) }
        if let slash = object.lastIndex(of: "/") { object = object[object.index(after: slash)...] }
        return String(object).cut(to: SymbolLimits.object)
    }

    private static let deleted = " (deleted)"

    private static func printable(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ";") || $0 < 32 || $0 == 127 }) else { return text }
        var clean = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            clean.append(scalar == ";" ? "," : scalar.value < 32 || scalar.value == 127 ? "?" : scalar)
        }
        return String(clean)
    }
}

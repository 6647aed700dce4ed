import Glibc
import VMACore

/// Names of addresses in files that somebody else has opened. What it reads may be anything.
final class SymbolEngine {
    private enum Content {
        /// The file has not been read yet.
        case mapped(Int32, FileIdentity.Content?)
        case perfMap(PerfMap)
        /// And the file itself, to see whether it has been written to.
        case symbols(SymbolFile, OpenFile?, FileIdentity.Content?)
    }

    /// Opens what belongs to a file, in one of its places.
    typealias Opener = (_ key: UInt32, MoreFile, _ place: Int) -> Int32?

    private var contents: [UInt32: Content] = [:]
    private let opener: Opener
    private let lacks: (_ key: UInt32, _ buildID: [UInt8]) -> Void
    /// Bytes of all files that have been read, and of perf maps.
    private var footprint = 0
    private var perfMapBytes = 0

    private let perfMapPause: UInt64

    /// - Parameters:
    ///   - perfMapPause: nanoseconds between two looks at one that may have grown.
    ///   - lacks: gets the build id of a file whose debug file is not here.
    init(
        perfMapPause: UInt64 = SymbolLimits.perfMapPause,
        lacks: @escaping (_ key: UInt32, _ buildID: [UInt8]) -> Void = { _, _ in }, _ opener: @escaping Opener
    ) {
        self.opener = opener
        self.lacks = lacks
        self.perfMapPause = perfMapPause
    }

    /// Takes over `fd`.
    ///
    /// - Parameter content: what a mapped file has to hold.
    func add(_ key: UInt32, _ kind: FileRequest.Kind, _ fd: Int32, _ content: FileIdentity.Content? = nil) {
        remove(key)
        switch kind {
        case .mapped: contents[key] = .mapped(fd, content)
        case .perfMap:
            let map = PerfMap(pause: perfMapPause) { [opener] in opener(key, .again, 0) }
            map.read(fd, room: SymbolLimits.perfMaps - perfMapBytes)
            close(fd)
            perfMapBytes += map.footprint
            contents[key] = .perfMap(map)
        }
    }

    /// One for each place; nil if the file is not here, or not any more.
    func names(_ key: UInt32, _ places: [NameRequest], _ depth: NameDepth) -> [NameAnswer]? {
        guard let content = contents[key] else { return nil }
        switch content {
        case .perfMap(let map):
            perfMapBytes -= map.footprint
            defer { perfMapBytes += map.footprint }
            let room = SymbolLimits.perfMaps - perfMapBytes
            return places.map { place in
                let address = place.isCaller ? place.address &- 1 : place.address
                return NameAnswer(address: place.address, isProgram: false, name: map.name(of: address, room: room).map(Self.cut))
            }
        case .symbols(let file, let open, let content):
            if let open, let content, open.content != content {
                remove(key)
                return nil
            }
            return places.map { Self.answer($0, file, isPlain: depth == .plain) }
        case .mapped(let fd, let content):
            contents[key] = nil
            let again = fcntl(fd, F_DUPFD_CLOEXEC, 0)
            var open = again >= 0 ? OpenFile(again) : nil
            var file = SymbolFile()
            if let elf = ElfFile(owning: fd) {
                file = SymbolFile(elf, wantsDebug: depth == .all, lacks: { [lacks] in lacks(key, $0) }) { [opener] what, place in
                    opener(key, what, place)
                }
            }
            // It was written to meanwhile, and who opens it anew will find that out.
            if let content, open?.content != content { return nil }
            if contents.count >= SymbolLimits.openFiles { open = nil }
            if footprint + file.footprint > SymbolLimits.footprint {
                contents = contents.filter { if case .symbols = $0.value { false } else { true } }
                footprint = 0
            }
            footprint += file.footprint
            contents[key] = .symbols(file, open, content)
            return places.map { Self.answer($0, file, isPlain: depth == .plain) }
        }
    }

    private func remove(_ key: UInt32) {
        switch contents.removeValue(forKey: key) {
        case .mapped(let fd, _): close(fd)
        case .perfMap(let map): perfMapBytes -= map.footprint
        case .symbols(let file, _, _): footprint -= file.footprint
        case nil: break
        }
    }

    private static func answer(_ place: NameRequest, _ file: SymbolFile, isPlain: Bool) -> NameAnswer {
        guard let address = file.address(ofOffset: place.address) else {
            return NameAnswer(address: place.address, isProgram: false)
        }
        let called = place.isCaller ? address &- 1 : address
        if isPlain {
            let name = file.function(at: called, isPlain: true)
            return NameAnswer(address: address, isProgram: file.isProgram, name: name.map(cut))
        }
        var answer = file.answer(at: called, place: address)
        answer.name = answer.name.map(cut)
        return answer
    }

    /// At most `SymbolLimits.name` bytes.
    static func cut(_ name: String) -> String { name.cut(to: SymbolLimits.name) }
}

extension NameAnswer {
    init(address: UInt64, isProgram: Bool) { self.init(address: address, isProgram: isProgram, name: nil) }
}

@testable import VMAProbe

/// Opener and reader in one process, which waits for both.
final class Symbolizer {
    private var opener = FileOpener()
    private var engine: SymbolEngine!
    private var keys: [FileRequest: (key: UInt32, opening: Opening)] = [:]

    init() { engine = SymbolEngine(perfMapPause: 0) { [unowned self] in opener.more($0, $1, place: $2) } }

    /// `isCaller`: the address is where a call returns to, which may already be the next function.
    func frame(_ place: MappedPlace, pid: Int32, isCaller: Bool) -> String {
        let request = place.file(pid)
        var known = keys[request]
        if known == nil || known?.opening != .opened {
            let key = UInt32(keys.count + 1)
            let (opening, fd) = opener.open(key, request)
            if let fd { engine.add(key, request.kind, fd) }
            known = (key, opening)
            keys[request] = known
        }
        guard let known, known.opening == .opened else { return place.text(nil, known?.opening ?? .missing) }
        return place.text(engine.names(known.key, [place.request(isCaller: isCaller)], .all)?.first)
    }
}

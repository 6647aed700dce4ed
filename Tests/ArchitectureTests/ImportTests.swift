import Foundation
import Testing

/// The package as it lies on disk, found from where this file was compiled.
enum Package {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What is built, fetched or downloaded, and so nobody's text.
    private static func isMade(_ name: String) -> Bool {
        name == ".git" || name == ".cache" || name == ".swiftpm" || name.hasPrefix(".build")
    }

    /// Paths of all files below a folder, relative to the root.
    static func files(under folder: String = "") -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)) ?? []
        return names.sorted().flatMap { name -> [String] in
            let path = folder.isEmpty ? name : "\(folder)/\(name)"
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: root.appending(path: path).path, isDirectory: &isFolder)
            if isMade(name) { return [] }  // in a worktree .git is a file
            return isFolder.boolValue ? files(under: path) : [path]
        }
    }

    /// The text of a file, or nil if it is none.
    static func text(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: root.appending(path: path).path), !data.contains(0) else {
            return nil
        }
        return String(data: data, encoding: .utf8)
    }

    static func lines(_ path: String) -> [Substring] {
        (text(path) ?? "").split(separator: "\n", omittingEmptySubsequences: false)
    }

    static let sources = files(under: "Sources").filter { $0.hasSuffix(".swift") }
}

@Suite("The house")
struct ImportTests {
    /// Who may import whom: the table of docs/architecture.md, and at the edge the C library.
    static let rooms: [String: Set<String>] = [
        "VMACore": [],
        "VMAWire": ["VMACore", "CVMAWire"],
        "VMATrace": ["VMACore", "CZlib"],
        "VMAReport": ["VMACore"],
        "VMAUnwind": [],
        "VMAServe": ["Glibc"],
        "VMAProbe": ["VMACore", "VMAWire", "VMAUnwind", "CVMAWire", "CLibbpf", "CElf", "CZlib", "CSystem", "Glibc"],
        "VMASession": ["VMACore", "VMATrace", "VMAReport", "VMAServe", "VMAProbe", "CSystem", "CZlib", "Glibc"],
        "vmascope": ["VMACore", "VMAReport", "VMAServe", "VMAProbe", "VMASession", "ArgumentParser", "CSystem", "Glibc"],
        // Runs at build time only.
        "bpfembed": ["Glibc"],
    ]

    /// The module that a line imports, or nil.
    static func imported(_ line: Substring) -> Substring? {
        let words = line.split(separator: " ")
        let levels = ["public", "package", "internal", "private", "fileprivate"]
        guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
            words[..<at].allSatisfy({ $0.hasPrefix("@") || levels.contains(String($0)) })
        else { return nil }
        // `import struct Foundation.URL` imports Foundation.
        let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
        let name = kinds.contains(String(words[at + 1])) ? words.dropFirst(at + 2).first : words[at + 1]
        return name?.prefix { $0 != "." && $0 != ";" }
    }

    @Test("has in each room what that room may import")
    func imports() {
        var seen: Set<String> = []
        for path in Package.sources {
            let room = String(path.split(separator: "/")[1])
            seen.insert(room)
            guard let allowed = Self.rooms[room] else {
                Issue.record("\(path): no room is called \(room)")
                continue
            }
            for name in Package.lines(path).compactMap(Self.imported) {
                #expect(allowed.contains(String(name)), "\(path) imports \(name)")
            }
        }
        // In a part of the package only those rooms that are there, but never none.
        #expect(seen.isSuperset(of: ["VMACore", "VMATrace"]))
    }

    @Test("is as docs/architecture.md describes it")
    func page() throws {
        let rows = Package.lines("docs/architecture.md").filter { $0.hasPrefix("|") }
        for (room, allowed) in Self.rooms where room != "bpfembed" {
            let row = try #require(rows.first { $0.contains("`Sources/\(room)`") }, "no row for \(room)")
            let told = (row.split(separator: "|").last ?? "").split { " ,|".contains($0) }.map(String.init)
            for name in allowed.subtracting(["Glibc"]) where !told.starts(with: ["all", "of", "them"]) {
                #expect(told.contains(name), "\(room) may import \(name), which the page does not say")
            }
            for name in Self.rooms.keys where told.contains(name) { #expect(allowed.contains(name), "\(room): \(name)") }
        }
    }

    @Test("reads an import however it is written")
    func importForms() {
        for (line, name) in [
            ("import Foundation", "Foundation"), ("@testable import VMACore", "VMACore"),
            ("public import struct Foundation.URL", "Foundation"), ("import Glibc; import CElf", "Glibc"),
            ("    import VMATrace // why", "VMATrace"),
        ] as [(Substring, Substring)] {
            #expect(Self.imported(line) == name)
        }
        for line: Substring in ["// import Foundation", "let important = 1", "an import of it", ""] {
            #expect(Self.imported(line) == nil)
        }
    }

    @Test("has one thread, which release builds count references by (Package.swift)")
    func oneThread() {
        let others = [
            "import Dispatch", "DispatchQueue", " Thread(", "Thread.detach", "Task {", "Task.detached", "async ",
            "pthread_create(",
        ]
        for path in Package.sources {
            let text = Package.text(path) ?? ""
            for word in others { #expect(!text.contains(word), "\(path): \(word)") }
        }
    }
}

@Suite("The text of the house")
struct TextTests {
    private static let texts = Package.files().filter { Package.text($0) != nil }

    /// The lines that hold one of `words`, with their places.
    private static func lines(with words: [String]) -> [(place: String, line: Substring)] {
        texts.flatMap { path -> [(String, Substring)] in
            // Most files hold none, and one look at the whole is cheaper than one at each line.
            guard let text = Package.text(path), words.contains(where: { text.range(of: $0) != nil }) else { return [] }
            return Package.lines(path).enumerated().compactMap { index, line in
                words.contains { line.contains($0) } ? ("\(path):\(index + 1)", line) : nil
            }
        }
    }

    // In pieces, so that this file does not find itself.
    private static let homes = [["/home", "/"], ["/Users", "/"], ["/work", "/"], ["/root/", "."], ["C:", "\\Users"]]
        .map { $0.joined() }

    /// A path in somebody's home, or one of a machine on which this was written: it means nothing
    /// anywhere else. /root is not among them, because guests have it.
    static func foreignPath(_ line: Substring) -> Substring? {
        for home in homes {
            guard let found = line.range(of: home) else { continue }
            // Only where a path begins: not the middle of a URL, or of a path below something.
            let before = line[..<found.lowerBound].last
            if let before, before.isLetter || before.isNumber || "-_./~}$)".contains(before) { continue }
            return line[found.lowerBound...].prefix { !$0.isWhitespace }
        }
        return nil
    }

    @Test("names no path of anybody's machine")
    func paths() {
        #expect(Self.texts.count > Package.sources.count)
        for (place, line) in Self.lines(with: Self.homes) {
            if let foreign = Self.foreignPath(line) { Issue.record("\(place): \(foreign)") }
        }
    }

    // Scripts and tests may use it as they like; what is shipped knows only the maps that JITs leave there.
    @Test("names nothing in /tmp in what is shipped, but perf's maps")
    func temporary() {
        for (place, line) in Self.lines(with: ["/tmp/"]) where place.hasPrefix("Sources/") || place.hasPrefix("bpf/") {
            let places = line.split(separator: "/tmp/", omittingEmptySubsequences: false).dropFirst()
            if !places.allSatisfy({ $0.hasPrefix("perf-") }) { Issue.record("\(place): \(line)") }
        }
    }

    @Test("is searched for paths that begin, and not for what looks alike")
    func pathForms() {
        func home(_ rest: String) -> String { "/" + "home/" + rest }
        #expect(Self.foreignPath("see \(home("ann/x.c")) there") == Substring(home("ann/x.c")))
        #expect(Self.foreignPath("\"\(home("ann"))\"") != nil)
        let alike = ["https://example.org\(home("x"))", "$tree\(home("x"))", "/tmp/x", "/root/vmascope", "framework/a"]
        for line in alike {
            #expect(Self.foreignPath(Substring(line)) == nil, "\(line)")
        }
    }

    @Test("promises nothing for later")
    func promises() {
        #expect(Self.texts.count > Package.sources.count)
        for (place, line) in Self.lines(with: ["TO" + "DO", "FIX" + "ME"]) { Issue.record("\(place): \(line)") }
    }
}

import Testing

@Suite("What is public")
struct DocstringTests {
    /// The modules whose pages `make docs` makes.
    private static let rooms = ["Sources/VMACore/", "Sources/VMAReport/"]

    private static let modifiers = [
        "static", "final", "indirect", "mutating", "nonmutating", "override", "convenience", "required", "lazy", "weak",
        "nonisolated", "private(set)", "fileprivate(set)", "internal(set)", "dynamic", "prefix", "postfix",
    ]
    private static let kinds = [
        "init", "func", "var", "let", "subscript", "struct", "class", "enum", "actor", "protocol", "typealias",
        "associatedtype", "case", "macro", "operator",
    ]

    /// Whether a line begins a public declaration. Extensions and imports declare nothing of their own.
    static func isPublic(_ line: Substring) -> Bool {
        var words = line.split(separator: " ")[...]
        var isPublic = false
        while let word = words.first {
            if word == "public" || word == "open" {
                isPublic = true
            } else if !word.hasPrefix("@"), !modifiers.contains(String(word)) {
                break
            }
            words.removeFirst()
        }
        guard isPublic, let word = words.first else { return false }
        return kinds.contains(String(word.prefix { $0.isLetter }))
    }

    /// The numbers of lines, from 1 on, that begin a public declaration without a docstring.
    static func undocumented(_ lines: [Substring]) -> [Int] {
        lines.indices.filter { isPublic(lines[$0]) }.filter { index in
            // An attribute may stand on a line of its own.
            let above = lines[..<index].map { $0.drop { $0 == " " } }.last { !$0.hasPrefix("@") || isPublic($0) }
            return above?.hasPrefix("///") != true
        }.map { $0 + 1 }
    }

    @Test("says in VMACore and in VMAReport what it is")
    func docstrings() {
        var count = 0
        for path in Package.sources where Self.rooms.contains(where: path.hasPrefix) {
            let lines = Package.lines(path)
            count += lines.count(where: Self.isPublic)
            for line in Self.undocumented(lines) { Issue.record("\(path):\(line): no docstring") }
        }
        #expect(count > 500)
    }

    @Test("is told from what is not, however it is written")
    func forms() {
        let declarations: [Substring] = [
            "public init() {}", "    public private(set) var total = 0", "@discardableResult public mutating func add() {",
            "    static public let a = 1", "public indirect enum Tree {", "public subscript(index: Int) -> Int {",
            "public init?(rawValue: String) {",
        ]
        for line in declarations {
            #expect(Self.isPublic(line) && Self.undocumented([line]) == [1], "\(line)")
            #expect(Self.undocumented(["    /// What it is.", line]) == [] && Self.undocumented(["// why", line]) == [2])
            #expect(Self.undocumented(["/// What it is.", "@inlinable", line]) == [])
        }
        for line: Substring in [
            "init() {}", "public extension VMA {", "public import VMACore", "// public var x", "var public = 1",
        ] {
            #expect(!Self.isPublic(line), "\(line)")
        }
    }
}

import Testing

@testable import VMASession

@Suite("patterns of names")
struct PatternTests {
    static let patterns: [(String, String, Bool)] = [
        ("redis", "redis", true), ("redis", "redi", false), ("redis", "redis*", true), ("redis", "*dis", true),
        ("redis", "r*d*s", true), ("redis", "r?dis", true), ("redis", "redis?", false), ("redis", "**", true),
        ("", "*", true), ("", "?", false), ("kworker/0", "kworker/[0-9]", true), ("kworker/a", "kworker/[0-9]", false),
        ("a", "[!b]", true), ("b", "[!b]", false), ("]", "[]]", true), ("-", "[a-]", true), ("a*", "a\\*", true),
        ("ab", "a\\*", false), ("[x", "[x", true), ("über", "?ber", true), ("z", "[a-z]", true), ("b", "[z-a]", false),
    ]

    @Test("a comm is matched as the shell matches names", arguments: patterns)
    func glob(_ text: String, _ pattern: String, _ matches: Bool) {
        #expect(Pattern(pattern).matches(text) == matches, "\(text) \(pattern)")
    }
}

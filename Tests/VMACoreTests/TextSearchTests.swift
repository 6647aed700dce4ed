import Testing

@testable import VMACore

@Suite("Searching in text")
struct TextSearchTests {
    @Test("finds what is there, wherever it is")
    func finding() {
        for part in ["", "a", "abc", "c\u{e4}", "\u{e4}"] { #expect("abc\u{e4}".holds(part)) }
        for part in ["abd", "abc\u{e4}x", "\u{e5}"] { #expect(!"abc\u{e4}".holds(part)) }
        #expect(!"".holds("a") && "".holds(""))
    }

    @Test("replaces the first occurrence alone")
    func replacing() {
        #expect("f, its caller, its caller".replacing(", its", by: ", their") == "f, their caller, its caller")
        #expect("f".replacing("g", by: "h") == "f")
        #expect("\u{e4}g".replacing("g", by: "\u{e4}") == "\u{e4}\u{e4}")
    }
}

import Glibc

/// A pattern as the shell's: `*`, `?`, `[a-z]`, `[!a]`, and `\` before what is meant as it is (fnmatch(3)).
package struct Pattern: Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
        _ = Self.characters
    }

    /// Whether all of `name` fits.
    package func matches(_ name: String) -> Bool { fnmatch(text, name, 0) == 0 }

    /// So that `?` is a character, not a byte. This locale is in the C library itself, whatever is installed.
    private static let characters = setlocale(LC_CTYPE, "C.UTF-8") != nil
}

import Foundation
import Testing

@Suite("The pages")
struct DocsTests {
    private static let pages = Package.files().filter { $0.hasSuffix(".md") }

    /// The anchor that a heading has on the web: lower case, spaces as hyphens, punctuation left out.
    static func anchor(_ heading: Substring) -> String {
        String(
            heading.drop { $0 == "#" || $0 == " " }.lowercased().compactMap { character -> Character? in
                if character == " " { return "-" }
                return character.isLetter || character.isNumber || character == "-" || character == "_" ? character : nil
            })
    }

    /// The targets of Markdown links in a text, pictures included.
    static func links(_ text: String) -> [Substring] {
        text.split(separator: "](").dropFirst().map { rest in rest.prefix { $0 != ")" } }
    }

    @Test("link to files and headings that are there")
    func links() {
        #expect(Self.pages.count > 10)
        for page in Self.pages {
            let folder = page.split(separator: "/").dropLast().joined(separator: "/")
            for link in Self.links(Package.text(page) ?? "") where !link.hasPrefix("http") {
                let parts = link.split(separator: "#", omittingEmptySubsequences: false)
                let path = parts[0].isEmpty ? page : Self.resolve("\(folder)/\(parts[0])")
                let exists = FileManager.default.fileExists(atPath: Package.root.appending(path: path).path)
                #expect(exists, "\(page) links to \(link)")
                guard parts.count > 1, path.hasSuffix(".md") else { continue }
                let anchors = Package.lines(path).filter { $0.hasPrefix("#") }.map(Self.anchor)
                #expect(anchors.contains(String(parts[1])), "\(page) links to \(link): no such heading")
            }
        }
    }

    private static func resolve(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { parts = Array(parts.dropLast()) } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    @Test("name files of this repository that are there")
    func files() {
        let folders = [
            "Sources/", "Tests/", "bpf/", "docs/", "kernels/", "scenarios/", "tools/", "bench/", "packaging/", "deploy/",
        ]
        for page in Self.pages {
            let words = (Package.text(page) ?? "").split { "`()[] \n|,;".contains($0) }
            for word in words where folders.contains(where: word.hasPrefix) && !word.contains(where: { "*<…$".contains($0) }) {
                let path = word.prefix { $0 != ":" && $0 != "#" }
                let file = path.hasSuffix(".") ? path.dropLast() : path
                let places = [String(file), "\(page.split(separator: "/").dropLast().joined(separator: "/"))/\(file)"]
                let exists = places.contains {
                    FileManager.default.fileExists(atPath: Package.root.appending(path: $0).path)
                }
                #expect(exists, "\(page) names \(word)")
            }
        }
    }

    @Test("name options that a command has")
    func options() {
        var known: Set<String> = ["--version", "--help"]
        for path in Package.sources where path.hasPrefix("Sources/vmascope/") {
            for line in Package.lines(path) {
                guard let found = line.firstRange(of: /\bvar ([a-zA-Z]+)/) else { continue }
                let name = line[found].dropFirst("var ".count)
                known.insert("--" + name.map { $0.isUppercase ? "-\($0.lowercased())" : String($0) }.joined())
            }
            // A name of its own: `.customLong("…")`.
            for part in (Package.text(path) ?? "").split(separator: "customLong(\"").dropFirst() {
                known.insert("--" + part.prefix { $0 != "\"" })
            }
        }
        for page in ["docs/usage.md", "docs/system.md", "docs/json.md"] {
            for line in Package.lines(page) where line.hasPrefix("| `--") {
                for word in line.split(separator: "|")[0].split(whereSeparator: { "` ,\\".contains($0) })
                where word.hasPrefix("--") {
                    let name = String(word.prefix { $0 != "=" })
                    #expect(known.contains(name), "\(page) names \(name)")
                }
            }
        }
    }

    @Test("turn a heading into its anchor as the web does")
    func anchors() {
        #expect(Self.anchor("## What is shared") == "what-is-shared")
        #expect(Self.anchor("## Objects: `vmascope.system.v1`") == "objects-vmascopesystemv1")
    }
}

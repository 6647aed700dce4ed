import Foundation
import Testing

/// One program of scenarios/cases/ and the answer that is expected of it, a comment line for each part:
///
///     // filled: BLOCKERS | gaps     what leads the second line
///     // by: OP… FUNCTION…           the third names one of the operations and one of the functions;
///                                    `?`: or says that the caller was not seen
///     // do: SLUG… | nothing         which remedy the fourth is; the later ones where less is known
///     // detail: WORD                the second says so, too
///     // needs: pku                    only where the processor has that (protection keys)
///     // peak: N                     there were at least so many VMAs, and what is told is of the peak
///     // changed[: NAME=VALUE]       with an argument, or this environment, it follows the remedy
struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var source: URL
    private var lines: [String: String] = [:]

    var testDescription: String { name }
    subscript(key: String) -> String? { lines[key] }

    static let folder = Repository.root.appendingPathComponent("scenarios/cases")

    static let all: [Case] = {
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "c" }.map(Case.init).sorted { $0.name < $1.name }
    }()

    init(_ source: URL) {
        self.source = source
        name = source.deletingPathExtension().lastPathComponent
        let text = (try? String(contentsOf: source, encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n").prefix(while: { $0.hasPrefix("//") }) {
            guard let match = line.wholeMatch(of: /\/\/ (filled|by|do|detail|peak|needs|changed)(?:: (.+))?/) else { continue }
            lines[String(match.1)] = match.2.map(String.init) ?? ""
        }
    }

    /// Those that can be run on this machine.
    static let here: [Case] = {
        let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        return all.filter { $0["needs"] == nil || processor.contains(" ospke") }
    }()

    static let programs: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        for one in all {
            try Shell.must(
                "clang", "-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-Wall", "-Wextra", "-Werror", "-o",
                folder.path(one.name), one.source.path)
        }
        return folder
    }
}

/// What somebody reads first.
struct AnswerFile: Decodable {
    struct Answer: Decodable {
        var at_peak: Bool
        var near: String
        var filled_by: String?
        var left_by: String?
        var what_to_do: String?
        var remedy: String?
    }
    struct Process: Decodable {
        struct Count: Decodable { var peak: Int }
        var vmas: Count
    }
    var answer: Answer
    var processes: [Process]

    var most: Int { processes.map(\.vmas.peak).max() ?? 0 }
}

@Suite("cases: the answer names what fills a process, who does, and what helps", .serialized)
struct CaseTests {
    @Test("there are cases")
    func files() {
        #expect(Case.all.count > 25)
        for one in Case.all { #expect(one["do"] != nil, "\(one.name)") }
    }

    @Test("is answered as expected, in text and JSON; the change that is advised takes the VMAs away", arguments: Case.here)
    func answer(_ one: Case) throws {
        let folder = try TemporaryFolder()
        let program = try Case.programs.get().path(one.name)
        func run(_ file: String, _ arguments: [String] = [], environment: [String: String] = [:]) throws -> AnswerFile {
            let outcome = try Vmascope.run(
                [
                    "run", "--source", "tracepoints", "--record", folder.path("\(file).vmt"), "--json", "--output",
                    folder.path("\(file).json"),
                    "--", program,
                ] + arguments, environment: environment)
            #expect(outcome.status == 0, "\(outcome.errors)")
            return try JSONDecoder().decode(AnswerFile.self, from: Data(folder.text("\(file).json").utf8))
        }
        let before = try run("before")
        let answer = before.answer
        one.check(answer)
        if let peak = one["peak"].flatMap(Int.init) { #expect(before.most >= peak && answer.at_peak, "\(answer)") }

        let text = try Vmascope.run(["report", folder.path("before.vmt")]).output.split(
            separator: "\n", omittingEmptySubsequences: false)
        for (line, part) in zip(text, [answer.near, answer.filled_by, answer.left_by, answer.what_to_do]) {
            #expect(line.count <= 100)
            #expect(line.dropFirst(12) == (part ?? "nothing that was seen").prefix(88) || line.hasSuffix("…"), "\(line)")
        }

        guard let change = one["changed"] else { return }
        let pair = change.split(separator: "=", maxSplits: 1).map(String.init)
        let after = pair.count == 2 ? try run("after", environment: [pair[0]: pair[1]]) : try run("after", ["changed"])
        // What is left is little beyond what every program has.
        #expect(
            after.most < before.most - 60 && after.most < 80, "\(before.most) VMAs before, \(after.most) after: \(after.answer)")
        let diff = try Vmascope.run(
            ["diff", folder.path("before.json"), folder.path("after.json"), "--fail-on", "delta.vmas.peak>-60"])
        #expect(diff.status == 0, "\(diff.output)")
    }
}

extension Case {
    func check(_ answer: AnswerFile.Answer) {
        if self["do"] == "nothing" {
            #expect(answer.remedy == nil && answer.what_to_do?.hasPrefix("nothing: ") == true, "\(answer)")
            return
        }
        #expect(self["do"]?.split(separator: " ").contains { $0 == answer.remedy ?? "" } == true, "\(answer)")
        if let filled = self["filled"] {
            #expect(answer.filled_by?.contains(filled) == true, "\(answer)")
            #expect(answer.left_by?.contains(filled) == true, "\(answer)")
        }
        if let detail = self["detail"] { #expect(answer.filled_by?.contains(detail) == true, "\(answer)") }
        let words = self["by"]?.split(separator: " ").map(String.init) ?? []
        let left = answer.left_by ?? ""
        let isKnown = words.dropFirst().contains { $0 != "?" && left.contains($0) }
        let isUnseen = words.contains("?") && left.contains("not seen")
        #expect(words.isEmpty || left.contains(words[0]) || words.dropFirst().contains { left.hasPrefix($0) }, "\(answer)")
        #expect(words.isEmpty || isKnown || isUnseen, "\(answer)")
    }
}

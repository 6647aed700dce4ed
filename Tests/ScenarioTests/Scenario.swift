import Foundation
import Testing

/// One program of scenarios/ and what is written above it, a comment line for each fact:
///
///     // expect[WORDS]: OP SIDE BLOCKERS (DETAIL) xN    misses in the area, and no others
///     // expect: OP SIDE BLOCKERS xN WHATIF             the same, and what the series would have done
///     // stands: WHEN BLOCKERS xN WHATIF                what separates VMAs of the area in the end
///     // merged[WORDS]: OP N                            attempts that merge, at least
///     // nothing missed
///     // area: brk | any                                misses anywhere, of brk or of all ops
///
/// WORDS are of the report's merge_rules, all of which must be in force; without them the line
/// holds for every kernel.
struct Scenario: CustomTestStringConvertible, Sendable {
    struct Miss: Hashable, Comparable, CustomStringConvertible, Sendable {
        var operation: String
        var side: String
        var blockers: String
        var detail: String?
        /// Nil where the scenario does not say.
        var whatIf: String?

        var description: String {
            "\(operation) \(side) \(blockers)\(detail.map { " (\($0))" } ?? "")\(whatIf.map { " \($0)" } ?? "")"
        }
        static func < (a: Miss, b: Miss) -> Bool { a.description < b.description }
    }

    enum Area: String, Sendable { case fixed, brk, any }

    var name: String
    var source: URL
    var area = Area.fixed
    var expectations: [(words: [String], miss: Miss, count: Int)] = []
    /// Attempts that merge, of all ops.
    var merges: [(words: [String], count: Int)] = []
    /// By WHEN: how many boundaries of `BLOCKERS WHATIF`.
    var standing: [String: [String: Int]] = [:]
    var problems: [String] = []

    var tellsWhatIf: Bool { expectations.contains { $0.miss.whatIf != nil } }

    var testDescription: String { name }

    /// What is to be missed where the report says `mergeRules`.
    func misses(_ mergeRules: String) -> [Miss: Int] {
        var misses: [Miss: Int] = [:]
        for (words, miss, count) in expectations where words.allSatisfy(mergeRules.contains) {
            misses[miss, default: 0] += count
        }
        return misses
    }

    /// How many attempts merge at least where the report says `mergeRules`.
    func merged(_ mergeRules: String) -> Int {
        merges.filter { $0.words.allSatisfy(mergeRules.contains) }.reduce(0) { $0 + $1.count }
    }

    static let all: [Scenario] = {
        let folder = Repository.root.appendingPathComponent("scenarios")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "c" }.map(Scenario.init).sorted { $0.name < $1.name }
    }()

    init(_ source: URL) {
        self.source = source
        name = source.deletingPathExtension().lastPathComponent
        var saysSomething = false
        let text = (try? String(contentsOf: source, encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(
                of: /\/\/ expect(?:\[(.+?)\])?: (\w+) (prev|next) ([\w+]+)(?: \((.+)\))? x(\d+)(?: (\w+))?/)
            {
                let (_, words, operation, side, blockers, detail, count, whatIf) = match.output
                let miss = Miss(
                    operation: String(operation), side: String(side), blockers: String(blockers),
                    detail: detail.map(String.init), whatIf: whatIf.map(String.init))
                expectations.append((words?.split(separator: ",").map(String.init) ?? [], miss, Int(count)!))
                saysSomething = true
            } else if let match = line.wholeMatch(of: /\/\/ merged(?:\[(.+?)\])?: (\w+) (\d+)/) {
                merges.append((match.1?.split(separator: ",").map(String.init) ?? [], Int(match.3)!))
                saysSomething = true
            } else if let match = line.wholeMatch(of: /\/\/ stands: (\w+) ([\w+]+) x(\d+) (\w+)/) {
                standing[String(match.1), default: [:]]["\(match.2) \(match.4)"] = Int(match.3)!
            } else if let match = line.wholeMatch(of: /\/\/ area: (brk|any)/) {
                area = Area(rawValue: String(match.1))!
            } else if line == "// nothing missed" {
                saysSomething = true
            } else if line.contains(/^\/\/ (expect|merged|nothing|area|stands)\b.*:/) {
                problems.append("not understood: \(line)")
            }
        }
        if !saysSomething { problems.append("nothing is expected of it") }
    }
}

enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The executable that these tests were built with, or the one that `VMASCOPE_UNDER_TEST` names: the static one, say,
    /// or an older one, of which a test is to show a fault.
    static let vmascope: URL = {
        if let other = ProcessInfo.processInfo.environment["VMASCOPE_UNDER_TEST"] { return URL(fileURLWithPath: other) }
        var folder = Bundle.main.bundleURL
        // The test runner may be a bundle beside the executable, or in a folder of the toolchain's.
        if !FileManager.default.fileExists(atPath: folder.appendingPathComponent("vmascope").path) {
            folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        }
        return folder.appendingPathComponent("vmascope")
    }()
}

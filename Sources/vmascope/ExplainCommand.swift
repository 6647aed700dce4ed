import ArgumentParser
import VMACore
import VMAReport

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "What a blocker means, which kernel code refuses, what to do.")

    @Argument(help: "A blocker; without one, all of them in a line each.", completion: .list(MergeRules.table.map(\.slug)))
    var slug: String?

    @Flag(help: .hidden)
    var markdown = false  // docs/merge-rules.md

    func run() throws {
        if markdown { return try Console.emit(Explain.markdown(), path: nil) }
        guard let slug else { return try Console.emit(Explain.all(), path: nil) }
        guard let text = Explain.one(slug) else {
            let known = MergeRules.table.map(\.slug).joined(separator: ", ")
            throw Failure(message: "there is no blocker '\(slug)': use \(known)", status: 64)
        }
        try Console.emit(text, path: nil)
    }
}

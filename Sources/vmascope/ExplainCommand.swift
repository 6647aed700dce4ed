import ArgumentParser
import VMACore
import VMAReport
import VMASession

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explain a blocker: what it means, which kernel code refuses, what to do.",
        discussion: """
            EXAMPLES
              vmascope explain          # all blockers, in a line each
              vmascope explain pgoff
              vmascope explain what-if  # what patches for the kernel would change
            """)

    @Argument(
        help: "A blocker, what-if, or a proposal; without one, all blockers in a line each.",
        completion: .list(MergeRules.table.map(\.slug)))
    var slug: String?

    @Flag(help: .hidden)
    var markdown = false  // docs/merge-rules.md

    func run() throws {
        let output = try Output(nil)
        if markdown { return try output.write(Explain.markdown()) }
        guard let slug else { return try output.write(Explain.all()) }
        guard let text = Explain.one(slug) else {
            let known = (MergeRules.table.map(\.slug) + ["what-if"] + Proposals.table.map(\.slug)).joined(separator: ", ")
            throw Failure(message: "there is no blocker '\(slug)': use \(known)", status: 64)
        }
        try output.write(text)
    }
}

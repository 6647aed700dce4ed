import ArgumentParser
import VMAReport
import VMASession

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema of a --json output.",
        discussion: """
            Keys are added, and never changed or taken away: a document of an older or newer vmascope is valid, too.

            EXAMPLES
              vmascope schema                       # the names
              vmascope schema report > report.json  # of vmascope.report.v1
            """)

    @Argument(
        help: "A schema: \(Schemas.names.joined(separator: ", ")); without one, their names.", completion: .list(Schemas.names))
    var name: String?

    func run() throws {
        let output = try Output(nil)
        guard let name else { return try output.write(Schemas.list) }
        guard let text = Schemas.text(name) else {
            throw Failure(message: "there is no schema '\(name)': use \(Schemas.names.joined(separator: ", "))", status: 64)
        }
        try output.write(text)
    }
}

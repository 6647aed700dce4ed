import ArgumentParser
import VMAProbe

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a command under observation, from its first instruction.",
        discussion: "The processes that it forks are followed. The exit status is the command's own.")

    @OptionGroup var options: ObservationOptions

    @Flag(help: .hidden)
    var children = false  // always

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("no command: write it after --, as in 'vmascope run -- true'") }
    }

    func run() throws {
        let observation = try Observation(options, followsChildren: true)
        let status = try observation.run(command)
        try observation.report()
        Console.exit(status)
    }
}

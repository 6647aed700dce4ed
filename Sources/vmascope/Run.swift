import ArgumentParser
import Glibc
import VMAProbe
import VMASession

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start a command under observation, from its first instruction.",
        discussion: """
            The processes that the command forks are observed, too. The exit status is the command's own.

            EXAMPLES
              vmascope run -- python3 script.py
              vmascope run --json -o report.json -- make test
              vmascope run --fail-on 'missed.pgoff>0' -- ./program  # 3 if it holds: for CI
            """)

    @OptionGroup var options: ObservationOptions

    @Flag(help: .hidden)
    var children = false  // always

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
    var command: [String] = []

    func validate() throws {
        if command.isEmpty { throw ValidationError("no command: write it after --, as in 'vmascope run -- true'") }
    }

    /// What follows the first `--`, byte for byte: it need not be UTF-8, which a String is.
    private static var commandLine: [UnsafeMutablePointer<CChar>] {
        let all = (0 ..< Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0] }
        return Array(all.drop { strcmp($0, "--") != 0 }.dropFirst())
    }

    func run() throws {
        try Target.requireHostProcessIDs()
        let observation = try Observation(options.settings, followsChildren: true)
        let status = try observation.run(Self.commandLine)
        try observation.report()
        Console.exit(status)
    }
}

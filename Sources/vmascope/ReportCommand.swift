import ArgumentParser
import VMASession

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make a report from a recording.",
        discussion: """
            The report is the one that the observation printed. To make it needs no privilege, and no BPF.

            EXAMPLES
              vmascope report f.vmt
              vmascope report f.vmt -o f.html
              zstdcat f.vmt.zst | vmascope report -
            """)

    @Argument(
        help: "The recording that attach or run wrote with --record; - is stdin.",
        completion: .file(extensions: ["vmt"]))
    var recording: String

    @OptionGroup var output: OutputOptions

    func run() throws {
        let destination = try Output(output.output, mode: output.outputMode)
        let replay = try Replay(InputFile(recording), for: output.settings.format)
        try replay.findings.write(output.settings, to: destination)
        if let damage = replay.damage { throw damage }
        try replay.findings.demandNot(output.failOn)
    }
}

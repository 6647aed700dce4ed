import ArgumentParser
import CSystem
import VMAProbe
import VMASession

@main
struct Vmascope: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vmascope",
        abstract: "Watch Linux VMAs live: which merges were missed, why, and who caused them.",
        discussion: """
            EXIT STATUS
              0   done; `run` gives the command's own (128+n for a signal)
              3   what --fail-on names has come true
              64  wrong usage
              65  a recording, or a report, that is damaged, or none; what could be read is reported
              66  no such process, file or command
              69  this kernel can't (see `vmascope doctor`)
              70  our own fault
              74  the output, or the recording, could not be written
              77  no permission; the missing capability is named
            """,
        version: Version.number,
        subcommands: [
            Attach.self, Run.self, SystemCommand.self, LayoutCommand.self, ReportCommand.self, Diff.self,
            ExplainCommand.self, Doctor.self,
        ])

    static func main() {
        SymbolHelper.runIfAsked(CommandLine.arguments)
        vms_hold_standard_streams()
        do {
            var command = try parseAsRoot(arguments())
            do {
                try command.run()
            } catch let error as ProbeError {
                fail(error.message, status: error.status)
            } catch let error as Failure {
                fail(error.message, status: error.status)
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }  // --help
            let what = message(for: error).split(separator: "\n").first ?? "wrong usage"
            fail("\(what) (see vmascope --help)", status: 64)
        }
    }

    /// What is to be parsed, in time that does not grow with the square of it: of the command that `run` is to
    /// start one word stands for all, which `Run` takes from where they are.
    private static func arguments() -> [String] {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == Tuning.option {
            if Tuning.isForbidden { fail("\(Tuning.option) is not for an executable that gives privileges", status: 64) }
            arguments.removeFirst()
        } else {
            Tuning.forget()
        }
        let end = arguments.firstIndex(of: "--") ?? arguments.count
        if end > argumentLimit { fail("more than \(argumentLimit) arguments (see vmascope --help)", status: 64) }
        if arguments.first == "run", end + 2 < arguments.count { arguments.removeSubrange((end + 2)...) }
        return arguments
    }

    private static let argumentLimit = 500

    /// One line on stderr that names what was wrong.
    static func fail(_ message: String, status: Int32) -> Never {
        Console.warn("error: \(message)")
        Console.exit(status)
    }
}

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
        vms_hold_standard_streams()
        do {
            var command = try parseAsRoot()
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

    /// One line on stderr that names what was wrong.
    static func fail(_ message: String, status: Int32) -> Never {
        Console.warn("error: \(message)")
        Console.exit(status)
    }
}

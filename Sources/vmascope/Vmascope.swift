import ArgumentParser
import CSystem
import Glibc
import VMAProbe
import VMASession

@main
struct Vmascope: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vmascope",
        abstract: "Watch Linux VMAs live: which merges were missed, why, and who caused them.",
        discussion: """
            Root, or CAP_BPF and CAP_PERFMON, and a kernel from 5.10 on: `vmascope doctor` says what works here.

            EXAMPLES
              vmascope run -- python3 script.py          # from the first instruction, children too
              vmascope attach redis-server -d 10s        # a process that runs already, for ten seconds
              vmascope system                            # every process, live
              vmascope run --json -o before.json -- ./program
              vmascope diff before.json after.json       # did the change help

            ENVIRONMENT
              NO_COLOR  the text report has no colours if it is set and not empty
              TERM      system prints lines, and no live table, if it is dumb

            EXIT STATUS
              0   done; `run` gives the command's own (128+n for a signal)
              3   the condition of --fail-on holds
              64  wrong usage
              65  the recording or report is damaged, or is none; what could be read is reported
              66  no such process, file or command
              69  this kernel does not allow it (see `vmascope doctor`)
              70  a fault of vmascope
              74  the output, or the recording, could not be written
              77  no permission; the missing capability is named
            """,
        version: Version.long,
        subcommands: [
            Attach.self, Run.self, SystemCommand.self, LayoutCommand.self, ReportCommand.self, Diff.self,
            ExplainCommand.self, Doctor.self, SchemaCommand.self, ManualCommand.self,
        ])

    static func main() {
        SymbolHelper.runIfAsked(CommandLine.arguments)
        vms_hold_standard_streams()
        if CommandLine.arguments.count == 1, isatty(1) == 1 { begin() }
        do {
            var command = try parseAsRoot(arguments())
            do {
                try command.run()
            } catch let error as ProbeError {
                fail(error.message, status: error.status)
            } catch let error as Failure {
                fail(error.message, details: error.details, status: error.status)
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }  // --help
            let what = message(for: error).split(separator: "\n").first ?? "wrong usage"
            fail("\(what) (see vmascope --help)", status: 64)
        }
    }

    /// Who types the name alone wants to know what to try. (Piped, it prints the help.)
    private static func begin() -> Never {
        let text = """
            vmascope \(Version.number) watches Linux VMAs live: which merges were missed, why, and who caused them.

            Try first, as root:
              vmascope doctor             what works on this machine
              vmascope run -- ls          a command, from its first instruction
              vmascope attach NAME        a process that runs already: redis-server, or a pid; Ctrl-C ends it
              vmascope system             every process, live

            vmascope --help names all commands, vmascope run --help the options of one.

            """
        do { try Output(nil).write(text) } catch { fail("stdout: it could not be written", status: 74) }
        Console.exit(0)
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

    /// One line on stderr that names what was wrong; `details` are lines below it.
    static func fail(_ message: String, details: [String] = [], status: Int32) -> Never {
        Console.warn("error: \(message)")
        for line in details { Console.warn("  \(line)") }
        Console.exit(status)
    }
}

import ArgumentParser
import VMAProbe
import VMASession

struct Attach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Observe a running process, all its threads.",
        discussion: """
            Ends with the process, after --duration, or on Ctrl-C, and prints the report.

            EXAMPLES
              vmascope attach redis-server                  # by name, if one process has it
              vmascope attach -p 1234 -d 10s                # by pid, for ten seconds
              vmascope attach 1234 --record f.vmt -o f.html # keep all of it, and the report for a browser
            """)

    @OptionGroup var target: ProcessArgument

    @Flag(help: "Observe the processes that it forks, too.")
    var children = false

    @OptionGroup var options: ObservationOptions

    func run() throws {
        try Target.requireHostProcessIDs()
        let process = try target.find()
        let observation = try Observation(options.settings, followsChildren: children)
        try observation.attach(process)
        try observation.report()
    }
}

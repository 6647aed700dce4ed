import ArgumentParser
import VMAProbe
import VMASession

struct Attach: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Observe a running process, all its threads.",
        discussion: "Ends with the process, after --duration, or on Ctrl-C, and prints the report.")

    @Argument(help: "Process to observe.", transform: Parse.process)
    var pid: Int32

    @Flag(help: "Follow the processes that it forks, too.")
    var children = false

    @OptionGroup var options: ObservationOptions

    func run() throws {
        try Target.requireHostProcessIDs()
        let process = try Target.process(pid)
        let observation = try Observation(options.settings, followsChildren: children)
        try observation.attach(process)
        try observation.report()
    }
}

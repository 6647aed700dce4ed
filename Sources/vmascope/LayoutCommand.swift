import ArgumentParser
import VMACore
import VMAProbe
import VMAReport
import VMASession

struct LayoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout",
        abstract: "Show the VMAs of a process as they stand, and what separates each adjacent pair.",
        discussion: """
            The layout is read once; the process is not observed.

            EXAMPLES
              vmascope layout redis-server
              vmascope layout 1234 --json
            """)

    @OptionGroup var target: ProcessArgument

    @Flag(help: "Write JSON (vmascope.layout.v1).")
    var json = false

    @Option(
        name: [.short, .long],
        help: .init("Write the layout to this file, not to stdout; as JSON if its name ends in .json.", valueName: "file"),
        completion: .file())
    var output: String?

    @Option(help: .init("Mode of a new output file: 0644 (default 0600).", valueName: "mode"), transform: Parse.mode)
    var outputMode: UInt32?

    func run() throws {
        let destination = try Output(output, mode: outputMode)
        try Target.requireHostProcessIDs()
        let process = try target.find()
        let kernel = Kernel()
        var model = try Calibration.model(kernel)
        let probe = try Probe(snapshotOn: kernel)
        model.flagNames = probe.flagNames()
        guard let snapshot = try probe.snapshot(process) else {
            throw ProbeError.notFound("process \(process) has no address space: a kernel thread or a zombie")
        }
        let observer = Observer(judge: Judge(model), isHooked: false)
        probe.drain(observer.apply)  // the files' paths
        let layout = Layout(snapshot.vmas)
        let report = LayoutReport(
            pid: UInt32(process), command: Target.command(process), limit: Kernel.mapLimit, layout: layout,
            judge: observer.judge, labels: Labels(files: observer.files, names: observer.names, flags: model.flagNames))
        var text = ""
        if json || FileFormat.named(by: output) == "json" {
            JSONLayout().render(report, into: &text)
        } else {
            TextLayout(colour: output == nil && Console.wantsColour).render(report, into: &text)
        }
        try destination.write(text)
    }
}

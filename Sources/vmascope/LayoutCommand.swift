import ArgumentParser
import VMACore
import VMAProbe
import VMAReport
import VMASession

struct LayoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "layout",
        abstract: "The VMAs of a process as they stand, and what separates each adjacent pair.")

    @Argument(help: "Process to look at.", transform: Parse.process)
    var pid: Int32

    @Flag(help: "As JSON (vmascope.layout.v1).")
    var json = false

    @Option(help: "Write it to this file, not to stdout.")
    var output: String?

    @Option(help: "Mode of a new output file: 0644 (default 0600).", transform: Parse.mode)
    var outputMode: UInt32?

    func run() throws {
        let destination = try Output(output, mode: outputMode)
        try Target.requireHostProcessIDs()
        let process = try Target.process(pid)
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
        if json {
            JSONLayout().render(report, into: &text)
        } else {
            TextLayout(colour: output == nil && Console.wantsColour).render(report, into: &text)
        }
        try destination.write(text)
    }
}

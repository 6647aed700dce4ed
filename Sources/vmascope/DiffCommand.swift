import ArgumentParser
import VMAReport
import VMASession

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare two observations: did a change help?",
        discussion: """
            Each is a JSON report (--json) or a recording (--record). With --fail-on it is a check for CI.

            EXAMPLES
              vmascope diff before.json after.json
              vmascope diff before.vmt after.vmt --fail-on 'delta.missed.pgoff>0'
            """
    )

    @Argument(help: "The report or recording of before; - is stdin.", completion: .file())
    var before: String

    @Argument(help: "The report or recording of after; - is stdin.", completion: .file())
    var after: String

    @Flag(help: "Write JSON (vmascope.diff.v1).")
    var json = false

    @Option(
        name: [.short, .long],
        help: .init("Write the comparison to this file, not to stdout; as JSON if its name ends in .json.", valueName: "file"),
        completion: .file())
    var output: String?

    @Option(help: .init("Mode of a new output file: 0644 (default 0600).", valueName: "mode"), transform: Parse.mode)
    var outputMode: UInt32?

    @Option(
        help: "End with exit status 3 if this condition on the second report, or on the difference, holds: 'delta.missed>0'.",
        transform: Parse.condition)
    var failOn: Condition?

    func validate() throws {
        if before == "-", after == "-" { throw ValidationError("one of the two can come from stdin (-), not both") }
    }

    func run() throws {
        let destination = try Output(output, mode: outputMode)
        let (old, new) = (try Kept(before), try Kept(after))
        let comparison = Comparison(before: old.figures, after: new.figures)
        try destination.write(
            json || FileFormat.named(by: output) == "json" ? comparison.json() : comparison.text((before, after)))
        if let first = old.damage, new.damage != nil { Console.warn("error: \(first.message)") }
        if let damage = new.damage ?? old.damage { throw damage }
        if let failure = failOn?.failure(new.figures, since: old.figures) { throw Failure.condition(failure) }
    }
}

/// The numbers of a report that was kept in a file, or of a recording.
private struct Kept {
    let figures: Figures
    /// Of a recording that could not be read to its end.
    let damage: Failure?

    init(_ path: String) throws {
        let file = try InputFile(path)
        if try file.isRecording() {
            let replay = try Replay(file)
            (figures, damage) = (Figures(replay.findings.report), replay.damage)
            return
        }
        guard let text = String(validating: try file.readAll(), as: UTF8.self) else {
            throw Failure(message: "\(path) is neither a JSON report nor a recording", status: 65)
        }
        do { figures = try Figures(text) } catch { throw Failure(message: "\(path): \(error.message)", status: 65) }
        damage = nil
    }
}

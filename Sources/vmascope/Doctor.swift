import ArgumentParser
import VMACore
import VMAProbe
import VMAReport
import VMASession

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What this kernel and these privileges allow, and what is missing.",
        discussion: """
            Loads what run, attach, layout and system load, says which way each takes and why, and proves a source \
            by observing a child of its own for a second. Nobody else is observed.

            EXAMPLES
              vmascope doctor
              vmascope doctor --shape > shape.txt  # what a report of a fault should come with
            """)

    @Flag(help: "Write the findings as JSON (vmascope.doctor.v1).")
    var json = false

    @Flag(
        help:
            "Write the facts about this kernel that decide all this, one on each line and without addresses: for a report of a fault."
    )
    var shape = false

    func validate() throws {
        if json, shape { throw ValidationError("--shape has its own format: leave --json out") }
    }

    func run() throws {
        let output = try Output(nil)
        let kernel = Kernel()
        if shape { return try output.write(KernelShape(kernel).text) }
        let findings = DoctorFindings(kernel)
        try output.write(json ? findings.json : findings.text)
    }
}

import ArgumentParser
import VMAProbe
import VMAReport
import VMASession

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What this kernel and these privileges allow, and what is missing.",
        discussion: "Every program is loaded and attached for a moment; nothing is observed.")

    @Flag(help: "As JSON (vmascope.doctor.v1).")
    var json = false

    func run() throws {
        let output = try Output(nil)
        let kernel = Kernel()
        let diagnoses = Source.allCases.map { Diagnosis($0, kernel) }
        try output.write(json ? Self.json(kernel, diagnoses) : Self.text(kernel, diagnoses))
    }

    private static func text(_ kernel: Kernel, _ diagnoses: [Diagnosis]) -> String {
        var text = "kernel \(kernel.release)\n"
        if let model = try? Calibration.model(kernel) { text += "merge rules: \(model.name)\n" }
        for diagnosis in diagnoses {
            text += "\n\(diagnosis.source.rawValue): \(diagnosis.problem ?? "usable")\n"
            for point in diagnosis.points {
                let name = point.point.name.padded(28)
                text += "  \(point.point.role.rawValue.padded(20)) \(point.point.kind.padded(7)) \(name) "
                text += "\(point.problem.map { "no: \($0)" } ?? "yes")\n"
            }
        }
        text += "\ncapabilities\n"
        for need in Capabilities.needed {
            let has = Capabilities.current.has(need) ? "yes" : need.isVital ? "missing" : "no"
            text += "  \(need.name.padded(17)) \(has.padded(8)) \(need.purpose)\n"
        }
        let problem = SystemProbe.counterProblem(kernel)
        text += "\nsystem counts VMAs by \(problem.map { "/proc: \($0)" } ?? "iter/task")\n"
        if let limit = Kernel.mapLimit { text += "vm.max_map_count \(limit)\n" }
        return text
    }

    private static func json(_ kernel: Kernel, _ diagnoses: [Diagnosis]) -> String {
        var json = JSONWriter()
        json.object { json in
            json.field("schema", "vmascope.doctor.v1")
            json.field("kernel", kernel.release)
            json.object("sources") { json in
                for diagnosis in diagnoses {
                    json.object(diagnosis.source.rawValue) { json in
                        json.field("usable", diagnosis.isUsable)
                        json.field("why", diagnosis.problem)
                        json.array("attach_points") { json in
                            for point in diagnosis.points {
                                json.object { json in
                                    json.field("name", point.point.name)
                                    json.field("kind", point.point.kind)
                                    json.field("usable", point.problem == nil)
                                    json.field("why", point.problem)
                                }
                            }
                        }
                    }
                }
            }
            json.object("stock") { json in
                let problem = SystemProbe.counterProblem(kernel)
                json.field("usable", problem == nil)
                json.field("why", problem)
            }
            json.object("capabilities") { json in
                for need in Capabilities.needed { json.field(need.name, Capabilities.current.has(need)) }
            }
        }
        return json.finish()
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }
}

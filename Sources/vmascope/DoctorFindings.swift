import VMACore
import VMAProbe
import VMAReport

/// All that `doctor` has tried, and what it prints of that.
struct DoctorFindings {
    private let kernel: Kernel
    private let model: KernelModel?
    private let diagnoses: [Diagnosis]
    private let proofs: [Proof?]
    /// By command.
    private let trials: [(command: String, trial: Trial)]
    private let stockProblem: String?
    private let symbols: SymbolTrial

    init(_ kernel: Kernel) {
        self.kernel = kernel
        let model = try? Calibration.model(kernel)
        self.model = model
        let tried = Source.allCases.map { source in model.map { Proof(source, kernel, $0) } }
        let diagnoses = zip(Source.allCases, tried).map { Diagnosis($0, kernel, $1) }
        self.diagnoses = diagnoses
        proofs = zip(diagnoses, tried).map { $0.isUsable ? $1 : nil }
        trials = [("layout", Trial.layout(kernel)), ("system", Trial.system(kernel))]
        stockProblem = SystemProbe.counterProblem(kernel)
        symbols = SymbolTrial()
    }

    /// Why a source can't be used: it does not load, or it has not shown that it works.
    private func problem(_ index: Int) -> String? {
        diagnoses[index].problem ?? proofs[index]?.problem ?? (model == nil ? "the merge rules could not be tried out" : nil)
    }

    var text: String {
        var text = "kernel \(kernel.release)\n"
        if let model { text += "merge rules: \(model.name)\n" }
        for (index, diagnosis) in diagnoses.enumerated() {
            let proof = proofs[index]
            let proven = proof.map { ", proven by an observation of itself: \($0.attempts) attempts" } ?? ""
            text += "\n\(diagnosis.source.rawValue): \(problem(index) ?? "usable\(proven)")\n"
            for point in diagnosis.points {
                let name = (point.point.symbol ?? point.point.name).padded(38)
                text += "  \(point.point.role.rawValue.padded(20)) \(point.point.kind.padded(7)) \(name) "
                text += "\(point.problem.map { "no: \($0)" } ?? "yes")\n"
            }
        }
        text += "\nways\n"
        for way in ways {
            text += "  \(way.command.padded(22)) \(way.problem.map { "no: \($0)" } ?? way.text)\n"
            for refusal in way.refused { text += "    not \(refusal.way.text): \(refusal.why)\n" }
        }
        text += "\ncapabilities\n"
        for need in Capabilities.needed {
            let has = Capabilities.current.has(need) ? "yes" : need.isVital ? "missing" : "no"
            text += "  \(need.name.padded(17)) \(has.padded(8)) \(need.purpose)\n"
        }
        text += "\nprocesses of ours, and how they are confined\n"
        for helper in symbols.helpers { text += "  \(helper.role.text.padded(22)) \(helper.text)\n" }
        if symbols.helpers.isEmpty { text += "  none runs: \(symbols.problem ?? "they are not seen in /proc")\n" }
        text += "\nsettings\n"
        for setting in KernelSettings.all { text += "  \(setting.name.padded(28)) \(setting.value ?? "not there")\n" }
        text += "\nsystem counts VMAs by \(stockProblem.map { "/proc: \($0)" } ?? "iter/task")\n"
        if let limit = Kernel.mapLimit { text += "vm.max_map_count \(limit)\n" }
        return text + "\n" + summary.sentence + "\n"
    }

    private var summary: DoctorSummary {
        let usable = diagnoses.indices.filter { problem($0) == nil }.map { diagnoses[$0].source.rawValue }
        return DoctorSummary(
            sources: usable, commands: trials.filter { $0.trial.problem == nil }.map(\.command),
            hooksProblem: diagnoses.indices.first { diagnoses[$0].source == .hooks }.flatMap { problem($0) },
            settings: KernelSettings.all.reduce(into: [:]) { $0[$1.name] = $1.value }, hasBTF: kernel.hasBTF,
            missing: Set(Capabilities.needed.filter { !Capabilities.current.has($0) }.map(\.name)))
    }

    var json: String {
        var json = JSONWriter()
        json.object { json in
            json.field("schema", "vmascope.doctor.v1")
            json.field("kernel", kernel.release)
            json.field("merge_rules", model?.name)
            json.object("sources") { json in
                for (index, diagnosis) in diagnoses.enumerated() {
                    json.object(diagnosis.source.rawValue) { json in
                        json.field("usable", problem(index) == nil)
                        json.field("proven", proofs[index]?.isProven == true)
                        json.field("why", problem(index))
                        json.array("attach_points") { json in
                            for point in diagnosis.points {
                                json.object { json in
                                    json.field("name", point.point.name)
                                    json.field("symbol", point.point.symbol ?? point.point.name)
                                    json.field("kind", point.point.kind)
                                    json.field("usable", point.problem == nil)
                                    json.field("why", point.problem)
                                }
                            }
                        }
                    }
                }
            }
            json.array("ways") { json in for way in ways { json.object { Self.write(way, &$0) } } }
            json.object("stock") { json in
                json.field("usable", stockProblem == nil)
                json.field("why", stockProblem)
            }
            json.object("capabilities") { json in
                for need in Capabilities.needed { json.field(need.name, Capabilities.current.has(need)) }
            }
            json.array("helpers") { json in
                for helper in symbols.helpers {
                    json.object { json in
                        json.field("role", helper.role.rawValue)
                        json.field("own_user", helper.hasOwnUser)
                        json.field("why", helper.sharing)
                        json.field("capabilities", helper.capabilities)
                        json.field("no_new_privs", helper.hasNoNewPrivileges)
                        json.field("seccomp", helper.hasFilter)
                    }
                }
            }
            json.object("settings") { json in for setting in KernelSettings.all { json.field(setting.name, setting.value) } }
            json.field("summary", summary.sentence)
        }
        return json.finish()
    }

    private static func write(_ way: CommandWay, _ json: inout JSONWriter) {
        json.field("command", way.command)
        json.field("usable", way.problem == nil)
        json.field("why", way.problem)
        json.field("object", way.taken?.build.rawValue)
        json.field("snapshot", way.taken?.snapshot?.rawValue)
        json.field("stock", way.taken?.stock?.rawValue)
        json.field("stack", way.stack)
        json.field("symbols", way.symbols)
        json.field("note", way.note)
        json.array("refused") { json in
            for refusal in way.refused {
                json.object { json in
                    json.field("way", refusal.way.text)
                    json.field("why", refusal.why)
                }
            }
        }
    }

    // MARK: ways

    /// How one command would go about it.
    private struct CommandWay {
        var command: String
        var problem: String?
        var taken: Way?
        var refused: [Ways.Refusal] = []
        var stack: String?
        var symbols: String?
        var note: String?

        var text: String {
            [taken?.text, note, stack.map { "stacks by \($0)" }, symbols.map { "symbols by \($0)" }]
                .compactMap { $0 }.joined(separator: ", ")
        }
    }

    private var ways: [CommandWay] {
        let observing = diagnoses.indices.map { index in
            CommandWay(
                command: "run, attach by \(diagnoses[index].source.rawValue)", problem: problem(index),
                taken: proofs[index]?.ways?.taken, refused: proofs[index]?.ways?.refused ?? [],
                stack: proofs[index]?.stackWay, symbols: proofs[index]?.ways == nil ? nil : symbolWay,
                note: diagnoses[index].source == .hooks ? kernel.symbolsProblem : nil)
        }
        return observing
            + trials.map { command, trial in
                CommandWay(
                    command: trial.source.map { "\(command) by \($0.rawValue)" } ?? command, problem: trial.problem,
                    taken: trial.ways?.taken, refused: trial.ways?.refused ?? [], note: trial.note)
            }
    }

    /// Another user's root can be looked into with CAP_SYS_PTRACE only.
    private var symbolWay: String {
        if let problem = symbols.problem { return "nothing, so that frames are addresses: \(problem)" }
        let sees = Capabilities.needed.contains { $0.name == "CAP_SYS_PTRACE" && Capabilities.current.has($0) }
        return sees ? "the process's own files" : "files of the same path, where the process's are not ours"
    }
}

extension String {
    fileprivate func padded(_ width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }
}

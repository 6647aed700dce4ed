import Foundation
import TestSupport

/// What a program wrote and how it ended.
struct Outcome: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

enum Shell {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Runs a program to its end. Its output goes through files, which hold any amount.
    static func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        let folder = try TemporaryFolder()
        let (output, errors) = (try folder.handle("out"), try folder.handle("err"))
        let process = try Child(
            [program.path] + Tuning.arguments(arguments, environment), environment: environment, in: Repository.root.path,
            output: output.fileDescriptor, errors: errors.fileDescriptor)
        process.waitUntilExit()
        let signalled = process.terminationReason == .uncaughtSignal
        return Outcome(
            status: process.terminationStatus + (signalled ? 128 : 0), output: folder.text("out"),
            errors: folder.text("err"))
    }

    /// Runs a program of the PATH that has to succeed.
    @discardableResult
    static func must(_ command: String...) throws -> String { try must(command) }

    @discardableResult
    static func must(_ program: String, _ arguments: [String]) throws -> String { try must([program] + arguments) }

    private static func must(_ command: [String]) throws -> String {
        let outcome = try run(URL(fileURLWithPath: "/usr/bin/env"), command)
        guard outcome.status == 0 else {
            throw Failure(description: "\(command.joined(separator: " ")): \(outcome.status)\n\(outcome.errors)\(outcome.output)")
        }
        return outcome.output
    }
}

/// Variables that act only if the first argument asks for it.
enum Tuning {
    private static let names: Set = ["VMASCOPE_AUDIT_INTERVAL", "VMASCOPE_RING", "VMASCOPE_WITHOUT", "VMASCOPE_DUMP_LAYOUTS"]

    static func arguments(_ arguments: [String], _ environment: [String: String]) -> [String] {
        (names.isDisjoint(with: environment.keys) ? [] : ["--debug-environment"]) + arguments
    }
}

final class TemporaryFolder: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("vmascope-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func text(_ name: String) -> String {
        (try? Data(contentsOf: url.appendingPathComponent(name))).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func handle(_ name: String) throws -> FileHandle {
        _ = FileManager.default.createFile(atPath: path(name), contents: nil)
        return try FileHandle(forWritingTo: url.appendingPathComponent(name))
    }
}

/// The scenarios' programs, static, so that a guest can run them, and named so that the 15
/// characters of a comm tell them apart.
enum Programs {
    static let folder: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        for (index, scenario) in Scenario.all.enumerated() {
            try Shell.must(
                "clang", "-static", "-O1", "-g", "-fno-omit-frame-pointer", "-Wall", "-Wextra", "-Werror", "-o",
                folder.path(comm(index)), scenario.source.path)
        }
        try "int main(void) { return 0; }\n".write(toFile: folder.path("baseline.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-static", "-O1", "-o", folder.path(baseline), folder.path("baseline.c"))
        return folder
    }

    /// A program that does nothing: what every start of a program costs.
    static let baseline = "baseline"

    static func comm(_ index: Int) -> String { "s\(index)" }

    static func comm(_ scenario: Scenario) -> String {
        comm(Scenario.all.firstIndex { $0.name == scenario.name }!)
    }

    static func path(_ scenario: Scenario) throws -> String { try folder.get().path(comm(scenario)) }
}

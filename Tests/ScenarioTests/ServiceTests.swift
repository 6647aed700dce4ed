import Foundation
import Testing

/// The unit in packaging/, run as what it says; systemd itself is not needed.
@Suite("vmascope.service")
struct ServiceTests {
    private static let analyze = "/usr/bin/systemd-analyze"

    private let unit: String
    private let settings: [String: [String]]

    init() throws {
        let file = Repository.root.appendingPathComponent("packaging/vmascope.service")
        unit = try String(contentsOf: file, encoding: .utf8)
        settings = unit.split(separator: "\n").reduce(into: [:]) { settings, line in
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, !line.hasPrefix("#") else { return }
            settings[String(parts[0]), default: []] += parts[1].split(separator: " ").map(String.init)
        }
    }

    /// What the unit starts, for a second, as a user without any other capability. The port is a free one.
    private func start(_ capabilities: [String], in folder: TemporaryFolder) throws -> Outcome {
        let command = try #require(settings["ExecStart"])
        let list = (["-all"] + capabilities.map { "+\($0.dropFirst(4).lowercased())" }).joined(separator: ",")
        let ids = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
        let sets = ["--bounding-set", list, "--inh-caps", list, "--ambient-caps", list]
        let arguments = command.dropFirst().map { $0.replacing(#/:\d+$/#, with: ":0") }
        return try Shell.run(
            URL(fileURLWithPath: "/usr/bin/setpriv"),
            ids + sets + [folder.path("vmascope")] + arguments + ["--duration", "1s"])
    }

    @Test("has just the capabilities without which it does not run, and runs with them")
    func privileges() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(at: Repository.vmascope, to: folder.url.appendingPathComponent("vmascope"))
        try Shell.must("chmod", "-R", "a+rX", folder.url.path)
        let capabilities = try #require(settings["AmbientCapabilities"])
        #expect(settings["CapabilityBoundingSet"] == capabilities && settings["DynamicUser"] == ["yes"])
        #expect(settings["NoNewPrivileges"] == ["yes"])
        let outcome = try start(capabilities, in: folder)
        #expect(outcome.status == 0 && outcome.errors.contains("/metrics\n"), "\(outcome.errors)")
        #expect(outcome.output.contains(#/\nmerges +[0-9]/#), "\(outcome.output)")
        for missing in capabilities {
            let refused = try start(capabilities.filter { $0 != missing }, in: folder)
            #expect(refused.status == 77 && refused.errors.contains(missing), "\(refused.errors)")
        }
    }

    @Test("is started from where make install puts it")
    func place() throws {
        let makefile = try String(contentsOf: Repository.root.appendingPathComponent("Makefile"), encoding: .utf8)
        let prefix = try #require(makefile.firstMatch(of: #/\nPREFIX \?= (\S+)\n/#)?.1)
        #expect(settings["ExecStart"]?.first == "\(prefix)/bin/vmascope")
    }

    /// What it ignores it only warns of, and ends with 0.
    @Test(
        "is one that systemd has nothing to say about",
        .enabled(if: FileManager.default.isExecutableFile(atPath: analyze)))
    func verified() throws {
        let folder = try TemporaryFolder()
        func verify(_ text: String) throws -> Outcome {
            try text.write(toFile: folder.path("vmascope.service"), atomically: true, encoding: .utf8)
            return try Shell.run(URL(fileURLWithPath: Self.analyze), ["verify", folder.path("vmascope.service")])
        }
        // Nothing may be installed here.
        let installed = unit.replacing(#/ExecStart=\S+/#, with: "ExecStart=\(Repository.vmascope.path)")
        let outcome = try verify(installed)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(try verify(installed.replacing("DynamicUser=", with: "DynamicUsers=")).errors.contains("DynamicUsers"))
    }
}

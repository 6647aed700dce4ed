import Foundation
import TestSupport
import Testing

/// JSON is checked by what `vmascope schema` prints, wherever tests read one.
enum Schema {
    private static let texts: [String: Result<String, any Error>] = Dictionary(
        uniqueKeysWithValues: ["report", "layout", "system", "diff", "doctor"].map { name in
            (name, Result { try Vmascope.run(["schema", name]).output })
        })

    /// The same text, if it is valid.
    static func valid(_ json: String, _ name: String) throws -> String {
        try SchemaCheck(try texts[name]!.get()).demand(json)
        return json
    }
}

@Suite("vmascope schema")
struct SchemaTests {
    @Test("knows each schema by its short name and its whole one", arguments: ["report", "layout", "system", "diff", "doctor"])
    func names(_ name: String) throws {
        let text = try Vmascope.run(["schema", name]).output
        #expect(try Vmascope.run(["schema", "\(name).v1"]).output == text)
        #expect(try Vmascope.run(["schema", "vmascope.\(name).v1"]).output == text)
        #expect(try Vmascope.run(["schema"]).output.contains("\(name).v1 "))
        #expect(text.contains("\"const\": \"vmascope.\(name).v1\""))
    }

    @Test("describes recordings")
    func recordings() throws {
        #expect(try Vmascope.run(["schema", "vmt"]).output.contains("89 56 4d 54"))
    }

    /// The whole of the language, by a validator that is not ours.
    @Test("is JSON Schema, and valid by another validator, too")
    func independent() throws {
        let folder = try TemporaryFolder()
        let program = """
            import json, os, subprocess, sys
            from jsonschema import Draft202012Validator as V
            def vmascope(*a): return json.loads(subprocess.run([sys.argv[1], *a], stdout=subprocess.PIPE, check=True).stdout)
            schemas = {name: vmascope("schema", name) for name in ("report", "layout", "system", "diff", "doctor")}
            for schema in schemas.values(): V.check_schema(schema)
            V(schemas["report"]).validate(vmascope("run", "--json", "--", "true"))
            V(schemas["layout"]).validate(vmascope("layout", str(os.getpid()), "--json"))
            V(schemas["doctor"]).validate(vmascope("doctor", "--json"))
            for wrong in ({}, {"schema": "vmascope.report.v2"}):
                assert list(V(schemas["report"]).iter_errors(wrong))
            """
        try program.write(toFile: folder.path("check.py"), atomically: true, encoding: .utf8)
        try Shell.must("/usr/bin/python3", folder.path("check.py"), Repository.vmascope.path)
    }

    @Test("a diff and doctor's findings are as described")
    func others() throws {
        let folder = try TemporaryFolder()
        _ = try Vmascope.run(["run", "--json", "-o", folder.path("a.json"), "--", "true"])
        let diff = try Vmascope.run(["diff", folder.path("a.json"), folder.path("a.json"), "--json"])
        _ = try Schema.valid(diff.output, "diff")
        _ = try Schema.valid(try Vmascope.run(["doctor", "--json"]).output, "doctor")
    }
}

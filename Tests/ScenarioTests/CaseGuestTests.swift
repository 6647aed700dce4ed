import Foundation
import Testing

/// Cases whose answer depends on the kernel: flags and operations that some of them don't have.
@Suite("cases in guests")
struct CaseGuestTests {
    static let names = ["keyed_slots", "map_stack", "merging_pages", "sealed", "uffd_protect"]
    static let cases = Case.all.filter { names.contains($0.name) }

    static func compile(into folder: TemporaryFolder) throws {
        for one in cases {
            try Shell.must(
                "clang", "-static", "-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-o", folder.path("case.\(one.name)"),
                one.source.path)
        }
    }

    /// The sources take turns from case to case and from kernel to kernel: a report is answered in one way, wherever its
    /// attempts come from, and a guest needs half a minute for five runs. Before 6.1 there are hooks only.
    static func source(_ name: String, on machine: Machine) -> String {
        let turn = (names.firstIndex(of: name) ?? 0) + (Machine.plain.firstIndex(of: machine) ?? 0)
        return turn % 2 == 0 || machine.kernel.hasPrefix("5.") ? "hooks" : "tracepoints"
    }

    /// The status of each program is in a file of its own: 2 where the kernel lacks what it needs.
    static func script(_ machine: Machine) -> String {
        names.map { name in
            let source = source(name, on: machine)
            return """
                $vmascope run --source \(source) --json --output case.\(name) -- /root/programs/case.\(name) 2> case.\(name).err
                echo $? > case.\(name).status
                """
        }.joined(separator: "\n")
    }

    /// The first kernel that has what the case is about; all have it where nothing is said.
    private static let since = ["sealed": [6, 10], "map_stack": [6, 7]]

    private static func has(_ kernel: String, _ name: String) -> Bool {
        let version = kernel.split(separator: ".").compactMap { Int($0) }
        return !version.lexicographicallyPrecedes(since[name] ?? [])
    }

    @Test("are answered as expected", arguments: Machine.plain, cases)
    func answer(_ machine: Machine, _ one: Case) async throws {
        let guest = try await Guest.of(machine)
        let name = "case.\(one.name)"
        let (status, errors) = (guest.messages(name + ".status"), guest.messages(name + ".err"))
        let isThere = Self.has(machine.kernel, one.name)
        if status == "2\n" {
            // The program said what the kernel, or the emulated processor, does not have.
            #expect(!isThere || one["needs"] != nil, "\(errors)")
            return
        }
        #expect(status == "0\n", "\(errors)")
        let answer = try JSONDecoder().decode(AnswerFile.self, from: Data(try guest.text(name).utf8)).answer
        if isThere {
            one.check(answer)
        } else {
            #expect(answer.remedy == nil && answer.what_to_do?.hasPrefix("nothing: ") == true, "\(answer)")
        }
    }
}

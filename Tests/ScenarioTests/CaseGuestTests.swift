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

    /// The status of each program is in a file of its own: 2 where the kernel lacks what it needs.
    static let script = """
        for source in tracepoints hooks; do
            for name in \(names.joined(separator: " ")); do
                $vmascope run --source $source --json --output $source.case.$name -- /root/programs/case.$name \\
                    2> $source.case.$name.err
                echo $? > $source.case.$name.status
            done
        done
        """

    /// The first kernel that has what the case is about; all have it where nothing is said.
    private static let since = ["sealed": [6, 10], "map_stack": [6, 7]]

    private static func has(_ kernel: String, _ name: String) -> Bool {
        let version = kernel.split(separator: ".").compactMap { Int($0) }
        return !version.lexicographicallyPrecedes(since[name] ?? [])
    }

    @Test("are answered as expected", arguments: Station.plain, cases)
    func answer(_ station: Station, _ one: Case) async throws {
        let guest = try await Guest.of(station.machine)
        guard guest.usable.contains(station.source) else { return }
        let name = "\(station.source).case.\(one.name)"
        let (status, errors) = (guest.messages(name + ".status"), guest.messages(name + ".err"))
        let isThere = Self.has(station.machine.kernel, one.name)
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

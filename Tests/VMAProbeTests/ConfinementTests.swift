import Testing

@testable import VMAProbe

@Suite("How a process of ours is confined is told by the kernel's words")
struct ConfinementTests {
    private static let all = Capabilities(effective: .max)

    private static func status(uid: String = "1879048192\t1879048192\t1879048192\t1879048192", filter: String = "2") -> String {
        "Name:\tvmascope\nUid:\t\(uid)\nCapPrm:\t0000000000080000\nNoNewPrivs:\t1\nSeccomp:\t\(filter)\n"
    }

    @Test("with a user of its own")
    func own() throws {
        let helper = try #require(HelperConfinement(.opener, Self.status(), own: (0, Self.all)))
        #expect(helper.hasOwnUser && helper.sharing == nil)
        #expect(helper.text == "no_new_privs, seccomp; CAP_SYS_PTRACE; a user of its own")
        #expect(HelperConfinement.warning([helper]) == nil && HelperConfinement.warning([]) == nil)
    }

    @Test("without one, and what is missing")
    func shared() throws {
        let root = "0\t0\t0\t0"
        func helper(_ role: HelperConfinement.Role, without bit: UInt64) throws -> HelperConfinement {
            let own = Capabilities(effective: ~(1 << bit))
            return try #require(HelperConfinement(role, Self.status(uid: root), own: (0, own)))
        }
        let (opener, reader) = (try helper(.opener, without: 7), try helper(.reader, without: 7))
        #expect(opener.sharing == "CAP_SETUID is missing" && reader.sharing == opener.sharing && !opener.hasOwnUser)
        #expect(HelperConfinement.warning([opener, reader])?.hasSuffix("have root's user, since CAP_SETUID is missing") == true)
        let search = try helper(.opener, without: 2)
        #expect(search.sharing == "CAP_DAC_READ_SEARCH is missing")
        #expect(HelperConfinement.warning([search])?.hasPrefix("the process that opens files is confined by") == true)
        #expect(try helper(.reader, without: 2).sharing == "this user namespace has no other user")
        // Who may become root again has not become another.
        let half = try #require(HelperConfinement(.reader, Self.status(uid: "0\t65534\t0\t65534"), own: (0, Self.all)))
        #expect(half.uid == 0 && half.sharing != nil)
    }

    @Test("without a filter, and where nothing can be read")
    func unfiltered() throws {
        let helper = try #require(HelperConfinement(.reader, Self.status(filter: "0"), own: (0, Self.all)))
        #expect(helper.text.hasPrefix("without a seccomp filter;"))
        #expect(HelperConfinement.warning([helper])?.contains("by less than") == true)
        #expect(HelperConfinement(.reader, "", own: (0, Self.all)) == nil)
        #expect(HelperConfinement(.reader, pid: 0) == nil)
    }
}

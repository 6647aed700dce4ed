import Foundation
import TestSupport
import Testing

/// vmascope with some of root's capabilities only, as in a container or a service: its processes give up what they can,
/// names are found all the same, and `doctor` and a warning say what is in force.
@Suite("with fewer privileges than root's", .serialized, .enabled(if: geteuid() == 0))
struct PrivilegeTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        /// Of setpriv(1).
        var arguments: [String]
        /// Why the opener, and the reader, have no user of their own.
        var opener: String?
        var reader: String?
        var warns = true
        /// A file has the capabilities, and not the user.
        var hasFileCapabilities = false
        /// `doctor` takes seconds: it is asked where another case does not say the same.
        var asksDoctor = true

        var testDescription: String { name }
    }

    private static let user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"]
    private static let docker =
        "chown,dac_override,fsetid,fowner,mknod,net_raw,setgid,setuid,setfcap,setpcap,net_bind_service,sys_chroot,kill,audit_write"

    private static func only(_ names: String) -> String { "-all,+" + names.replacing(",", with: ",+") }
    private static func bound(_ names: String) -> [String] { ["--bounding-set", only(names), "--inh-caps=-all"] }
    private static func without(_ names: String) -> [String] { ["--bounding-set=-" + names.replacing(",", with: ",-")] }
    private static func ambient(_ names: String) -> [String] {
        user + ["--no-new-privs"] + ["--bounding-set", "--inh-caps", "--ambient-caps"].flatMap { [$0, only(names)] }
    }

    private static let (setuid, search) = ("CAP_SETUID is missing", "CAP_DAC_READ_SEARCH is missing")
    static let cases = [
        Case(name: "root", arguments: [], warns: false),
        Case(name: "root without CAP_SETUID", arguments: without("setuid"), opener: setuid, reader: setuid),
        Case(name: "root without CAP_SETGID", arguments: without("setgid"), warns: false, asksDoctor: false),
        Case(
            name: "root without CAP_SETUID and CAP_SETGID", arguments: without("setuid,setgid"), opener: setuid, reader: setuid,
            asksDoctor: false),
        Case(name: "root without CAP_DAC_READ_SEARCH", arguments: without("dac_read_search"), opener: search),
        Case(name: "root without CAP_SYS_PTRACE", arguments: without("sys_ptrace"), warns: false),
        Case(
            name: "docker, CAP_BPF and CAP_PERFMON added", arguments: bound(docker + ",bpf,perfmon"), opener: search,
            asksDoctor: false),
        Case(
            name: "docker, all dropped but CAP_BPF and CAP_PERFMON", arguments: bound("bpf,perfmon") + ["--no-new-privs"],
            opener: setuid, reader: setuid),
        Case(
            name: "a service of root", arguments: bound("bpf,perfmon,sys_ptrace,dac_read_search") + ["--no-new-privs"],
            opener: setuid, reader: setuid, asksDoctor: false),
        Case(
            name: "a service of a user", arguments: ambient("bpf,perfmon"), opener: setuid, reader: setuid, warns: false),
        Case(
            name: "a service of a user that may change it",
            arguments: ambient("bpf,perfmon,sys_ptrace,dac_read_search,setuid,setgid"), warns: false),
        Case(
            name: "a user, by capabilities of the file", arguments: user, opener: setuid, reader: setuid, warns: false,
            hasFileCapabilities: true),
    ]

    private static let program = """
        #include <sys/mman.h>
        __attribute__((noinline)) void inner_function(char *p, int i) {
            mprotect(p + 4096 * (i % 8), 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
            __asm__ volatile("");
        }
        int main(void) {
            char *p = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            for (int i = 0; i < 300; i++) inner_function(p, i);
            return 0;
        }
        """

    private struct DoctorHelpers: Decodable {
        struct Helper: Decodable {
            var role: String
            var own_user: Bool
            var why: String?
            var capabilities: [String]
            var no_new_privs: Bool
            var seccomp: Bool
        }
        var helpers: [Helper]
    }

    @Test("names are found, and what is in force is said", arguments: cases)
    func confined(_ tried: Case) throws {
        let folder = try TemporaryFolder()
        let vmascope = folder.path("vmascope")
        try FileManager.default.copyItem(atPath: Repository.vmascope.path, toPath: vmascope)
        try Self.program.write(toFile: folder.path("program.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-O1", "-o", folder.path("program"), folder.path("program.c"))
        try Shell.must("chmod", "-R", "a+rX", folder.url.path)
        if tried.hasFileCapabilities { try Shell.must("setcap", "cap_bpf,cap_perfmon+ep", vmascope) }
        func run(_ arguments: String...) throws -> Outcome {
            try Shell.run(URL(fileURLWithPath: "/usr/bin/setpriv"), tried.arguments + [vmascope] + arguments)
        }
        let outcome = try run("run", "--source", "tracepoints", "--json", "--", folder.path("program"))
        #expect(outcome.status == 0 && outcome.output.contains("inner_function"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("too long"), "\(outcome.errors)")
        let missing = tried.reader ?? tried.opener
        #expect(outcome.errors.contains("root's user") == tried.warns, "\(outcome.errors)")
        if tried.warns, let missing { #expect(outcome.errors.contains("root's user, since \(missing)"), "\(outcome.errors)") }

        guard tried.asksDoctor else { return }
        let doctor = try run("doctor", "--json").output
        let helpers = try JSONDecoder().decode(DoctorHelpers.self, from: Data(try Schema.valid(doctor, "doctor").utf8)).helpers
        #expect(helpers.map(\.role) == ["opener", "reader", "proc_reader"], "\(doctor)")
        for helper in helpers {
            #expect(helper.no_new_privs && helper.seccomp)
            let why = helper.role == "opener" ? tried.opener : tried.reader
            #expect(helper.why == why && helper.own_user == (why == nil), "\(helper)")
            if helper.role == "reader" { #expect(helper.capabilities.isEmpty) }
        }
        #expect(!doctor.contains("frames are addresses"), "\(doctor)")
    }

    @Test("a file that vmascope may not read has no names, and the frame and a warning say why")
    func denied() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: Repository.vmascope.path, toPath: folder.path("vmascope"))
        try Self.program.write(toFile: folder.path("program.c"), atomically: true, encoding: .utf8)
        try Shell.must("clang", "-O1", "-o", folder.path("program"), folder.path("program.c"))
        try Shell.must("chmod", "-R", "a+rX", folder.url.path)
        // It can be run by anybody, and read by root alone.
        try Shell.must("chmod", "711", folder.path("program"))
        let arguments = ["run", "--source", "tracepoints", "--json", "--", folder.path("program")]
        let setpriv = URL(fileURLWithPath: "/usr/bin/setpriv")
        let user = try Shell.run(setpriv, Self.ambient("bpf,perfmon") + [folder.path("vmascope")] + arguments)
        #expect(user.status == 0 && user.output.contains("(vmascope may not read it)"), "\(user.errors)\(user.output)")
        #expect(user.errors.contains("may not be read by vmascope, since CAP_DAC_READ_SEARCH is missing"), "\(user.errors)")
        let root = try Shell.run(Repository.vmascope, arguments)
        #expect(root.status == 0 && !root.output.contains("may not read it") && root.output.contains("inner_function"))
    }
}

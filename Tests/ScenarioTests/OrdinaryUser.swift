import Foundation

/// A program that runs another as user 65534 with just the capabilities whose numbers it is given: for
/// guests, which have no setpriv(1) that can.
enum OrdinaryUser {
    /// CAP_PERFMON and CAP_BPF, and where maps count as locked memory CAP_SYS_RESOURCE.
    static func capabilities(_ kernel: String) -> String { kernel == "5.10" ? "24,38,39" : "38,39" }

    static func compile(_ path: String) throws {
        let source = """
            #define _GNU_SOURCE
            #include <grp.h>
            #include <linux/capability.h>
            #include <stdlib.h>
            #include <sys/prctl.h>
            #include <sys/syscall.h>
            #include <unistd.h>

            int main(int argc, char **argv)
            {
                struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
                struct __user_cap_data_struct data[2] = { 0 };
                unsigned long long wanted = 0;
                char *at = argv[1];

                for (; *at; at += *at == ',')
                    wanted |= 1ULL << strtoul(at, &at, 10);
                for (int i = 0; i < 2; i++)
                    data[i].permitted = data[i].effective = data[i].inheritable = (unsigned)(wanted >> 32 * i);
                if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, 0) || setresgid(65534, 65534, 65534) ||
                    setresuid(65534, 65534, 65534) || syscall(SYS_capset, &head, data))
                    return 126;
                for (int i = 0; i < 64; i++)
                    if (wanted >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0))
                        return 126;
                execv(argv[2], argv + 2);
                return 127;
            }
            """
        try source.write(toFile: path + ".c", atomically: true, encoding: .utf8)
        try Shell.must("clang", "-static", "-O1", "-o", path, path + ".c")
    }

    /// What is run in a guest: `system` by root, by such a user, and by one that lacks CAP_BPF.
    static func script(_ kernel: String) -> String {
        let system = "vmascope system --duration 2s --interval 1s --budget 50% --format ndjson"
        return """
            mkdir -p /tmp/user
            cp /root/vmascope /root/programs/asuser /tmp/user
            chmod -R a+rX /tmp/user
            /root/\(system) > root.ndjson 2> root.err
            /tmp/user/asuser \(capabilities(kernel)) /tmp/user/\(system) > user.ndjson 2> user.err
            /tmp/user/asuser 24,38 /tmp/user/\(system) > refused.ndjson 2> refused.err
            echo "status $?" >> refused.err

            """
    }
}

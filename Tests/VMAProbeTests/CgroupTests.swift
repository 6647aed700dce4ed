import Testing
import VMACore

@testable import VMAProbe

@Suite("cgroups")
struct CgroupTests {
    static let files: [(String, String?)] = [
        ("0::/system.slice/nginx.service", "/system.slice/nginx.service"),
        ("0::/", "/"),
        ("5:memory:/docker/ab\n1:name=systemd:/\n0::/", "/docker/ab"),
        ("5:memory:/x\n1:name=systemd:/user.slice\n0::/", "/user.slice"),
        ("4:memory:/x\n1:name=systemd:/y", "/y"),
        ("3:cpu,cpuacct:/z", nil),
        ("0::/a:b/c", "/a:b/c"),
        ("", nil), ("nonsense", nil),
    ]

    @Test("the path is that of the hierarchy that is used", arguments: files)
    func path(_ file: String, _ path: String?) {
        #expect(CgroupPaths.path(file.split(separator: "\n")) == path)
    }
}

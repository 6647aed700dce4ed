import Foundation
import Testing

/// What `make dist` makes of an executable, briefly; tools/dist-test tries the artefacts in fresh roots and guests.
@Suite("a release", .serialized)
struct DistTests {
    private static let version = Result {
        try Vmascope.run(["--version"]).output.split(separator: " ").first.map(String.init) ?? ""
    }

    /// Of the executable that guests run, which is static.
    private static let made: Result<TemporaryFolder, any Error> = Result {
        try Shell.must("make", "build", "KERNEL=any")
        let folder = try TemporaryFolder()
        try Shell.must("packaging/dist", ".build-static/release/vmascope", folder.url.path)
        return folder
    }

    @Test("is the same bytes when it is made once more")
    func reproducible() throws {
        let (first, second) = (try Self.made.get(), try TemporaryFolder())
        try Shell.must("packaging/dist", ".build-static/release/vmascope", second.url.path)
        #expect(!first.text("SHA256SUMS").isEmpty && first.text("SHA256SUMS") == second.text("SHA256SUMS"))
        try Shell.must("sh", "-c", "cd \(first.url.path) && sha256sum -c --quiet SHA256SUMS")
    }

    @Test("holds the executable, the pages, the completions, the licences and the unit")
    func contents() throws {
        let folder = try Self.made.get()
        let version = try Self.version.get()
        let name = "vmascope-\(version)-linux-x86_64"
        let tar = try Shell.must("tar", "-tzf", folder.path("\(name).tar.gz"))
        for file in [
            "vmascope", "man/man1/vmascope.1", "man/man1/vmascope-run.1", "completions/vmascope.bash", "completions/_vmascope",
            "completions/vmascope.fish", "licences/swift.txt", "licences/libbpf-dev.txt", "licences/libc6-dev.txt",
            "systemd/vmascope.service", "README.md", "CHANGELOG.md", "sbom.cdx.json", "deploy/kubernetes/daemonset.yaml",
        ] { #expect(tar.contains("\(name)/\(file)\n"), "\(file)") }
        let deb = folder.path("vmascope_\(version)_amd64.deb")
        #expect(try Shell.must("dpkg-deb", "-f", deb, "Version", "Depends").contains(version))
        #expect(!(try Shell.must("dpkg-deb", "-f", deb).contains("Depends:")))
        let files = try Shell.must("dpkg-deb", "-c", deb)
        for file in [
            "usr/bin/vmascope", "usr/share/man/man1/vmascope-attach.1.gz", "usr/lib/systemd/system/vmascope.service",
            "usr/share/bash-completion/completions/vmascope", "usr/share/doc/vmascope/copyright",
        ] { #expect(files.contains("./\(file)\n"), "\(file)") }
        let unit = try Shell.must(
            "sh", "-c", "dpkg-deb --fsys-tarfile \(deb) | tar -xO ./usr/lib/systemd/system/vmascope.service")
        #expect(unit.contains("ExecStart=/usr/bin/vmascope system"))
    }

    @Test("an image is what its hashes say, and holds one file")
    func image() throws {
        let folder = try Self.made.get()
        let archive = folder.path("vmascope-\(try Self.version.get())-linux-x86_64-oci.tar")
        let layout = try TemporaryFolder()
        try Shell.must("tar", "-C", layout.url.path, "-xf", archive)
        try Shell.must(
            "sh", "-c", "cd \(layout.url.path)/blobs/sha256 && for f in *; do echo \"$f  $f\"; done | sha256sum -c --quiet")
        struct Descriptor: Decodable { var digest: String }
        struct Index: Decodable { var manifests: [Descriptor] }
        struct Manifest: Decodable { var layers: [Descriptor] }
        func blob(_ digest: String) -> String { layout.text("blobs/sha256/\(digest.dropFirst("sha256:".count))") }
        let index = try JSONDecoder().decode(Index.self, from: Data(layout.text("index.json").utf8))
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(blob(try #require(index.manifests.first).digest).utf8))
        let layer = try #require(manifest.layers.first).digest.dropFirst("sha256:".count)
        let files = try Shell.must("tar", "-tzf", layout.path("blobs/sha256/\(layer)"))
        #expect(files.split(separator: "\n").filter { !$0.hasSuffix("/") } == ["usr/bin/vmascope"])
    }

    @Test("names what is linked in, with its version")
    func bill() throws {
        let folder = try Self.made.get()
        struct Component: Decodable {
            var name: String
            var version: String
        }
        struct Bill: Decodable {
            var bomFormat: String
            var components: [Component]
        }
        let text = folder.text("vmascope-\(try Self.version.get())-linux-x86_64.cdx.json")
        let bill = try JSONDecoder().decode(Bill.self, from: Data(text.utf8))
        #expect(bill.bomFormat == "CycloneDX")
        #expect(
            Set(bill.components.map(\.name)).isSuperset(of: [
                "swift-runtime", "swift-argument-parser", "libbpf", "libelf", "zlib1g", "libiberty", "libc6",
            ]))
        #expect(bill.components.allSatisfy { $0.version.first?.isNumber == true }, "\(text)")
    }

    /// What each part of it takes is in docs/size.md.
    @Test("the executable is no larger than it has to be")
    func size() throws {
        _ = try Self.made.get()
        let file = Repository.root.appendingPathComponent(".build-static/release/vmascope").path
        let bytes = try #require(try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int)
        #expect(bytes < Self.sizeLimit, "\(bytes)")
    }

    private static let sizeLimit = 12_100_000
}

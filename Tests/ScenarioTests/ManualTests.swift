import Foundation
import Testing

/// Manual pages and completions, made of the commands' own definitions.
@Suite("the manual", .serialized)
struct ManualTests {
    static let all = ["attach", "run", "system", "layout", "report", "diff", "explain", "doctor", "schema"]

    @Test("has a page for each command, about which mandoc has nothing to say")
    func pages() throws {
        let folder = try TemporaryFolder()
        #expect(try Vmascope.run(["manual", "--folder", folder.url.path]).status == 0)
        let pages = try FileManager.default.contentsOfDirectory(atPath: folder.url.path).sorted()
        #expect(pages == (["vmascope.1"] + Self.all.map { "vmascope-\($0).1" }).sorted())
        for page in pages {
            let lint = try Shell.run(URL(fileURLWithPath: "/usr/bin/mandoc"), ["-Tlint", "-Wall", folder.path(page)])
            // The others are not installed here.
            let words = (lint.output + lint.errors).split(separator: "\n").filter { !$0.contains("referenced manual not found") }
            #expect(words.isEmpty, "\(words.joined(separator: "\n"))")
            let text = try Shell.must("mandoc", "-Tascii", folder.path(page)).replacing(#/.\x{8}/#, with: "")
            for title in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"] {
                #expect(text.contains("\n\(title)\n"), "\(page): \(title)")
            }
            #expect(text.contains("77") && text.contains("vmascope"))
        }
        let run = try Shell.must("mandoc", "-Tascii", folder.path("vmascope-run.1")).replacing(#/.\x{8}/#, with: "")
        #expect(run.contains("-d time, --duration time") && run.contains("-- command ..."))
    }

    @Test("names each option that a command's help names", arguments: all)
    func options(_ command: String) throws {
        let page = try Vmascope.run(["manual", command]).output
        let help = try Vmascope.run([command, "--help"]).output
        let options = Set(help.matches(of: #/^ +(?:-[a-z], )*--([a-z][a-z-]+)/#.anchorsMatchLineEndings()).map { String($0.1) })
        #expect(options.contains("help") && options.allSatisfy { page.contains("Fl -\($0)") }, "\(options)")
    }

    // MARK: completions

    /// Types into a shell that has our completions, and reads its screen.
    private func completed(_ shell: String, _ start: String, _ typed: String, until wanted: String) throws -> String {
        let folder = try TemporaryFolder()
        let script = try Vmascope.run(["--generate-completion-script", shell]).output
        try FileManager.default.createDirectory(atPath: folder.path("bin"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("bin/vmascope"), withDestinationPath: Repository.vmascope.path)
        try script.write(toFile: folder.path("_vmascope"), atomically: true, encoding: .utf8)
        try start.write(toFile: folder.path("start"), atomically: true, encoding: .utf8)
        let socket = folder.path("tmux")
        func tmux(_ arguments: String...) throws -> String { try Shell.must("tmux", ["-S", socket] + arguments) }
        let command = "export PATH=\(folder.path("bin")):$PATH FOLDER=\(folder.url.path) HOME=\(folder.url.path); "
        let shells = [
            "bash": "exec bash --noprofile --rcfile \(folder.path("start")) -i",
            "zsh": "cp \(folder.path("start")) $HOME/.zshrc; exec zsh -i",
            "fish": "exec fish --no-config -i -C 'source \(folder.path("start"))'",
        ]
        _ = try tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", command + shells[shell]!)
        defer { _ = try? tmux("kill-server") }
        func screen() -> String { (try? tmux("capture-pane", "-p")) ?? "" }
        func wait(_ holds: (String) -> Bool) -> Bool {
            for _ in 0 ..< 600 {
                if holds(screen()) { return true }
                usleep(50_000)
            }
            return false
        }
        #expect(wait { $0.contains("READY") }, "\(screen())")
        _ = try tmux("send-keys", "-l", typed)
        for _ in 0 ..< 40 {
            _ = try tmux("send-keys", "Tab")
            usleep(500_000)
            if screen().contains(wanted) { break }
        }
        return screen()
    }

    private static let starts = [
        "bash": "PS1='READY> '; source $FOLDER/_vmascope\n",
        "zsh":
            "PS1='READY> '; fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -u; zstyle ':completion:*' list-prompt ''\n",
        "fish": "function fish_prompt; echo 'READY> '; end\nsource $FOLDER/_vmascope\n",
    ]

    @Test("a shell offers the processes, with their programs' names", arguments: ["bash", "zsh", "fish"])
    func processes(_ shell: String) throws {
        let folder = try TemporaryFolder()
        let kind = "tab\(UInt16.random(in: 1000 ... .max))"
        let name = "\(kind)-me"
        let victim = try Victim.sleeping(as: name, in: folder)
        // Another whose pid begins alike, as a rule: where it does not, the one pid is completed.
        let prefix = String(victim.pid.dropLast())
        let screen = try completed(shell, Self.starts[shell]!, "vmascope attach \(prefix)", until: victim.pid)
        #expect(screen.contains(victim.pid), "\(screen)")
        let named = try completed(shell, Self.starts[shell]!, "vmascope attach \(kind)-", until: "attach \(name)")
        #expect(named.contains("attach \(name)"), "\(named)")
    }

    @Test("a shell offers commands and options", arguments: ["bash", "zsh", "fish"])
    func commands(_ shell: String) throws {
        #expect(try completed(shell, Self.starts[shell]!, "vmascope exp", until: "explain").contains("vmascope explain"))
        #expect(try completed(shell, Self.starts[shell]!, "vmascope run --dur", until: "--duration").contains("--duration"))
        #expect(try completed(shell, Self.starts[shell]!, "vmascope explain pgo", until: "pgoff").contains("explain pgoff"))
    }

    @Test("what a process is called can't run anything in the shell that completes")
    func hostile() throws {
        let folder = try TemporaryFolder()
        let name = "$(touch x);`a`"
        let victim = try Victim.sleeping(as: name, in: folder)
        for shell in ["bash", "zsh", "fish"] {
            let outcome = try Shell.run(
                Repository.vmascope, ["---completion", "attach", "--", "positional@0", "2", "0", "vmascope", "attach", ""],
                environment: ["SAP_SHELL": shell, "SAP_SHELL_VERSION": "5"])
            let line = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix(victim.pid) }, "\(outcome.errors)")
            #expect(!line.contains("$") && !line.contains("`") && !line.contains("("), "\(line)")
        }
    }
}

import Foundation
import Testing

/// A terminal with a shell in it, which tmux holds.
private final class Pane {
    private let name = "vmascope-\(UUID().uuidString)"
    /// In the foreground: a daemon would keep what it has inherited, and whoever started it would wait.
    private let server: Victim

    init(_ command: String, width: Int = 120, height: Int = 30) throws {
        server = try Victim("env", ["LC_ALL=C.UTF-8", "tmux", "-u", "-L", name, "-f", "/dev/null", "-D"])
        try server.wait { (try? tmux("list-sessions"))?.contains("error connecting") == false }
        try tmux("new-session", "-d", "-x", "\(width)", "-y", "\(height)", "exec sh -c 'trap : INT; \(command)'")
    }

    deinit { _ = try? tmux("kill-server") }

    @discardableResult
    func tmux(_ arguments: String...) throws -> String {
        let outcome = try Shell.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["LC_ALL=C.UTF-8", "tmux", "-u", "-L", name] + arguments)
        return outcome.output + outcome.errors
    }

    var text: String { (try? tmux("capture-pane", "-p")) ?? "" }
    var lines: [Substring] { text.split(separator: "\n") }
    func type(_ keys: String) throws { try tmux("send-keys", keys) }

    func wait(until isReady: (String) -> Bool) throws {
        for _ in 0 ..< 600 {
            if isReady(text) { return }
            usleep(50_000)
        }
        throw Shell.Failure(description: "the terminal did not show it:\n\(text)")
    }
}

/// `vmascope system` where somebody looks at it.
@Suite("a live view", .serialized)
struct ScreenTests {
    private static let command = "\(Repository.vmascope.path) system --interval 0.5s"
    private static let after = #"; echo "status $?"; stty -a | grep -o -e "[-]*icanon" -e "[-]*echo " | tr "\n" "_"; sleep 60"#

    /// It has put the terminal back as it was.
    private func isBack(_ text: String) -> Bool { text.contains("status 0") && text.contains("icanon_echo") }

    @Test("is a table that keys sort, the size of the terminal; q ends it, and leaves the report")
    func keys() throws {
        let pane = try Pane(Self.command + Self.after)
        try pane.wait { $0.contains("[q]uit") && $0.contains("between the VMAs") }
        func counts() -> [Int] {
            pane.lines.compactMap {
                $0.firstMatch(of: /^ *\d+[\/\d]* .*? +([\d,]+) +\d+%/).flatMap { Int($0.1.filter { $0 != "," }) }
            }
        }
        #expect(counts().count > 3 && counts() == counts().sorted(by: >))
        func pids() -> [Int] { pane.lines.compactMap { $0.firstMatch(of: /^ *(\d+)[ \/]/).flatMap { Int($0.1) } } }
        try pane.type("p")
        try pane.wait { _ in pids().count > 3 && pids() == pids().sorted() }
        try pane.type("Up")  // is no key of ours
        for (width, height) in [(60, 12), (30, 6), (150, 40)] {
            try pane.tmux("resize-window", "-x", "\(width)", "-y", "\(height)")
            try pane.wait { text in
                let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                return lines.count <= height && text.hasPrefix("vmascope ") && lines.last?.contains("[q]uit") == true
            }
        }
        try pane.type("q")
        try pane.wait(until: isBack)
        #expect(pane.text.contains("the kernel did what the rules say"))
    }

    @Test("ends on a signal, and on Ctrl-C, with the terminal as it was", arguments: ["TERM", "INT", "C-c"])
    func signals(_ signal: String) throws {
        let pane = try Pane(Self.command + Self.after)
        try pane.wait { $0.contains("[q]uit") }
        if signal == "C-c" {
            try pane.type(signal)
        } else {
            let shell = try pane.tmux("display-message", "-p", "#{pane_pid}").trimmingCharacters(in: .newlines)
            let child = try Shell.must("cat", "/proc/\(shell)/task/\(shell)/children").split(separator: " ").first
            kill(try #require(child.flatMap { Int32($0) }), signal == "TERM" ? SIGTERM : SIGINT)
        }
        try pane.wait(until: isBack)
    }

    @Test("has no colours if there are to be none, and no control of the cursor where there is no terminal")
    func colours() throws {
        func raw(_ environment: [String: String]) throws -> String {
            try Shell.run(
                URL(fileURLWithPath: "/usr/bin/script"), ["-qec", "\(Self.command) --duration 1s", "/dev/null"],
                environment: environment.merging(["TERM": "xterm"]) { own, _ in own }
            ).output
        }
        let plain = try raw(["NO_COLOR": "1"])
        #expect(plain.contains("\u{1b}[?1049h") && plain.contains("\u{1b}[?1049l") && !plain.contains("\u{1b}[1m"))
        #expect(try raw(["NO_COLOR": ""]).contains("\u{1b}[1m"))
        #expect(try !raw(["TERM": "dumb", "NO_COLOR": "1"]).contains("\u{1b}"))
    }

    @Test("no process's name steers the terminal, and warnings wait until it is back")
    func names() throws {
        let folder = try TemporaryFolder()
        let evil = "\u{1b}[2Jx\u{9b}31m"
        try FileManager.default.copyItem(at: URL(fileURLWithPath: "/usr/bin/sleep"), to: folder.url.appendingPathComponent(evil))
        let victim = try Victim(folder.path(evil), "60")
        try victim.wait { (try? Shell.must("cat", "/proc/\(victim.pid)/comm"))?.contains("[2J") == true }
        let command = "\(Self.command) --comm \"*2J*\" --warn-at 0.01%"
        let pane = try Pane(command + Self.after, height: 50)
        try pane.wait { $0.contains("\\x1b[2Jx\\x9b31m") && $0.contains("1 near the limit") }
        #expect(!pane.text.contains("warning"))
        try pane.type("q")
        try pane.wait(until: isBack)
        #expect(pane.text.contains("vmascope: warning: \\x1b[2Jx\\x9b31m[\(victim.pid)] has"))
    }
}

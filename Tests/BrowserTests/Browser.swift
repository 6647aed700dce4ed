import Foundation
import TestSupport

/// Debian's Chromium, without a screen. It opens a page, runs its scripts, and tells what became of it.
struct Browser {
    /// What a page looked like, and what it did.
    struct Page {
        /// The document as the scripts left it.
        var document: String
        /// What was written to the console: errors, and what the page's policy refused.
        var console: [Substring]

        /// What `inspection` has found, by name.
        func found(_ name: String) -> String? {
            document.firstMatch(of: try! Regex("data-\(name)=\"([^\"]*)\"", as: (Substring, Substring).self)).map { String($0.1) }
        }
    }

    struct Failure: Error, CustomStringConvertible { var description: String }

    static let path = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let advice = "these tests need Chromium: tools/install-dependencies tests"

    /// Looks at the page when it is there, presses every button, and looks again.
    private static let inspection = """
        <script>
        addEventListener("load", () => {
            const found = document.documentElement.dataset, canvas = byId("strip");
            const ink = () => {
                const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
                const context = copy.getContext("2d");
                context.drawImage(canvas, 0, 0);
                const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
                return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
            };
            found.width = innerWidth;
            found.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
            found.background = getComputedStyle(document.body).backgroundColor;
            found.drawn = ink() > 0;
            for (const button of document.querySelectorAll("button")) button.click();
            for (const key of ["+", "+", "ArrowRight", "-"]) canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
            canvas.dispatchEvent(new MouseEvent("pointermove", { clientX: 50, clientY: 20 }));
            found.drawnAfter = ink() > 0;
            found.requests = performance.getEntriesByType("resource").map(entry => entry.name).join(" ");
            found.milliseconds = Math.round(performance.now());
        });
        </script>
        """

    /// No window is as narrow as a phone, but a frame is. What becomes of the page in it is written out
    /// when it has been loaded.
    private static func framed(_ html: String, _ width: Int) -> String {
        let escaped = html.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "\"", with: "&quot;")
        return """
            <!doctype html><meta charset=utf-8><body><iframe style="width:\(width)px;height:800px" srcdoc="\(escaped)"></iframe>
            <script>addEventListener("load", () => {
                const frame = document.querySelector("iframe"), text = frame.contentDocument.documentElement.outerHTML;
                frame.remove();
                document.body.textContent = text;
            });</script>
            """
    }

    /// - Parameter phone: the width of its screen in CSS pixels; nil for a window.
    static func open(_ html: String, phone: Int? = nil, isDark: Bool = false) throws -> Page {
        guard let path else { throw Failure(description: advice) }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vmascope-browser-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func file(_ name: String) -> URL { folder.appendingPathComponent(name) }
        let inspected = html.replacingOccurrences(of: "</body>", with: inspection + "</body>")
        let page = phone.map { framed(inspected, $0) } ?? inspected
        try page.write(to: file("report.html"), atomically: true, encoding: .utf8)
        for name in ["out", "err"] { _ = FileManager.default.createFile(atPath: file(name).path, contents: nil) }

        let command = [
            path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-extensions",
            "--enable-logging=stderr", "--user-data-dir=\(file("profile").path)", "--window-size=1000,800",
            "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--dump-dom", file("report.html").absoluteString,
        ]
        let (output, errors) = (try FileHandle(forWritingTo: file("out")), try FileHandle(forWritingTo: file("err")))
        let process = try Child(command, output: output.fileDescriptor, errors: errors.fileDescriptor)
        process.waitUntilExit()
        let words = try String(decoding: Data(contentsOf: file("err")), as: UTF8.self)
        guard process.terminationStatus == 0 else {
            throw Failure(description: "Chromium ended with \(process.terminationStatus)\n\(words)")
        }
        var document = try String(decoding: Data(contentsOf: file("out")), as: UTF8.self)
        if phone != nil {
            for (name, character) in [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", "\u{a0}"), ("&amp;", "&")] {
                document = document.replacingOccurrences(of: name, with: character)
            }
        }
        return Page(document: document, console: words.split(separator: "\n").filter { $0.contains("CONSOLE") })
    }
}

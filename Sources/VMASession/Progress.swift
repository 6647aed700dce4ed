import VMACore

/// A line of figures on a terminal, rewritten in place; nothing where stderr is not a terminal.
struct Progress {
    private var shownAt = 0.0
    private static let interval = 0.5

    mutating func show(_ observer: Observer, seconds: Double) {
        guard Console.isInteractive, seconds - shownAt >= Self.interval else { return }
        shownAt = seconds
        var tally = Tally()
        var vmas = 0
        for image in observer.images {
            tally.add(image.tally)
            if !image.hasExited { vmas += image.layout.count }
        }
        let time = "\(Int(seconds)).\(Int(seconds * 10) % 10) s"
        let line = "\(time)  \(vmas) VMAs  \(tally.attempts) merge attempts, \(tally.missed) missed"
        try? Console.write(2, "\r\u{1b}[K\(line)", to: "stderr")
    }

    func clear() {
        if Console.isInteractive, shownAt > 0 { try? Console.write(2, "\r\u{1b}[K", to: "stderr") }
    }
}

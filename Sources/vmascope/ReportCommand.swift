import ArgumentParser
import Glibc
import VMACore
import VMAProbe
import VMATrace

struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make a report from a recording.",
        discussion: "The report is the one that the observation printed. It needs no privilege, and no BPF.")

    @Argument(help: "The recording: what attach or run wrote with --record.")
    var recording: String

    @OptionGroup var output: OutputOptions

    func run() throws {
        let destination = try Output(output.output)
        let file = try RecordingFile(recording)
        var reader: TraceReader
        do {
            reader = try TraceReader(file.read)
        } catch let error as TraceError {
            throw Failure(message: "\(recording) \(error.message)", status: 65)
        }
        var replay = Replay(reader.header)
        var damage: TraceError?
        do {
            while try reader.next({ replay.feed($0) }) {}
        } catch let error as TraceError {
            damage = error
        }
        try replay.findings(reader.end).write(output, to: destination)
        if let damage {
            throw Failure(message: "\(recording) \(damage.message); the report is of what comes before that", status: 65)
        }
    }
}

/// An observation once more, from its recording.
struct Replay {
    private let header: TraceHeader
    private let observer: Observer
    private var lastTime: UInt64

    init(_ header: TraceHeader) {
        self.header = header
        observer = Findings.observer(header)
        lastTime = header.startTime
    }

    mutating func feed(_ event: Event) {
        observer.apply(event)
        // They were asked for then; the answers are events.
        observer.newStacks = []
        if let time = event.time { lastTime = max(lastTime, time) }
    }

    /// Without its end it is as long as it goes.
    func findings(_ end: TraceEnd?) -> Findings {
        Findings(header: header, observer: observer, end: end ?? TraceEnd(time: lastTime))
    }
}

private final class RecordingFile {
    private let path: String
    private let fd: Int32

    init(_ path: String) throws {
        self.path = path
        fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw ProbeError.notFound("\(path): \(String(cString: strerror(errno)))") }
    }

    deinit { close(fd) }

    func read(atMost count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            repeat { filled = Glibc.read(fd, buffer.baseAddress, count) } while filled < 0 && errno == EINTR
            guard filled >= 0 else {
                filled = 0
                throw ProbeError.notFound("reading \(path): \(String(cString: strerror(errno)))")
            }
        }
    }
}

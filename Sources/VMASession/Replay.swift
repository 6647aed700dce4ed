import Glibc
import VMACore
import VMAProbe
import VMATrace

/// An observation once more, from its recording.
package struct Replay {
    /// A bit of a recording can stand for a VMA, and so a few bytes for more memory than there is. So layouts may have
    /// so many VMAs, and one more for each so many bytes; that is looked at whenever so many have been told.
    package static let (freeVMAs, bytesPerVMA) = (2_000_000, 4)
    /// What an address space counts as, with a layout.
    private static let leastVMAs = 88
    /// An event of a few bytes can have all VMAs of an address space gone through. So there may be so many such steps, and
    /// so many more for each byte: that is a hundred times what observations have.
    package static let steps = (free: 500_000_000, perByte: 1024)

    package let findings: Findings
    /// Status 65: why it could not be read to its end, and is of what comes before that.
    package let damage: Failure?

    /// - Parameter format: of the report that is to be made: some need more to be kept.
    /// - Throws: `Failure` with status 65 if there is nothing to report of, `ProbeError.notFound` if it
    ///   can't be read.
    package init(
        _ file: InputFile, for format: String = "", freeVMAs: Int = freeVMAs,
        steps: (free: Int, perByte: Int) = steps
    ) throws {
        var reader: TraceReader
        do {
            reader = try TraceReader(file.read)
        } catch let error as TraceError {
            throw Failure(message: "\(file.path) \(error.message)", status: 65)
        }
        let header = reader.header
        let observer = Findings.observer(header, for: format)
        var lastTime = header.startTime
        var damage: Failure?
        do {
            var (newVMAs, room) = (0, freeVMAs / 4)
            while try reader.next({ event in
                observer.apply(event)
                // An event can make an address space.
                newVMAs += max(event.vmaCount, Self.leastVMAs)
                if newVMAs > room {
                    let kept = observer.keptVMAs
                    (newVMAs, room) = (0, max(freeVMAs, kept) / 4)
                    if kept > freeVMAs + file.bytesRead / Self.bytesPerVMA {
                        throw TraceError.damaged(
                            at: file.bytesRead, "its layouts have more VMAs than a recording of this size may have")
                    }
                }
                if observer.effort > steps.free + file.bytesRead * steps.perByte {
                    throw TraceError.damaged(
                        at: file.bytesRead, "its events go through more VMAs than those of a recording of this size may")
                }
                // They were asked for then; the answers are events.
                _ = observer.takeRequests()
                if let time = event.time { lastTime = max(lastTime, time) }
            }) {}
        } catch let error as TraceError {
            damage = Failure(message: "\(file.path) \(error.message); the report covers what comes before that", status: 65)
        }
        self.damage = damage
        // Without its end it is as long as it goes.
        findings = Findings(header: header, observer: observer, end: reader.end ?? TraceEnd(time: lastTime))
    }
}

/// A file, or a pipe, that is read once from its beginning.
package final class InputFile {
    package let path: String
    private let fd: Int32
    /// Read already, to see what it is.
    private var ahead: [UInt8] = []
    package private(set) var bytesRead = 0

    /// - Parameter path: `-` is stdin.
    package init(_ path: String) throws {
        guard path != "-" else {
            self.path = "stdin"
            guard isatty(0) == 0 else {
                fd = -1
                throw Failure(
                    message: "stdin is a terminal: lead a recording into it, as in 'vmascope report - < f.vmt'", status: 64)
            }
            fd = dup(0)
            guard fd >= 0 else { throw ProbeError.notFound("stdin: \(String(cString: strerror(errno)))") }
            return
        }
        self.path = path
        fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw ProbeError.notFound("\(path): \(String(cString: strerror(errno)))") }
    }

    deinit { if fd >= 0 { close(fd) } }

    /// Bytes of a report that is read whole.
    private static let textLimit = 256 << 20

    /// Whether it begins as recordings do, and no text does.
    package func isRecording() throws -> Bool {
        if ahead.isEmpty { ahead = try read(atMost: 1 << 16) }
        return TraceReader.isRecording(ahead)
    }

    /// None only at the end.
    func read(atMost count: Int) throws -> [UInt8] {
        if !ahead.isEmpty {
            let part = ahead.prefix(count)
            ahead = Array(ahead[part.endIndex...])
            return Array(part)
        }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            repeat { filled = Glibc.read(fd, buffer.baseAddress, count) } while filled < 0 && errno == EINTR
            bytesRead += max(filled, 0)
            guard filled >= 0 else {
                filled = 0
                throw ProbeError.notFound("\(path): \(String(cString: strerror(errno)))")
            }
        }
    }

    package func readAll() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case let part = try read(atMost: 1 << 16), !part.isEmpty {
            bytes += part
            guard bytes.count <= Self.textLimit else {
                throw Failure(message: "\(path) has more than \(Self.textLimit >> 20) MiB: too large for a report", status: 65)
            }
        }
        return bytes
    }
}

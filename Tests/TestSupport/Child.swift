import CTestSupport
import Foundation

/// A process, in a group of its own, that inherits its three streams and no other descriptor of the tests.
///
/// Foundation's `Process` takes a child as ended when nobody holds a socket any more that the child inherits: the
/// server that tmux leaves behind holds it for ever.
public final class Child: @unchecked Sendable {
    public struct Trouble: Error, CustomStringConvertible {
        public var description: String
    }

    public enum Reason: Sendable { case exit, uncaughtSignal }

    public let arguments: [String]
    public let processIdentifier: pid_t
    private let lock = NSLock()
    private var status: Int32?

    /// Starts `command`, which is looked for in PATH unless it begins with a path.
    ///
    /// - Parameters:
    ///   - environment: what differs from the environment of the tests.
    ///   - directory: where it runs; nil: where the tests run.
    ///   - input: a descriptor; nil: nothing can be read from it.
    ///   - output: a descriptor; nil: what is written is dropped.
    ///   - errors: as `output`.
    public init(
        _ command: [String], environment: [String: String] = [:], in directory: String? = nil, input: Int32? = nil,
        output: Int32? = nil, errors: Int32? = nil
    ) throws {
        arguments = command
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        let words = command.map { strdup($0) } + [nil]
        let settings = variables.map { strdup($0) } + [nil]
        defer { for text in words + settings { free(text) } }
        var pid = pid_t()
        let error = tests_spawn(&pid, words, settings, directory, [input ?? -1, output ?? -1, errors ?? -1])
        guard error == 0 else { throw Trouble(description: "\(command[0]): \(String(cString: strerror(error)))") }
        processIdentifier = pid
    }

    /// The status as waitpid(2) gives it, once the process has ended.
    private func reaped() -> Int32? {
        lock.withLock {
            var found: Int32 = 0
            if status == nil, waitpid(processIdentifier, &found, WNOHANG) == processIdentifier { status = found }
            return status
        }
    }

    public var isRunning: Bool { reaped() == nil }

    /// Ends a process that has not ended by itself after `seconds`: one that hangs fails its test, and no more.
    public func waitUntilExit(seconds: Double = 1500) {
        let deadline = Date().addingTimeInterval(seconds)
        var pause: UInt32 = 500
        while reaped() == nil {
            if Date() > deadline { kill(processIdentifier, SIGKILL) }
            usleep(pause)
            pause = min(2 * pause, 20_000)
        }
    }

    public var terminationReason: Reason { (reaped() ?? 0) & 0x7f == 0 ? .exit : .uncaughtSignal }

    /// Of a process that has ended: its exit status, or the signal that ended it.
    public var terminationStatus: Int32 {
        let status = reaped() ?? 0
        return status & 0x7f == 0 ? status >> 8 & 0xff : status & 0x7f
    }
}

extension Child {
    /// Runs `command` to its end, and returns its status and what it wrote to both streams, as they were written.
    public static func run(_ command: [String], in directory: String? = nil) throws -> (status: Int32, bytes: Data) {
        let output = Pipe()
        let descriptor = output.fileHandleForWriting.fileDescriptor
        let child = try Child(command, in: directory, output: descriptor, errors: descriptor)
        try output.fileHandleForWriting.close()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        child.waitUntilExit()
        return (child.terminationReason == .exit ? child.terminationStatus : 128 + child.terminationStatus, bytes)
    }
}

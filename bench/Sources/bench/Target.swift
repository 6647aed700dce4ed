import Glibc

/// A process of many VMAs (vmas.c), and the ends of its pipes.
final class Target {
    let pid: pid_t
    private let input: Int32
    let output: Int32

    init(_ program: String, vmas: Int, kind: String) {
        var (toChild, fromChild) = ([Int32](repeating: 0, count: 2), [Int32](repeating: 0, count: 2))
        guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else { fail("no pipe: error \(errno)") }
        for end in toChild + fromChild { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let words: [String] = [program, "\(vmas)", kind]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, program, &actions, nil, &arguments, environ) == 0 else { fail("\(program) does not start") }
        close(toChild[0])
        close(fromChild[1])
        (self.pid, input, output) = (pid, toChild[1], fromChild[0])
        guard line() == "ready" else { fail("\(program) says nothing") }
    }

    /// The process ends when its input does.
    deinit {
        close(input)
        close(output)
        waitpid(pid, nil, 0)
    }

    /// Nanoseconds an operation, of its own processor time and of the clock, while it works for so many
    /// milliseconds and `look` is called ten times a second.
    func work(milliseconds: Int, _ look: () -> Void) -> (cpu: Double, wall: Double) {
        let order = "\(milliseconds)\n"
        guard write(input, order, order.utf8.count) == order.utf8.count else { fail("the process of many VMAs is gone") }
        var next = Measure.now()
        var event = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        while poll(&event, 1, Int32(max(0, (next - Measure.now()) / 1e6))) == 0 {
            look()
            next += 1e8
        }
        let numbers = line().split(separator: " ").compactMap { Double($0) }
        guard numbers.count == 3, numbers[0] > 0 else { fail("the process of many VMAs did nothing") }
        return (numbers[1] / numbers[0], numbers[2] / numbers[0])
    }

    private func line() -> String {
        var bytes = [UInt8](repeating: 0, count: 128)
        let got = read(output, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, got - 1)), as: UTF8.self)
    }
}

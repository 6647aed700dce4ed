// Compiles the BPF programs, once for each build of them, strips the objects of their DWARF and of relocations that
// libbpf passes over (their BTF stays), compresses them, and writes them as base64 into a Swift source. A StaticString
// compiles in no time; an array literal of this size takes minutes.
//
// Without Foundation: what comes into the static executable is decided by what its build can see of it.
import Glibc

func fail(_ message: String, _ status: Int32 = 70) -> Never {
    let line = "bpfembed: \(message)\n"
    _ = write(STDERR_FILENO, line, line.utf8.count)
    exit(status)
}

func start(_ command: [String]) -> pid_t {
    var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, command[0], nil, nil, &arguments, environ)
    guard error == 0 else { fail("\(command[0]): \(String(cString: strerror(error)))") }
    return pid
}

/// Runs commands side by side.
func run(_ commands: [[String]]) {
    for pid in commands.map(start) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { exit(70) }
    }
}

func contents(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "rb") else { fail("\(path): \(String(cString: strerror(errno)))") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let got = fread(&buffer, 1, buffer.count, file), got > 0 { bytes += buffer[..<got] }
    return bytes
}

func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start ..< min(start + 3, bytes.count)]
        let bits = (0 ..< 3).reduce(UInt32(0)) { $0 << 8 | UInt32($1 < group.count ? group[start + $1] : 0) }
        // Three bytes are four characters; the last group may be shorter.
        for place in 0 ... group.count { text.append(alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)]) }
    }
    return String(decoding: text, as: UTF8.self)
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count > 5 else {
    fail("usage: bpfembed <clang> <llvm-objcopy> <folder> <swift file> <source> <option of clang>...", 64)
}
let (clang, objcopy, folder, source) = (arguments[0], arguments[1], arguments[2], arguments[4])
// Each asks less of the kernel than the one before: bpf/base/shared.h says why.
let builds: [(name: String, options: [String])] = [
    ("full", []), ("withoutCast", ["-DWITHOUT_CAST"]), ("withoutKfuncs", ["-DWITHOUT_CAST", "-DWITHOUT_KFUNCS"]),
]
func object(_ name: String) -> String { "\(folder)/\(name).bpf.o" }
run(builds.map { [clang] + arguments.dropFirst(5) + $0.options + ["-c", source, "-o", object($0.name)] })
run(
    builds.map {
        [objcopy, "--strip-debug", "--remove-section", ".rel.BTF", "--remove-section", ".rel.BTF.ext", object($0.name)]
    })
run(builds.map { ["xz", "-9e", "--threads=1", "--check=crc32", "--keep", "--force", object($0.name)] })
let declarations = builds.map { build in
    let size = contents(object(build.name)).count
    let text = base64(contents(object(build.name) + ".xz"))
    return "    static let \(build.name) = EmbeddedObject(bytes: \(size), text: \"\(text)\")"
}
let swift = """
    // Made from bpf/ at build time.
    extension EmbeddedObject {
    \(declarations.joined(separator: "\n"))
    }

    """
guard let file = fopen(arguments[3], "wb") else { fail("\(arguments[3]): \(String(cString: strerror(errno)))", 74) }
guard fputs(swift, file) >= 0, fclose(file) == 0 else { fail("\(arguments[3]) could not be written", 74) }

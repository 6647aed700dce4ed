// Strips BPF objects of their DWARF (their BTF stays), compresses them, and writes them as base64 into a
// Swift source. A StaticString compiles in no time; an array literal of this size takes minutes.
import CZlib
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 6 else {
    FileHandle.standardError.write(
        Data("usage: bpfembed <llvm-objcopy> <swift file> <object> <without rdonly_cast> <without kfuncs>\n".utf8))
    exit(64)
}

func stripped(_ object: String) throws -> Data {
    let stripped = object + ".stripped"
    let objcopy = Process()
    objcopy.executableURL = URL(fileURLWithPath: arguments[1])
    objcopy.arguments = ["--strip-debug", object, stripped]
    try objcopy.run()
    objcopy.waitUntilExit()
    guard objcopy.terminationStatus == 0 else { exit(70) }
    return try Data(contentsOf: URL(fileURLWithPath: stripped))
}

func compressed(_ data: Data) -> Data {
    var size = compressBound(UInt(data.count))
    var bytes = [UInt8](repeating: 0, count: Int(size))
    let result = data.withUnsafeBytes { source in
        compress2(&bytes, &size, source.bindMemory(to: UInt8.self).baseAddress, UInt(source.count), Z_BEST_COMPRESSION)
    }
    guard result == Z_OK else { exit(70) }
    return Data(bytes[..<Int(size)])
}

func declaration(_ name: String, _ object: String) throws -> String {
    let data = try stripped(object)
    let text = compressed(data).base64EncodedString()
    return "static let \(name) = EmbeddedObject(bytes: \(data.count), text: \"\(text)\")"
}

try """
// Made from bpf/ at build time.
extension EmbeddedObject {
    \(declaration("full", arguments[3]))
    \(declaration("withoutCast", arguments[4]))
    \(declaration("withoutKfuncs", arguments[5]))
}

""".write(toFile: arguments[2], atomically: true, encoding: .utf8)

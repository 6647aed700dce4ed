// Strips BPF objects of their DWARF (their BTF stays) and writes them as base64 into a Swift source.
// A StaticString compiles in no time; an array literal of this size takes minutes.
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 5 else {
    FileHandle.standardError.write(Data("usage: bpfembed <llvm-objcopy> <swift file> <object> <object without kfuncs>\n".utf8))
    exit(64)
}

func base64(_ object: String) throws -> String {
    let stripped = object + ".stripped"
    let objcopy = Process()
    objcopy.executableURL = URL(fileURLWithPath: arguments[1])
    objcopy.arguments = ["--strip-debug", object, stripped]
    try objcopy.run()
    objcopy.waitUntilExit()
    guard objcopy.terminationStatus == 0 else { exit(70) }
    return try Data(contentsOf: URL(fileURLWithPath: stripped)).base64EncodedString()
}

try """
    // Made from bpf/ at build time.
    enum BPFObject {
        static let full: StaticString = "\(base64(arguments[3]))"
        static let withoutKfuncs: StaticString = "\(base64(arguments[4]))"
    }

    """.write(toFile: arguments[2], atomically: true, encoding: .utf8)

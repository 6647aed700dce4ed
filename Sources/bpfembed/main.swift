// Strips a BPF object of its DWARF (its BTF stays) and writes it as base64 into a Swift source.
// A StaticString compiles in no time; an array literal of this size takes minutes.
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 4 else {
    FileHandle.standardError.write(Data("usage: bpfembed <llvm-objcopy> <object> <swift file>\n".utf8))
    exit(64)
}
let stripped = arguments[2] + ".stripped"
let objcopy = Process()
objcopy.executableURL = URL(fileURLWithPath: arguments[1])
objcopy.arguments = ["--strip-debug", arguments[2], stripped]
try objcopy.run()
objcopy.waitUntilExit()
guard objcopy.terminationStatus == 0 else { exit(70) }

let base64 = try Data(contentsOf: URL(fileURLWithPath: stripped)).base64EncodedString()
try """
    // Made from bpf/ at build time.
    enum BPFObject {
        static let base64: StaticString = "\(base64)"
    }

    """.write(toFile: arguments[3], atomically: true, encoding: .utf8)

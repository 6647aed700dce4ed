import Foundation
import PackagePlugin

/// Compiles bpf/vmascope.bpf.c with the toolchain's clang and embeds the object in Swift.
@main
struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let root = context.package.directoryURL
        let sources = root.appending(path: "bpf")
        let wire = root.appending(path: "Sources/CVMAEvent/include")
        let main = sources.appending(path: "vmascope.bpf.c")
        let headers = try FileManager.default
            .contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "h" }
        let work = context.pluginWorkDirectoryURL
        let object = work.appending(path: "vmascope.bpf.o")
        let swift = work.appending(path: "BPFObject.swift")
        return [
            .buildCommand(
                displayName: "Compiling vmascope.bpf.c",
                executable: try context.tool(named: "clang").url,
                // v2: newer instruction sets have atomics that Linux 5.10 refuses.
                arguments: [
                    "-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Werror",
                    "-I\(sources.path)", "-I\(wire.path)", "-c", main.path, "-o", object.path,
                ],
                inputFiles: [main, wire.appending(path: "vma_event.h")] + headers,
                outputFiles: [object]),
            .buildCommand(
                displayName: "Embedding vmascope.bpf.o",
                executable: try context.tool(named: "bpfembed").url,
                arguments: [try context.tool(named: "llvm-objcopy").url.path, object.path, swift.path],
                inputFiles: [object],
                outputFiles: [swift]),
        ]
    }
}

import Foundation
import PackagePlugin

/// Compiles bpf/vmascope.bpf.c with the toolchain's clang, once for each build of it, and embeds the objects
/// in Swift. It is one command with one output: an object that the package system knows of would become a resource,
/// and resources bring Foundation.
@main
struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let root = context.package.directoryURL
        let sources = root.appending(path: "bpf")
        let wire = root.appending(path: "Sources/CVMAWire/include")
        let main = sources.appending(path: "vmascope.bpf.c")
        let headers =
            FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.pathExtension == "h" } ?? []
        let work = context.pluginWorkDirectoryURL
        let swift = work.appending(path: "BPFObject.swift")
        return [
            .buildCommand(
                displayName: "Compiling and embedding BPF programs",
                executable: try context.tool(named: "bpfembed").url,
                arguments: [
                    try context.tool(named: "clang").url.path, try context.tool(named: "llvm-objcopy").url.path, work.path,
                    swift.path, main.path,
                    // v2: newer instruction sets have atomics that Linux 5.10 refuses. BTF has the paths of sources, which
                    // are to be the same wherever the clone is.
                    "-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Werror", "-ffile-prefix-map=\(root.path)=.",
                    "-I\(sources.path)", "-I\(wire.path)",
                ],
                inputFiles: [main] + ["vma_wire.h", "vma_shared.h", "vma_syscalls.h"].map { wire.appending(path: $0) } + headers,
                outputFiles: [swift])
        ]
    }
}

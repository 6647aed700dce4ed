import Foundation
import PackagePlugin

/// Compiles bpf/vmascope.bpf.c with the toolchain's clang, once for each build of it, and embeds the objects
/// in Swift.
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
        // Each asks less of the kernel than the one before: bpf/base/shared.h says why.
        let objects = [
            ("vmascope.bpf.o", []), ("vmascope-uncast.bpf.o", ["-DWITHOUT_CAST"]),
            ("vmascope-plain.bpf.o", ["-DWITHOUT_CAST", "-DWITHOUT_KFUNCS"]),
        ].map { (path: work.appending(path: $0.0), flags: $0.1) }
        let swift = work.appending(path: "BPFObject.swift")
        let clang = try context.tool(named: "clang").url
        let compile = objects.map { object in
            Command.buildCommand(
                displayName: "Compiling \(object.path.lastPathComponent)",
                executable: clang,
                // v2: newer instruction sets have atomics that Linux 5.10 refuses.
                arguments: [
                    "-target", "bpf", "-mcpu=v2", "-O2", "-g", "-Wall", "-Werror",
                    "-I\(sources.path)", "-I\(wire.path)", "-c", main.path, "-o", object.path.path,
                ] + object.flags,
                inputFiles: [main] + ["vma_wire.h", "vma_shared.h", "vma_syscalls.h"].map { wire.appending(path: $0) } + headers,
                outputFiles: [object.path])
        }
        return try compile + [
            .buildCommand(
                displayName: "Embedding BPF objects",
                executable: context.tool(named: "bpfembed").url,
                arguments: [context.tool(named: "llvm-objcopy").url.path, swift.path] + objects.map(\.path.path),
                inputFiles: objects.map(\.path),
                outputFiles: [swift])
        ]
    }
}

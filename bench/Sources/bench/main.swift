import Glibc

// `bench`: every benchmark that needs nothing; `bench smoke`: once each, tiny, to see that they run;
// `bench snapshot VMAS-PROGRAM VMAS ROUNDS`: what bench/snapshot runs;
// `bench drain ROUNDS RECORDING…`: what bench/drain has recorded.
let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.first == "snapshot" {
    guard arguments.count == 4, let vmas = Int(arguments[2]), let rounds = Int(arguments[3]), vmas > 0, rounds > 0 else {
        fail("usage: bench snapshot VMAS-PROGRAM VMAS ROUNDS")
    }
    try SnapshotBenchmark(program: arguments[1], vmas: vmas, rounds: rounds).run()
    exit(0)
}
if arguments.first == "drain", arguments.count > 2, let rounds = Int(arguments[1]) {
    do {
        try DrainBenchmark.run(Array(arguments[2...]), rounds: rounds)
        exit(0)
    } catch {
        let text = "bench: \(error)\n"
        write(2, text, text.utf8.count)
        exit(65)
    }
}
let isSmoke = arguments.first == "smoke"

let sizes = isSmoke ? [100, 1_000] : [1_000, 10_000, 100_000, 1_000_000]

print("Layout: a change of an address space\n")
LayoutBenchmark.run(sizes: sizes, rounds: isSmoke ? 3 : 21, changes: isSmoke ? 1_000 : 20_000)

print("\nLayout: bytes a VMA, all included, by how it came to be\n")
FillBenchmark.run(sizes: sizes)

import Glibc

// `bench`: every benchmark; `bench smoke`: once each, tiny, to see that they run.
let isSmoke = CommandLine.arguments.dropFirst().first == "smoke"

let sizes = isSmoke ? [100, 1_000] : [1_000, 10_000, 100_000, 1_000_000]

print("Layout: a change of an address space\n")
LayoutBenchmark.run(sizes: sizes, rounds: isSmoke ? 3 : 21, changes: isSmoke ? 1_000 : 20_000)

print("\nLayout: bytes a VMA, all included, by how it came to be\n")
FillBenchmark.run(sizes: sizes)

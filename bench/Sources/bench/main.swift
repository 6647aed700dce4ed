import Glibc

// `bench`: every benchmark; `bench smoke`: once each, tiny, to see that they run.
let isSmoke = CommandLine.arguments.dropFirst().first == "smoke"

print("Layout: a change of an address space\n")
if isSmoke {
    LayoutBenchmark.run(sizes: [100, 1_000], rounds: 3, changes: 1_000)
} else {
    LayoutBenchmark.run(sizes: [1_000, 10_000, 100_000, 1_000_000], rounds: 9, changes: 200_000)
}

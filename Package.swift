// swift-tools-version: 6.1
import PackageDescription

// The rooms of the house and who may import whom: docs/architecture.md.
// Tests/ArchitectureTests checks the imports in the sources against that page's table.
//
// For release. Exclusive access to properties is checked where the tests run: to check it for every record
// would nearly double what one takes. And vmascope has one thread, so references are counted without locked
// instructions, for a sixth more records. (Tests run in parallel: they need a debug build.)
let singleThreaded: [SwiftSetting] = [
    .unsafeFlags(
        ["-enforce-exclusivity=unchecked", "-Xfrontend", "-assume-single-threaded"], .when(configuration: .release))
]
// What runs once in an observation, and not for each record: small is better than fast.
let small: [SwiftSetting] = singleThreaded + [.unsafeFlags(["-Osize"], .when(configuration: .release))]

let package = Package(
    name: "vmascope",
    products: [
        .executable(name: "vmascope", targets: ["vmascope"])
    ],
    dependencies: [
        // Exactly, for two builds of one commit are the same.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
    ],
    targets: [
        // The wire between BPF and Swift: one C header, no code.
        .target(name: "CVMAWire"),

        // Pure: no Foundation, no operating system.
        .target(name: "VMACore", swiftSettings: singleThreaded),
        .target(name: "VMAWire", dependencies: ["VMACore", "CVMAWire"], swiftSettings: singleThreaded),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "VMATrace", dependencies: ["VMACore", "CZlib"], swiftSettings: singleThreaded),
        // Pure as VMACore: walks call stacks by tables that it does not trust.
        .target(name: "VMAUnwind", swiftSettings: singleThreaded),
        .target(
            name: "VMAReport", dependencies: ["VMACore"], resources: [.embedInCode("Kit/page.js")],
            swiftSettings: [.unsafeFlags(["-Osize"], .when(configuration: .release))]),
        // One page over HTTP, for Prometheus.
        .target(name: "VMAServe", swiftSettings: small),

        // The edge: the only rooms that know BPF, ELF and the operating system.
        .systemLibrary(
            name: "CLibbpf", pkgConfig: "libbpf",
            providers: [.apt(["libbpf-dev", "libelf-dev", "zlib1g-dev"])]),
        .systemLibrary(
            name: "CElf", pkgConfig: "libelf",
            providers: [.apt(["libelf-dev", "zlib1g-dev"])]),
        .target(name: "CSystem", linkerSettings: [.linkedLibrary("iberty")]),
        .target(
            name: "VMAProbe",
            dependencies: ["VMACore", "VMAWire", "VMAUnwind", "CVMAWire", "CLibbpf", "CElf", "CZlib", "CSystem"],
            swiftSettings: singleThreaded, plugins: ["CompileBPF"]),

        // Both loops, recordings, output, and the live faces.
        .target(
            name: "VMASession",
            dependencies: ["VMACore", "VMATrace", "VMAReport", "VMAServe", "VMAProbe", "CSystem", "CZlib"],
            swiftSettings: small),

        .executableTarget(
            name: "vmascope",
            dependencies: [
                "VMACore", "VMAReport", "VMAServe", "VMAProbe", "VMASession", "CSystem",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: small),

        // bpf/*.bpf.c -> objects -> compressed by xz, as base64 in StaticStrings.
        .executableTarget(name: "bpfembed"),
        .plugin(name: "CompileBPF", capability: .buildTool(), dependencies: ["bpfembed"]),

        // What several test targets draw from.
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(name: "TestSupport", dependencies: ["CTestSupport"], path: "Tests/TestSupport"),
        .testTarget(name: "VMACoreTests", dependencies: ["VMACore", "TestSupport"]),
        .testTarget(name: "VMAWireTests", dependencies: ["VMAWire", "VMACore", "CVMAWire", "TestSupport"]),
        .testTarget(name: "VMATraceTests", dependencies: ["VMATrace", "VMACore", "VMAReport", "TestSupport"]),
        .testTarget(name: "VMAReportTests", dependencies: ["VMAReport", "VMACore", "TestSupport", "CTestSupport"]),
        // The HTML report in a browser without a screen.
        .testTarget(name: "BrowserTests", dependencies: ["VMAReport", "VMACore", "TestSupport"]),
        .testTarget(name: "VMAUnwindTests", dependencies: ["VMAUnwind", "TestSupport"]),
        .testTarget(name: "VMAServeTests", dependencies: ["VMAServe"]),
        .testTarget(
            name: "VMAProbeTests", dependencies: ["VMAProbe", "VMACore", "CSystem", "TestSupport", "CTestSupport"],
            exclude: ["Shapes"]),
        .testTarget(name: "VMASessionTests", dependencies: ["VMASession", "VMACore", "VMAProbe"]),
        .testTarget(name: "ArchitectureTests"),
        // Runs the executable, which is built with it.
        .testTarget(name: "ScenarioTests", dependencies: ["vmascope", "VMACore", "VMATrace", "TestSupport"], exclude: ["Kept"]),
    ],
    swiftLanguageModes: [.v6]
)

// `make fuzz-parsers` builds with optimization, which the larger tests would take a quarter of an hour for.
if Context.environment["VMASCOPE_FUZZ_BUILD"] != nil {
    let fuzzed = ["VMATraceTests", "VMAReportTests", "VMAServeTests", "VMAProbeTests"]
    package.targets.removeAll { $0.isTest && !fuzzed.contains($0.name) }
}

// `make bench`: linked with what the release is made of. All products are built at once, and tests are no products.
if Context.environment["VMASCOPE_BENCH"] != nil {
    package.targets.removeAll { $0.isTest || $0.name == "TestSupport" || $0.name == "CTestSupport" }
    package.targets += [
        .target(name: "CRBTree", path: "bench/Sources/CRBTree"),
        .target(name: "CMaps", path: "bench/Sources/CMaps"),
        .target(name: "CDrain", dependencies: ["CRBTree", "CVMAWire"], path: "bench/Sources/CDrain"),
        .executableTarget(
            name: "bench",
            dependencies: ["CRBTree", "CMaps", "CDrain", "VMACore", "VMAProbe", "VMATrace", "VMAWire", "CVMAWire"],
            path: "bench/Sources/bench", swiftSettings: singleThreaded),
    ]
}

// `make docs`: nothing else needs it.
if Context.environment["VMASCOPE_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}

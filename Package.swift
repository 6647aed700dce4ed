// swift-tools-version: 6.1
import PackageDescription

// The rooms of the house and who may import whom: docs/architecture.md.
// Tests/ArchitectureTests checks the imports in the sources against that page's table.
let package = Package(
    name: "vmascope",
    targets: [
        // The wire between BPF and Swift: one C header, no code.
        .target(name: "CVMAEvent"),

        // Pure: no Foundation, no operating system.
        .target(name: "VMACore"),
        .target(name: "VMATrace", dependencies: ["VMACore", "CVMAEvent"]),
        .target(name: "VMAReport", dependencies: ["VMACore"]),

        .testTarget(name: "VMACoreTests", dependencies: ["VMACore"]),
        .testTarget(name: "VMATraceTests", dependencies: ["VMATrace", "VMACore", "CVMAEvent"]),
        .testTarget(name: "VMAReportTests", dependencies: ["VMAReport", "VMACore"]),
    ],
    swiftLanguageModes: [.v6]
)

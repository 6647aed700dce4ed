// swift-tools-version: 6.1
import PackageDescription

// The rooms of the house and who may import whom: docs/architecture.md.
// Tests/ArchitectureTests checks the imports in the sources against that page's table.
let package = Package(
    name: "vmascope",
    targets: [

        // Pure: no Foundation, no operating system.
        .target(name: "VMACore"),

        .testTarget(name: "VMACoreTests", dependencies: ["VMACore"]),
    ],
    swiftLanguageModes: [.v6]
)

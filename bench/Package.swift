// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that nobody who builds vmascope builds this. The harness is thirty lines:
// a benchmark package would take longer to build than all of this takes to run.
let package = Package(
    name: "bench",
    dependencies: [.package(name: "vmascope", path: "..")],
    targets: [
        .target(name: "CRBTree"),
        .executableTarget(
            name: "bench", dependencies: ["CRBTree", .product(name: "VMACore", package: "vmascope")]),
    ],
    swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that nobody who builds vmascope builds this. The harness has some forty lines: a
// benchmark package would take longer to build than all of this takes to run.
let package = Package(
    name: "bench",
    dependencies: [.package(name: "vmascope", path: "..")],
    targets: [
        .target(name: "CRBTree"),
        .target(name: "CMaps"),
        .target(name: "CDrain", dependencies: ["CRBTree", .product(name: "VMAWire", package: "vmascope")]),
        .executableTarget(
            name: "bench",
            dependencies: [
                "CRBTree", "CMaps", "CDrain", .product(name: "VMACore", package: "vmascope"),
                .product(name: "VMAProbe", package: "vmascope"), .product(name: "VMAWire", package: "vmascope"),
                .product(name: "VMATrace", package: "vmascope"),
            ],
            // As vmascope's own targets.
            swiftSettings: [
                .unsafeFlags(
                    ["-enforce-exclusivity=unchecked", "-Xfrontend", "-assume-single-threaded"],
                    .when(configuration: .release))
            ]),
    ],
    swiftLanguageModes: [.v6]
)

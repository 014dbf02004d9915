// swift-tools-version: 6.2
import PackageDescription

// A package of its own: its flags (`-sanitize=fuzzer,address`) are for every module below, and nothing
// of it is a user's business. The Makefile gives the flags.
let common: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "fuzz",
    dependencies: [
        .package(name: "connection-engine", path: "../.."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    ],
    targets: [
        // The command line's sources through a link, since an executable of another package cannot be
        // imported; without its entry.
        .target(
            name: "UringBenchTool",
            dependencies: [
                .product(name: "BenchReport", package: "connection-engine"),
                .product(name: "ConnectionBench", package: "connection-engine"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tool",
            exclude: ["Main.swift"],
            // Its warnings are its own build's, but for one of building it here: conformances to
            // another package's protocols.
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-suppress-warnings"])]
        ),
        .target(
            name: "FuzzTargets",
            dependencies: [
                .product(name: "ConnectionBench", package: "connection-engine"),
                .product(name: "ConnectionEngine", package: "connection-engine"),
            ],
            path: "Targets",
            swiftSettings: common
        ),
        .target(
            name: "FuzzToolTargets",
            dependencies: [
                "FuzzTargets", "UringBenchTool",
                .product(name: "BenchReport", package: "connection-engine"),
                .product(name: "ConnectionBench", package: "connection-engine"),
            ],
            path: "ToolTargets",
            swiftSettings: common
        ),
        .executableTarget(
            name: "fuzz-parsers",
            dependencies: ["FuzzTargets", "FuzzToolTargets"],
            path: "Main",
            swiftSettings: common
        ),
    ]
)

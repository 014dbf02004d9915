// swift-tools-version: 6.2
import PackageDescription

/// Every target is Swift 6 with complete concurrency checking (language mode 6).
let common: [SwiftSetting] = [.swiftLanguageMode(.v6)]

/// swiftc 6.3.1 breaks off at the simulation under `--sanitize=thread` ("Invalid bitcast"); it has one
/// thread anyway.
let hasSimulation = Context.environment["WITH_THREAD_SANITIZER"] == nil

let package = Package(
    name: "connection-engine",
    products: [
        .library(name: "ConnectionEngine", targets: ["ConnectionEngine"]),
        .library(name: "BenchReport", targets: ["BenchReport"]),
        .library(name: "ConnectionBench", targets: ["ConnectionBench"]),
        .executable(name: "uring-bench", targets: ["uring-bench"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.1.0"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.0.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CLiburing",
            path: "Vendor-shims/CLiburing",
            pkgConfig: "liburing",
            providers: [.apt(["liburing-dev"])]
        ),
        .systemLibrary(name: "CLinux", path: "Vendor-shims/CLinux"),
        .target(
            name: "ConnectionEngine",
            dependencies: ["CLiburing", "CLinux"],
            swiftSettings: common + [.strictMemorySafety()]
        ),
        .target(
            name: "ConnectionBench",
            dependencies: [
                "CLinux",
                "ConnectionEngine",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            // In the program itself: one file is all there is to install.
            resources: [
                .embedInCode("Result/Schema/result.schema.json"),
                .embedInCode("Result/Schema/set.schema.json"),
                .embedInCode("Result/Schema/soak.schema.json"),
            ],
            swiftSettings: common
        ),
        .target(
            name: "BenchReport",
            dependencies: [
                "ConnectionBench",
                .product(name: "Mustache", package: "swift-mustache"),
            ],
            // In the executable itself: the tool stays one file.
            resources: [
                .embedInCode("Resources/page.mustache"), .embedInCode("Resources/style.css"),
                .embedInCode("Resources/script.js"),
            ],
            swiftSettings: common
        ),
        .executableTarget(
            name: "uring-bench",
            dependencies: [
                "BenchReport",
                "ConnectionBench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common
        ),
        // The engine's own sources (a symbolic link), over a simulated kernel instead of Linux.
        // Optimized, because thousands of seeds shall run in any build.
        .target(
            name: "Simulation",
            dependencies: ["CLiburing", "CLinux"],
            path: "Tests/Simulation",
            exclude: ["Engine/Kernel"],
            swiftSettings: common + [.define("SIMULATION"), .unsafeFlags(["-O"])]
        ),
        .testTarget(
            name: "SimulationTests",
            dependencies: ["Simulation"],
            swiftSettings: common
        ),
        .testTarget(
            name: "ConnectionEngineTests",
            dependencies: ["ConnectionEngine"] + (hasSimulation ? ["Simulation"] : []),
            swiftSettings: common
        ),
        .testTarget(
            name: "ConnectionBenchTests",
            dependencies: ["ConnectionBench"],
            swiftSettings: common
        ),
        .testTarget(
            name: "BenchReportTests",
            dependencies: ["BenchReport", "ConnectionBench"],
            exclude: ["Fixtures"],
            swiftSettings: common
        ),
    ]
)

if !hasSimulation {
    package.targets.removeAll { $0.name.hasPrefix("Simulation") }
}

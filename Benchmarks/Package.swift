// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the engine's users fetch nothing of this. Without its traits the
// benchmark package needs no interposers; allocations are counted by Floor/CountMalloc instead.
let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(name: "connection-engine", path: "../"),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "CountMalloc", path: "Floor/CountMalloc"),
        .executableTarget(
            name: "engine-hold",
            dependencies: [
                .product(name: "ConnectionBench", package: "connection-engine"),
                .product(name: "ConnectionEngine", package: "connection-engine"),
            ],
            path: "Holder",
            swiftSettings: [.swiftLanguageMode(.v6)]
        ),
        .executableTarget(
            name: "Micro",
            dependencies: [
                "CountMalloc",
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "ConnectionBench", package: "connection-engine"),
                .product(name: "ConnectionEngine", package: "connection-engine"),
            ],
            path: "Benchmarks/Micro",
            swiftSettings: [.swiftLanguageMode(.v6)],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ]
)

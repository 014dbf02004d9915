// swift-tools-version: 6.2
// The engine and its tests alone, which build in a minute: `tests.sh` copies this beside links to the
// sources.
import PackageDescription

let common: [SwiftSetting] = [.swiftLanguageMode(.v6)]

/// swiftc 6.3.1 breaks off at the simulation under `--sanitize=thread` ("Invalid bitcast"); it has one
/// thread anyway.
let hasSimulation = Context.environment["WITH_THREAD_SANITIZER"] == nil

let package = Package(
    name: "connection-engine-alone",
    targets: [
        .systemLibrary(
            name: "CLiburing", path: "Vendor-shims/CLiburing", pkgConfig: "liburing"),
        .systemLibrary(name: "CLinux", path: "Vendor-shims/CLinux"),
        .target(
            name: "ConnectionEngine", dependencies: ["CLiburing", "CLinux"],
            swiftSettings: common + [.strictMemorySafety()]),
        .target(
            name: "Simulation", dependencies: ["CLiburing", "CLinux"], path: "Tests/Simulation",
            exclude: ["Engine/Kernel"],
            swiftSettings: common + [.define("SIMULATION"), .unsafeFlags(["-O"])]),
        .testTarget(
            name: "ConnectionEngineTests",
            dependencies: ["ConnectionEngine"] + (hasSimulation ? ["Simulation"] : []),
            swiftSettings: common),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation"], swiftSettings: common),
    ]
)

if !hasSimulation {
    package.targets.removeAll { $0.name.hasPrefix("Simulation") }
}

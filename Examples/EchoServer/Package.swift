// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "EchoServer",
    dependencies: [.package(name: "connection-engine", path: "../..")],
    targets: [
        .executableTarget(
            name: "echo-server",
            dependencies: [.product(name: "ConnectionEngine", package: "connection-engine")]
        )
    ]
)

// What a connect is told when no source port is left, the same on every backend.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process and a network of its own, where the kernel has four ports to choose
    /// from. Making the network needs CAP_SYS_ADMIN; without it these tests fail.
    @Suite struct SourcePorts {
        @Test("without a source: EADDRNOTAVAIL", arguments: PortUser.all)
        func kernelsChoice(user: PortUser) async {
            await #expect(processExitsWith: .success) { [user] in
                user.connects(from: [nil, nil, nil, nil, nil], lastFailsWith: EADDRNOTAVAIL)
            }
        }

        @Test("with a source of port 0: EADDRINUSE", arguments: PortUser.all)
        func portZero(user: PortUser) async {
            await #expect(processExitsWith: .success) { [user] in
                let source = SocketAddress.loopback(port: 0)
                user.connects(
                    from: Array(repeating: source, count: 5), lastFailsWith: EADDRINUSE)
            }
        }

        @Test("with a source that a listener has: EADDRINUSE", arguments: PortUser.all)
        func listenersPort(user: PortUser) async {
            await #expect(processExitsWith: .success) { [user] in
                user.connects(from: [PortUser.destination], lastFailsWith: EADDRINUSE)
            }
        }

        @Test(
            "with a source that has a connection to the same place: EADDRNOTAVAIL",
            arguments: PortUser.all)
        func connectionsPort(user: PortUser) async {
            await #expect(processExitsWith: .success) { [user] in
                let source = SocketAddress.loopback(port: 50_000)
                user.connects(from: [source, source], lastFailsWith: EADDRNOTAVAIL)
            }
        }
    }
}

/// A backend, in a network with few ports.
struct PortUser: Codable, Sendable, CustomTestStringConvertible {
    let backend: BackendKind
    var masked: UInt32 = 0

    /// Outside of the range that the kernel chooses from.
    static let destination = SocketAddress.loopback(port: 7_000)

    /// io_uring also without what needs a newer kernel: then other calls make its sockets.
    static let all: [PortUser] =
        BackendKind.tested.map { PortUser(backend: $0) }
        + [URingFeatures.bind, .directDescriptors].filter { _ in !mustSkipURing }
        .map { PortUser(backend: .uring, masked: $0.rawValue) }

    var testDescription: String { "\(backend) without \(URingFeatures(rawValue: masked).names)" }

    /// Connects from each source in turn; all but the last connect succeed.
    func connects(from sources: [SocketAddress?], lastFailsWith code: CInt) {
        _ = failures
        enterNetwork(portFirst: 40_000, portLast: 40_003)
        do {
            let listener = try Peer.listening(on: PortUser.destination)
            let engine = try TestEngine(backend) {
                $0.maskedFeatures = URingFeatures(rawValue: masked)
            }
            for source in sources.dropLast() {
                let id = try engine.connect(from: source, to: listener.address)
                try engine.hears(.connected(id))
            }
            let id = try engine.connect(from: sources.last!, to: listener.address)
            let reason = try engine.closeReason(id)
            require(reason == .failed(Errno(code)), "\(testDescription): \(reason)")
            engine.end()
        } catch {
            require(false, "\(testDescription): \(error)")
        }
    }
}

/// Moves this thread, and those that it makes, into a network of their own.
private func enterNetwork(portFirst: Int, portLast: Int) {
    typealias Unshare = @convention(c) (CInt) -> CInt
    typealias System = @convention(c) (UnsafePointer<CChar>) -> CInt
    let unshare = unsafeBitCast(dlsym(nil, "unshare"), to: Unshare.self)
    let system = unsafeBitCast(dlsym(nil, "system"), to: System.self)
    let newNetwork: CInt = 0x4000_0000
    require(unshare(newNetwork) == 0, "unshare: errno \(errno)")
    require(system("ip link set lo up") == 0, "ip link")
    let range = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY)
    let text = "\(portFirst) \(portLast)"
    require(write(range, text, text.utf8.count) > 0, "ip_local_port_range: errno \(errno)")
    close(range)
}

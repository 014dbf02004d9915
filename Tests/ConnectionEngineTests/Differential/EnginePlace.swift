// Scenarios on real engines: two of one backend, over loopback.

import Glibc

@testable import ConnectionEngine

/// Two engines of one backend, over loopback.
struct EnginePlace: Place {
    let backend: BackendKind
    var description: String { backend.rawValue }

    /// Microseconds in which a completion too many would come.
    private static let aftermath: UInt32 = 1_000

    func perform(
        _ performance: Performance, _ meeting: Meeting
    ) throws -> (counters: [Side: Counters], isStuck: Bool) {
        let setting = performance.setting
        let nobody = try UnusedPort(isIPv6: setting.isIPv6)
        var configuration = Configuration(backend: backend)
        configuration.idleMode = setting.idleMode
        configuration.maskedFeatures = setting.masked
        configuration.limits = setting.server
        configuration.listen = Array(
            repeating: loopback(setting.isIPv6), count: performance.scenario.listeners)
        let server = try Engine(configuration) { _ in
            ScriptHandler(.server, performance, meeting)
        }
        configuration.limits = setting.client
        configuration.listen = []
        let destinations =
            performance.scenario.target == .server ? server.listeningAddresses : [nobody.address]
        let client: Engine
        do {
            client = try Engine(configuration) { _ in
                ScriptHandler(
                    .client, performance, meeting, destinations: destinations,
                    source: setting.hasSource && !setting.isIPv6 ? freshSource() : nil)
            }
        } catch {
            try stopAndJoin(server)
            throw error
        }
        let start = MonotonicTime.now
        var isStuck = false
        while !meeting.isDone, !isStuck {
            usleep(100)
            isStuck =
                MonotonicTime.now.nanoseconds(since: start) > patience
                || client.failure != nil || server.failure != nil
        }
        if isStuck {
            // Says whether an event or only the wake-up for it was lost.
            server.wake()
            client.wake()
            usleep(100_000)
            if meeting.isDone { meeting.violate("a wake-up brought what was missing") }
            for line in kernelSockets(at: server.listeningAddresses.map(\.port)) {
                meeting.violate("the kernel has \(line)")
            }
        }
        usleep(EnginePlace.aftermath)
        try stopAndJoin(client)
        try stopAndJoin(server)
        return ([.client: client.counters, .server: server.counters], isStuck)
    }

    func buffersHeldBack(_ side: Side, _ setting: Setting) -> Int {
        // A ring keeps the buffers of its busy connections, and there are up to two rings.
        backend == .uring && setting.idleMode != .poll
            ? 2 * Int(setting.limits(of: side).ringBuffers) : 0
    }
}

private func loopback(_ isIPv6: Bool) -> SocketAddress {
    isIPv6
        ? SocketAddress(ipv6High: 0, ipv6Low: 1, port: 0) : .loopback(port: 0)
}

/// A port that is taken and that nobody listens on, for as long as this lives.
private final class UnusedPort {
    let address: SocketAddress
    private let socket: Socket

    init(isIPv6: Bool) throws {
        socket = try Socket(isIPv6: isIPv6, nonBlocking: false)
        try socket.bind(to: loopback(isIPv6))
        address = try socket.localAddress()
    }
}

/// Lines of /proc/net/tcp with one of these ports: of a listener the second queue counts the clients
/// that nobody has accepted.
private func kernelSockets(at ports: [UInt16]) -> [String] {
    guard let file = fopen("/proc/net/tcp", "r") else { return ["no /proc/net/tcp"] }
    defer { fclose(file) }
    let endings = ports.map { port in
        let digits = String(port, radix: 16, uppercase: true)
        return ":" + String(repeating: "0", count: 4 - digits.count) + digits
    }
    var found: [String] = []
    var bytes = [CChar](repeating: 0, count: 512)
    while found.count < 12, fgets(&bytes, 512, file) != nil {
        let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
        let line = String(
            decoding: bytes[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let words = line.split(separator: " ")
        if words.count > 4,
            endings.contains(where: { words[1].hasSuffix($0) || words[2].hasSuffix($0) })
        {
            found.append(words[1...4].joined(separator: " "))
        }
    }
    return found
}

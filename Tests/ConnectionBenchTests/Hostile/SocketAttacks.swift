// Attacks with plain sockets: half-closes, handshakes that are left half open, peers that vanish.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

/// What an attack with sockets has done; filled by its thread.
final class SocketAttackRecord: Sendable {
    struct State: Sendable {
        var done = 0
        var wrong = 0
        var failures = 0
        var bytesSent = 0
    }

    private let storage = Locked(State())

    var state: State { storage.withLock { $0 } }

    func update(_ body: @Sendable (inout State) -> Void) { storage.withLock { body(&$0) } }
}

/// The firewall's rules of a namespace, from which packets vanish. Root and nft(8) only.
struct Firewall {
    static let isPresent = geteuid() == 0 && (try? Subprocess.run(["nft", "--version"])) == 0

    let namespace: NetworkNamespace

    init(_ namespace: NetworkNamespace) throws {
        self.namespace = namespace
        try nft("add table inet hostile")
        try nft("add chain inet hostile out { type filter hook output priority 0 ; }")
    }

    func drop(_ match: String) throws { try nft("add rule inet hostile out \(match) drop") }

    func dropNothing() throws { try nft("flush chain inet hostile out") }

    private func nft(_ command: String) throws {
        let code = try namespace.inside { try Subprocess.run(["nft", command]) }
        try #require(code == 0, "nft \(command)")
    }
}

/// Runs in the thread, the namespace and at the priority of its caller.
struct SocketAttack {
    let destination: SocketAddress
    let record: SocketAttackRecord
    private let startedAt = MonotonicTime.now

    init(to destination: SocketAddress, record: SocketAttackRecord) {
        self.destination = destination
        self.record = record
    }

    /// Sleeps until the next one of so many per second is due.
    private func pace(_ done: Int, _ perSecond: Double) {
        let due = startedAt.advanced(byNanoseconds: UInt64(Double(done) / perSecond * 1e9))
        let early = due.nanoseconds(since: .now)
        if early > 0 { usleep(UInt32(min(early / 1_000, 1_000_000))) }
    }

    private func source(_ block: UInt32, _ number: Int) -> SocketAddress {
        SocketAddress(ipv4: block + UInt32(number / 1_000 % 60_000) + 1, port: 0)
    }

    /// Each sends, says that nothing more will come, and must still get all of its bytes back, and
    /// then the end.
    func halfClose(count: Int, perSecond: Double) {
        for number in 0..<count {
            pace(number, perSecond)
            let bytes = hostileBytes(number, count: 1 + number * 37 % 8_000)
            guard let peer = RawPeer(from: source(0x7f43_0000, number)),
                peer.connect(to: destination) == 0, peer.send(bytes)
            else {
                record.update { $0.failures += 1 }
                continue
            }
            peer.finishWriting()
            // One byte more than there is, so that the end is read too.
            let isRight = peer.receive(bytes.count + 1) == bytes
            record.update {
                $0.done += 1
                $0.bytesSent += bytes.count
                if !isRight { $0.wrong += 1 }
            }
        }
    }

    /// Handshakes whose second packet never arrives: a SYN, and then silence. The kernel repeats the
    /// SYN after one second.
    func halfOpen(count: Int, perSecond: Double, firewall: Firewall, holdSeconds: Double) throws {
        // From the server to these addresses, SYN-ACK only.
        try firewall.drop("ip daddr 127.68.0.0/16 tcp flags & (syn | ack) == (syn | ack)")
        var peers: [RawPeer] = []
        for number in 0..<count {
            pace(number, perSecond)
            guard let peer = RawPeer(from: source(0x7f44_0000, number), isBlocking: false),
                peer.connect(to: destination) == EINPROGRESS
            else {
                record.update { $0.failures += 1 }
                continue
            }
            peers.append(peer)
            record.update { $0.done += 1 }
        }
        usleep(UInt32(holdSeconds * 1e6))
        peers.removeAll()
        try firewall.dropNothing()
    }

    /// Peers that were there, and of which nothing is heard any more, not even a FIN; half of them
    /// owe the acknowledgement of an answer.
    ///
    /// - Parameter comeBack: lets packets pass again at the end: the kernel then answers for them
    ///   with a reset. Else only the server itself can find out.
    func vanish(count: Int, perSecond: Double, firewall: Firewall, comeBack: Bool) throws {
        var peers: [RawPeer] = []
        for number in 0..<count {
            pace(number, perSecond)
            guard let peer = RawPeer(from: source(0x7f45_0000, number)),
                peer.connect(to: destination) == 0, peer.send([1, 2, 3]),
                peer.receive(3) == [1, 2, 3]
            else {
                record.update { $0.failures += 1 }
                continue
            }
            peers.append(peer)
            record.update { $0.done += 1 }
        }
        // First the server's packets do not arrive any more, then the peers' neither.
        try firewall.drop("ip daddr 127.69.0.0/16")
        for peer in peers.enumerated() where comeBack || peer.offset % 2 == 0 {
            peer.element.send(hostileBytes(peer.offset, count: 3_000))
        }
        try firewall.drop("ip saddr 127.69.0.0/16")
        // Not even their own kernel keeps them, and repeats what they have sent.
        for peer in peers { peer.resetOnClose() }
        peers.removeAll()
        if comeBack { try firewall.dropNothing() }
    }
}

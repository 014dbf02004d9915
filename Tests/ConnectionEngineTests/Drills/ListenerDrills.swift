// Drill 17: the listening socket dies while it accepts.

import ConnectionEngine
import Glibc
import Testing

extension Contract.Drills {
    @Suite("17: a listener that ends while it accepts") struct Listeners {
        @Test(
            "shut down under an armed accept: counted, rests between tries, does no harm to others",
            arguments: BackendKind.tested)
        func shutDown(backend: BackendKind) async {
            // In a process of its own, where the only listener is the engine's.
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    let engine = try TestEngine(backend, .echo, listens: true)
                    let peers = try (0..<10).map { _ in try Peer.connected(to: engine.address) }
                    _ = try engine.accepted(10)
                    let listeners = (3..<1_000).filter { isListening(CInt($0)) }
                    require(listeners.count == 1, "\(listeners)")
                    require(shutdown(CInt(listeners[0]), CInt(SHUT_RDWR)) == 0, "errno \(errno)")
                    try eventually("a failed accept") { engine.freshCounters.acceptFailures > 0 }
                    let before = engine.freshCounters.acceptFailures
                    let start = MonotonicTime.now
                    for round in 0..<50 {
                        for peer in peers {
                            try peer.write([UInt8(round)])
                            let echo = try peer.read(1)
                            require(echo == [UInt8(round)], "\(echo)")
                        }
                        usleep(5_000)
                    }
                    let tries = engine.freshCounters.acceptFailures - before
                    let tenths = MonotonicTime.now.nanoseconds(since: start) / 100_000_000
                    require(tries <= 2 * (tenths + 1), "\(tries) in \(tenths) tenths of a second")
                    // No errno of its own kind: only the sum tells of it.
                    let counters = engine.end()
                    require(counters.acceptFailuresNoDescriptor == 0, "\(counters)")
                    require(counters.accepted == 10, "\(counters)")
                }
            }
        }

        @Test("ended by the engine's end, in the midst of a storm", arguments: BackendKind.tested)
        func ended(backend: BackendKind) throws {
            for _ in 0..<DrillScale.count(short: 5, full: 500) {
                let descriptors = descriptorCount()
                var peers: [Peer] = []
                do {
                    let engine = try TestEngine(backend, .echo, listens: true)
                    peers = try (0..<64).map { _ in try Peer.connected(to: engine.address) }
                    // Some are accepted, some are being accepted, some wait.
                    _ = try engine.accepted(10)
                    engine.end()
                }
                for peer in peers { _ = try peer.readToEndOrReset() }
                peers = []
                // The kernel closes a ring's descriptors a little later than its process.
                try eventually("the descriptors of before") { descriptorCount() <= descriptors }
            }
        }
    }
}

private func isListening(_ fd: CInt) -> Bool {
    var value: CInt = 0
    var length = socklen_t(4)
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1
}

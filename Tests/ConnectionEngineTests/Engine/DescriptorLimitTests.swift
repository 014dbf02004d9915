// A process without descriptors: clients wait in the queue and are accepted later.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process of its own, since the limit is the whole process's.
    @Suite struct DescriptorLimit {
        @Test("epoll accepts again when descriptors come back")
        func epoll() async {
            await #expect(processExitsWith: .success) {
                try acceptsAgain(TestEngine(.epoll, .echo, listens: true))
            }
        }

        @Test("threads accept again when descriptors come back")
        func threads() async {
            await #expect(processExitsWith: .success) {
                try acceptsAgain(TestEngine(.threads, .echo, listens: true))
            }
        }

        @Test("io_uring with plain descriptors accepts again when they come back", .needsURing)
        func plainRing() async {
            await #expect(processExitsWith: .success) {
                try acceptsAgain(
                    TestEngine(.uring, .echo, listens: true) {
                        $0.maskedFeatures = [.directDescriptors, .multishotAccept]
                    })
            }
        }

        @Test("a connect without a descriptor is a completion, never a throw")
        func connects() async {
            await #expect(processExitsWith: .success) {
                for backend in [BackendKind.epoll, .threads] {
                    let listener = try Peer.listening()
                    let engine = try TestEngine(backend)
                    let before = lowerLimit(to: 1)
                    let id = try engine.connect(to: listener.address)
                    let reason = try engine.closeReason(id)
                    _ = lowerLimit(to: before)
                    precondition(reason == .failed(Errno(EMFILE)), "\(reason)")
                    _ = try engine.connected(to: listener.address)
                    engine.end()
                }
            }
        }
    }
}

private func acceptsAgain(_ engine: TestEngine) throws {
    var before: rlim_t = 0
    var second: Peer?
    let third = try Peer.connected(to: engine.address) {
        // Sockets are made before the limit is lowered, and connected after it. An accept request
        // of a ring keeps the limit of its beginning: the second client may still be accepted.
        second = try? Peer.connected(to: engine.address) { before = lowerLimit(to: 1) }
    }
    let peers = [second!, third]
    try eventually("a failed accept") {
        engine.engine.wake()
        usleep(11_000)
        return engine.engine.counters.acceptFailures > 0
    }
    let counters = engine.engine.counters
    precondition(counters.acceptFailuresNoDescriptor == counters.acceptFailures, "\(counters)")
    // Nothing wakes the worker but its own rest.
    _ = lowerLimit(to: before)
    for peer in peers {
        try peer.write([1, 2, 3])
        let echo = try peer.read(3)
        precondition(echo == [1, 2, 3])
    }
    engine.end()
}

/// - Returns: the soft limit that was in force.
private func lowerLimit(to count: rlim_t) -> rlim_t {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let before = limit.rlim_cur
    limit.rlim_cur = count
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return before
}

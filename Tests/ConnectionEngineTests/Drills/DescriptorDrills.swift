// Drill 1: a storm of clients at a process that may open 64 descriptors.

import ConnectionEngine
import Glibc
import Testing

extension Contract.Drills {
    /// Each in a process of its own, since the limit is the whole process's and stays.
    @Suite("1: a storm of clients at a limit of 64 descriptors") struct Descriptors {
        @Test("epoll rests between its tries, and takes everybody as descriptors come back")
        func epoll() async {
            await #expect(processExitsWith: .success) {
                storm(Configuration(backend: .epoll), isStarved: true)
            }
        }

        @Test("so do threads")
        func threads() async {
            await #expect(processExitsWith: .success) {
                storm(Configuration(backend: .threads), isStarved: true)
            }
        }

        @Test("so does io_uring with plain descriptors", .needsURing)
        func plainRing() async {
            await #expect(processExitsWith: .success) {
                var configuration = Configuration(backend: .uring)
                configuration.maskedFeatures = .directDescriptors
                storm(configuration, isStarved: true)
            }
        }

        @Test("direct descriptors take everybody at once, in rings of 64", .needsURing)
        func directRings() async {
            await #expect(processExitsWith: .success) {
                storm(Configuration(backend: .uring), isStarved: false)
            }
        }
    }
}

private let clients = 200

/// Two hundred clients come at once; each is served in the end.
private func storm(_ configuration: Configuration, isStarved: Bool) {
    // Its file is opened while there are descriptors.
    _ = failures
    telling { try serveStorm(configuration, isStarved: isStarved) }
}

private func serveStorm(_ configuration: Configuration, isStarved: Bool) throws {
    // Above the limit, so that they take nothing from the engine.
    let peers = try (0..<clients).map { _ in try Peer.unconnected(lowestDescriptor: 1_000) }
    setDescriptorLimit(64)
    let engine = try TestEngine(configuration.backend, .echo, listens: true) {
        $0.maskedFeatures = configuration.maskedFeatures
    }
    for (number, peer) in peers.enumerated() {
        try peer.connect(to: engine.address)
        // Small rings have a small queue, and what overflows it is repeated after a second.
        if !isStarved { _ = try engine.accepted(number + 1) }
    }
    if isStarved {
        try eventually("a failed accept") { engine.freshCounters.acceptFailures > 0 }
        let before = engine.freshCounters
        let start = MonotonicTime.now
        usleep(DrillScale.isFull ? 10_000_000 : 700_000)
        let after = engine.freshCounters
        // A listener rests for 100 ms, so 20 tries a second are twice too many on any machine; a
        // slow one makes fewer.
        let tenths = MonotonicTime.now.nanoseconds(since: start) / 100_000_000
        let tries = after.acceptFailures - before.acceptFailures
        require(tries <= 2 * (tenths + 1), "\(tries) tries in \(tenths) tenths of a second")
        require(tries > 0 || tenths < 5, "nobody tries any more")
        // Nothing else turned in vain either: a turn for each try, each wake-up and a few more.
        let turns = after.turns - before.turns
        require(turns <= 10 * (tenths + 2), "\(turns) turns in \(tenths) tenths of a second")
        require(
            after.acceptFailures == after.acceptFailuresNoDescriptor && after.accepted < 64,
            "\(after)")
    } else {
        let counters = engine.freshCounters
        require(counters.acceptFailures == 0 && counters.rings >= 4, "\(counters)")
    }
    for peer in peers {
        // The first ones' ends make room for the next ones.
        try peer.write([1, 2, 3])
        let echo = try peer.read(3)
        require(echo == [1, 2, 3], "\(echo)")
        peer.close()
    }
    try engine.becomesEmpty()
    let counters = engine.end()
    require(counters.accepted == UInt64(clients), "\(counters)")
}

extension TestEngine {
    /// Counters of now: a worker publishes them in a turn that comes 10 ms after the last time.
    var freshCounters: Counters {
        engine.wake()
        usleep(15_000)
        engine.wake()
        usleep(15_000)
        return engine.counters
    }
}

// A ring that cannot be made while a worker runs ends only what needed it.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process of its own, with few descriptors or without io_uring_setup.
    @Suite struct RingFailures {
        @Test("connects without a descriptor for their ring fail, and later ones work", .needsURing)
        func connects() async {
            await #expect(processExitsWith: .success) {
                let server = try TestEngine(.epoll, .echo, listens: true)
                let client = try TestEngine(.uring, .armAndCollect) { $0.limits.ringSlots = 16 }
                let address = server.address
                let ids = try (0..<16).map { _ in try client.connected(to: address) }
                let fillers = try withoutDescriptors {
                    // Those of one turn, and one that is ended in the turn that opens it.
                    let extra = try client.perform { operations in
                        (0..<20).map { _ in operations.connect(from: ownSource, to: address)! }
                    }
                    for id in extra {
                        let reason = try client.closeReason(id)
                        precondition(reason == .failed(Errno(EMFILE)), "\(reason)")
                    }
                    let ended = try client.perform { operations in
                        let id = operations.connect(from: ownSource, to: address)!
                        operations.abort(id)
                        return id
                    }
                    let reason = try client.closeReason(ended)
                    precondition(reason == .requested, "\(reason)")
                    try echoes(client, ids)
                }
                for fd in fillers { close(fd) }
                let more = try (0..<40).map { _ in try client.connected(to: address) }
                try echoes(client, ids + more)
                let counters = client.end()
                precondition(counters.rings == 4, "\(counters)")
                // One attempt per turn.
                precondition((2...21).contains(counters.ringFailures), "\(counters)")
                precondition(counters.acceptFailures == 0, "\(counters)")
                server.end()
            }
        }

        @Test("a slot that became free is used before one whose ring is missing", .needsURing)
        func freeSlotFirst() async {
            await #expect(processExitsWith: .success) {
                let server = try TestEngine(.epoll, .echo, listens: true)
                let client = try TestEngine(.uring) { $0.limits.ringSlots = 16 }
                let address = server.address
                let ids = try (0..<16).map { _ in try client.connected(to: address) }
                // The server is in this process too: its descriptors are taken beforehand.
                let peer = try Peer.listening()
                let other = peer.address
                let fillers = try withoutDescriptors {
                    // In one turn: the close comes first, but is done after the connect has failed.
                    let failed = try client.perform { operations in
                        operations.close(ids[3])
                        return operations.connect(from: ownSource, to: other)!
                    }
                    _ = try client.closeReason(failed)
                    _ = try client.closeReason(ids[3])
                    let next = try client.connected(to: other)
                    precondition(next.index == ids[3].index)
                }
                for fd in fillers { close(fd) }
                client.end()
                server.end()
            }
        }

        @Test("an acceptor without a descriptor for its ring rests, and goes on", .needsURing)
        func accepts() async {
            await #expect(processExitsWith: .success) {
                let engine = try TestEngine(.uring, .echo, listens: true) {
                    $0.limits.ringSlots = 16
                }
                let peers = try (0..<20).map { _ in
                    try Peer.unconnected(lowestDescriptor: 4_000)
                }
                var accepted: [Peer] = []
                let fillers = try withoutDescriptors {
                    for peer in peers[..<16] { try peer.connect(to: engine.address) }
                    _ = try engine.accepted(16)
                    // All slots are in use, but nobody waits: nothing has failed for a client.
                    try engine.settle()
                    accepted = Array(peers[16...])
                    for peer in accepted { try peer.connect(to: engine.address) }
                    try eventually("a failed accept") {
                        engine.engine.wake()
                        usleep(11_000)
                        return engine.engine.counters.acceptFailuresNoDescriptor > 0
                    }
                    let count = try engine.accepted(16).count
                    precondition(count == 16, "\(count)")
                }
                for fd in fillers { close(fd) }
                // Nothing wakes the worker but its own rest.
                for peer in peers {
                    try peer.write([1, 2, 3])
                    let echo = try peer.read(3)
                    precondition(echo == [1, 2, 3])
                }
                let counters = engine.end()
                precondition(counters.rings == 2, "\(counters)")
                precondition(counters.ringFailures > 0, "\(counters)")
                precondition(
                    counters.acceptFailures == counters.acceptFailuresNoDescriptor, "\(counters)")
            }
        }

        @Test("no memory for a ring fails its connects (ENOMEM)", .needsURing)
        func memory() async {
            await #expect(processExitsWith: .success) {
                let server = try TestEngine(.epoll, .echo, listens: true)
                let client = try TestEngine(.uring, .armAndCollect) { $0.limits.ringSlots = 16 }
                let ids = try (0..<16).map { _ in try client.connected(to: server.address) }
                refuse(.ioURingSetup, with: ENOMEM)
                let extra = try client.connect(to: server.address)
                let reason = try client.closeReason(extra)
                precondition(reason == .failed(Errno(ENOMEM)), "\(reason)")
                try echoes(client, ids)
                let counters = client.end()
                precondition(counters.rings == 1 && counters.ringFailures == 1, "\(counters)")
                server.end()
            }
        }
    }
}

/// Every connection sends its index and hears it back.
private func echoes(_ client: TestEngine, _ ids: [ConnectionID]) throws {
    for id in ids {
        let before = client.journal.read { $0.bytes[id]?.count ?? 0 }
        let byte = UInt8(truncatingIfNeeded: id.index)
        try client.send(id, [byte])
        let bytes = try client.received(id, count: before + 1)
        precondition(bytes.last == byte)
    }
}

/// Runs `body` while every descriptor below a lowered limit is taken.
///
/// - Returns: the descriptors that take them.
private func withoutDescriptors(_ body: () throws -> Void) throws -> [CInt] {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = 300
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    var fillers: [CInt] = []
    while case let fd = open("/dev/null", O_RDONLY), fd >= 0 { fillers.append(fd) }
    try body()
    return fillers
}

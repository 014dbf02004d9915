// What must be exact at a pause, and each thing that may be kept or lost.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct SoakCountsTests {
    /// Two processes with nothing to do.
    private static let base: SoakCounts = {
        var counts = SoakCounts()
        counts.kernel = 0
        counts.client.descriptors = 12
        counts.client.threads = 4
        counts.server = counts.client
        counts.server.rings = 2
        return counts
    }()

    /// 500 connections, as a backend with so much for each of them has them.
    private func held(_ share: ConnectionShare) -> SoakCounts {
        func side(_ base: SideCounts) -> SideCounts {
            var side = base
            side.open = 500
            side.slots = 500
            side.descriptors = base.descriptors.map { $0 + 500 * share.descriptors }
            side.threads = base.threads.map { $0 + 500 * share.threads }
            return side
        }
        return SoakCounts(
            client: side(Self.base.client), server: side(Self.base.server), kernel: 500)
    }

    private func failures(
        _ share: ConnectionShare = ConnectionShare(backend: .epoll, isDirect: false),
        _ change: (inout SoakCounts) -> Void
    ) -> [SoakCheck.Kind: String] {
        var counts = held(share)
        change(&counts)
        return counts.failures(held: 500, base: Self.base, share)
    }

    @Test(
        "what each backend has for its connections is explained", arguments: BackendKind.allCases)
    func explained(backend: BackendKind) {
        let share = ConnectionShare(backend: backend, isDirect: backend == .uring)
        #expect(failures(share) { _ in }.isEmpty)
        #expect(share.descriptors == (backend == .uring ? 0 : 1))
        #expect(share.threads == (backend == .threads ? 1 : 0))
    }

    @Test("without direct descriptors io_uring has one for each connection too")
    func indirect() {
        #expect(ConnectionShare(backend: .uring, isDirect: false).descriptors == 1)
    }

    @Test("a ring that was made meanwhile explains a descriptor")
    func rings() {
        let share = ConnectionShare(backend: .uring, isDirect: true)
        #expect(failures(share) { $0.server.descriptors = 13 }[.descriptors] != nil)
        #expect(
            failures(share) {
                $0.server.descriptors = 13
                $0.server.rings = 3
            }.isEmpty)
    }

    @Test("a planted leak of each kind is found, and named with its numbers")
    func leaks() {
        let descriptor = failures { $0.server.descriptors = 513 }
        #expect(descriptor.keys.map { $0 } == [.descriptors])
        #expect(
            descriptor[.descriptors]
                == "the server has 513 descriptors, 512 are explained")
        #expect(failures { $0.client.threads = 5 }[.threads]?.contains("5 threads, 4") == true)
        #expect(failures { $0.client.slots = 501 }[.slots]?.contains("501 for 500") == true)
        #expect(failures { $0.server.buffers = 1 }[.buffers]?.contains("server 1") == true)
    }

    @Test("counts that do not agree are told, each with its number")
    func counts() {
        let words = failures {
            $0.server.open = 499
            $0.server.slots = 499
            $0.server.descriptors = 511
        }
        #expect(
            words == [
                .connections: "of 500 the client counts 500, the server 499, the kernel 500"
            ])
    }

    @Test("what the kernel counts is believed to the last one, where it can be read")
    func kernel() {
        #expect(failures { $0.kernel = 501 }[.connections]?.contains("the kernel 501") == true)
        #expect(failures { $0.kernel = 499 }[.connections] != nil)
        #expect(failures { $0.kernel = nil }.isEmpty)
    }

    @Test("after the last close nothing may be left but what was there at the start")
    func closed() {
        let share = ConnectionShare(backend: .epoll, isDirect: false)
        let base = Self.base
        #expect(base.failures(held: 0, base: base, share).isEmpty)
        var left = base
        left.client.descriptors = 13
        #expect(left.failures(held: 0, base: base, share)[.descriptors] != nil)
    }

    @Test("a check keeps the first failure and counts them all")
    func first() {
        var check = SoakCheck(.slots)
        check.look(nil)
        check.look("at 2 s")
        check.look("at 3 s")
        #expect(check.looks == 3 && check.failures == 2 && check.firstFailure == "at 2 s")
        #expect(!check.holds)
    }
}

// A busy connection gets a multishot receive, a quiet one goes back to a poll.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite struct HotCold {
        @Test("adaptive: a busy connection becomes hot, and cold after silence", .needsURing)
        func adaptive() throws {
            let engine = try TestEngine(.uring, .echo, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            try echo(peer, rounds: 50)
            try becomes(engine) { $0.promotions >= 1 }
            try becomes(engine) { $0.demotions >= 1 }
            // Cold again, it works; and it can become hot again.
            try echo(peer, rounds: 50)
            try becomes(engine) { $0.promotions >= 2 }
            #expect(engine.journal.read { $0.open.count } == 1)
        }

        @Test("adaptive: a slow connection stays cold", .needsURing)
        func slow() throws {
            let engine = try TestEngine(.uring, .echo, listens: true)
            let peer = try Peer.connected(to: engine.address)
            for _ in 0..<4 {
                try echo(peer, rounds: 1)
                usleep(300_000)
            }
            #expect(engine.end().promotions == 0)
        }

        @Test("adaptive: no more connections become hot than allowed", .needsURing)
        func bound() throws {
            let engine = try TestEngine(.uring, .echo, listens: true) {
                $0.limits.hotConnections = 3
            }
            let peers = try (0..<10).map { _ in try Peer.connected(to: engine.address) }
            for peer in peers { try echo(peer, rounds: 20) }
            let counters = engine.end()
            #expect(counters.promotions >= 1)
            #expect(counters.promotions - counters.demotions <= 3)
        }

        @Test("adaptive: a hot connection that ends leaves nothing behind", .needsURing)
        func hotEnds() throws {
            let engine = try TestEngine(.uring, .echo, listens: true)
            defer { engine.end() }
            for round in 1...30 {
                let peer = try Peer.connected(to: engine.address)
                let id = try engine.accepted(round)[round - 1]
                try echo(peer, rounds: 10)
                switch round % 4 {
                case 0: peer.reset()
                case 1: try engine.perform { $0.abort(id) }
                case 2: try engine.perform { $0.close(id) }
                default: peer.close()
                }
                _ = try engine.closeReason(id)
            }
        }

        @Test("poll: nothing becomes hot", .needsURing)
        func poll() throws {
            let engine = try TestEngine(.uring, .echo, listens: true) { $0.idleMode = .poll }
            let peer = try Peer.connected(to: engine.address)
            try echo(peer, rounds: 50)
            #expect(engine.end().promotions == 0)
        }

        @Test("receive: every armed connection is hot from the start", .needsURing)
        func receive() throws {
            let engine = try TestEngine(.uring, .echo, listens: true) { $0.idleMode = .receive }
            let peers = try (0..<5).map { _ in try Peer.connected(to: engine.address) }
            for peer in peers { try echo(peer, rounds: 50) }
            #expect(engine.end().promotions == 5)
        }

        @Test(
            "a reset that comes together with bytes ends a hot connection", .needsURing,
            arguments: [IdleMode.adaptive, .receive], [1, 64])
        func resetWithBytes(idleMode: IdleMode, byteCount: Int) throws {
            let engine = try TestEngine(.uring, .armAndCollect, listens: true) {
                $0.idleMode = idleMode
                $0.limits.bufferByteCount = 64
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            for count in 1...20 {
                try peer.write([7])
                _ = try engine.received(id, count: count)
            }
            try becomes(engine) { $0.promotions == 1 }
            // Both come while the worker is busy, so that it hears of them in one turn.
            let (isBusy, mayGoOn) = (Answer<Bool>(), Answer<Bool>())
            engine.journal.add { _ in
                isBusy.set(true)
                while mayGoOn.value == nil { usleep(500) }
            }
            engine.engine.wake()
            try eventually("the worker is busy") { isBusy.value == true }
            try peer.write(Array(repeating: 8, count: byteCount))
            peer.reset()
            mayGoOn.set(true)
            #expect(try engine.closeReason(id) == .failed(Errno(ECONNRESET)))
            #expect(engine.journal.read { $0.bytes[id]?.last } == 8)
        }

        @Test(
            "bytes and a reset right after the accept are heard", .needsURing,
            arguments: IdleMode.allCases)
        func resetAtOnce(idleMode: IdleMode) throws {
            let engine = try TestEngine(.uring, .armAndCollect, listens: true) {
                $0.idleMode = idleMode
            }
            defer { engine.end() }
            let count = 600
            for _ in 0..<count {
                let peer = try Peer.connected(to: engine.address)
                try peer.write([7])
                peer.reset()
            }
            try eventually("\(count) resets") {
                engine.journal.read { $0.closed.count } == count
            }
        }

        private func echo(_ peer: Peer, rounds: Int) throws {
            for round in 0..<rounds {
                let bytes = pattern(round, count: 100)
                try peer.write(bytes)
                #expect(try peer.read(100) == bytes)
            }
        }

        /// Waits until the published counters say so; each look gives the worker a turn.
        private func becomes(_ engine: TestEngine, _ condition: (Counters) -> Bool) throws {
            try eventually("the counters, now \(engine.engine.counters)") {
                engine.engine.wake()
                usleep(11_000)
                return condition(engine.engine.counters)
            }
        }
    }
}

// Promises 1 and 3 when a send fails: the connection ends once and every buffer comes home.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite("1, 3: a failed send ends the connection and returns its buffers") struct FailedSend {
        @Test(
            "a reset with sends queued ends the connection", arguments: BackendKind.tested,
            [false, true])
        func resetWhileSending(backend: BackendKind, armed: Bool) throws {
            let engine = try TestEngine(
                backend, armed ? .armAndCollect : .collect, listens: true
            ) {
                $0.limits.buffers = 4_096
                $0.idleMode = .poll
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            try engine.send(id, pattern(1, count: 4_000 * 2_048))
            try engine.settle()
            #expect(engine.journal.read { $0.sentCount[id] ?? 0 } < 4_000)
            peer.reset()
            guard case .failed(let errno) = try engine.closeReason(id) else {
                Issue.record("no failure")
                return
            }
            #expect([ECONNRESET, EPIPE].contains(errno.code))
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 4_096)
        }

        @Test("sends queued after a reset end the connection", arguments: BackendKind.tested)
        func sendAfterReset(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true) { $0.idleMode = .poll }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            peer.reset()
            // Eight buffers in one turn: the first send fails, the others are queued behind it.
            try engine.send(id, pattern(1, count: 8 * 2_048))
            guard case .failed = try engine.closeReason(id) else {
                Issue.record("no failure")
                return
            }
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 512)
        }

        @Test(
            "a send after a reset that nobody heard says ECONNRESET", arguments: BackendKind.tested)
        func sendAfterUnheardReset(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            peer.reset()
            try engine.settle()
            try engine.send(id, [1])
            #expect(try engine.closeReason(id) == .failed(Errno(ECONNRESET)))
        }

        @Test("abort drops what was queued and returns its buffers", arguments: BackendKind.tested)
        func abortWhileSending(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true) {
                $0.limits.buffers = 4_096
                $0.idleMode = .poll
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            try engine.send(id, pattern(1, count: 4_000 * 2_048))
            try engine.settle()
            try engine.perform { $0.abort(id) }
            #expect(try engine.closeReason(id) == .requested)
            #expect(peer.endsWithReset())
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 4_096)
        }

        @Test("send and abort in one turn: the peer is reset", arguments: BackendKind.tested)
        func sendAndAbort(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true) { $0.idleMode = .poll }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.perform { operations in
                _ = operations.queue(pattern(1, count: 8 * 2_048), to: id)
                operations.abort(id)
            }
            #expect(try engine.closeReason(id) == .requested)
            #expect(peer.endsWithReset())
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 512)
        }
    }
}

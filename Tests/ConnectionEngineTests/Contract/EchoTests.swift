// Promise 6: bytes arrive in order, whole and once.

import ConnectionEngine
import Testing

extension Contract {
    @Suite("6: bytes arrive in order, whole and once") struct Echo {
        @Test("many connections get their own bytes back", arguments: BackendKind.tested)
        func many(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.load = Load(connections: 300, bytesPerConnection: 200)
            let outcome = try scenario.run()
            #expect(outcome.server.closed == 300)
            #expect(outcome.client.closed == 300)
        }

        @Test(
            "messages larger than a buffer come back whole", arguments: BackendKind.tested,
            IdleMode.allCases)
        func large(backend: BackendKind, idleMode: IdleMode) throws {
            var scenario = EchoScenario(backend)
            scenario.server.idleMode = idleMode
            scenario.client.idleMode = idleMode
            scenario.load = Load(connections: 20, bytesPerConnection: 400_000)
            _ = try scenario.run()
        }

        @Test(
            "sends of odd sizes keep their order", arguments: BackendKind.tested,
            [1, 7, 333, 2_047])
        func pieces(backend: BackendKind, piece: Int) throws {
            var scenario = EchoScenario(backend)
            scenario.load = Load(
                connections: 5, bytesPerConnection: 40 * piece + 13, window: 8 * piece,
                piece: piece)
            _ = try scenario.run()
        }

        @Test("a peer that reads slowly gets everything", arguments: BackendKind.tested)
        func slowReader(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true) {
                $0.limits.buffers = 4_096
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            let bytes = pattern(1, count: 4_000 * 2_048)
            #expect(try engine.send(id, bytes) == 4_000)
            try engine.settle()
            // More is queued than the sockets hold: the kernel has taken a part only.
            #expect(engine.journal.read { $0.sentCount[id] ?? 0 } < 4_000)
            #expect(try peer.read(bytes.count) == bytes)
            try engine.hearsSent(id, times: 4_000)
            // Bytes still come in on a connection that was blocked.
            try peer.write([1, 2])
            #expect(try engine.received(id, count: 2) == [1, 2])
        }

        @Test("each send is answered once", arguments: BackendKind.tested)
        func answered(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            for count in 1...50 {
                try engine.send(id, [UInt8(count)])
                #expect(try peer.read(1) == [UInt8(count)])
                try engine.hearsSent(id, times: count)
            }
            try engine.settle()
            #expect(engine.journal.read { $0.sentCount[id] } == 50)
        }

        @Test("a blocked connection does not hold up the others", arguments: BackendKind.tested)
        func blockedNeighbour(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true) {
                $0.limits.buffers = 4_096
            }
            defer { engine.end() }
            let blocked = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            // On the thread backend this send would occupy the thread that takes the turn, so the
            // turn is the connection's own: its bytes are echoed.
            let bytes = pattern(1, count: 8_000_000)
            let writer = Answer<Bool>()
            onThread { writer.set((try? blocked.write(bytes)) != nil) }
            let peer = try Peer.connected(to: engine.address)
            for value in UInt8(1)...100 {
                try peer.write([value])
                #expect(try peer.read(1) == [value])
            }
            #expect(try blocked.read(bytes.count) == bytes)
            #expect(try eventually("the writer's end") { writer.value })
            #expect(engine.journal.read { $0.closed[id] } == nil)
        }
    }
}

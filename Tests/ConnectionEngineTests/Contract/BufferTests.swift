// Promises 3 and 8: buffers are owed back once, and a lack of them only delays.

import ConnectionEngine
import Testing

extension Contract {
    @Suite("3, 8: buffers come back, and a lack of them only delays") struct Buffers {
        @Test("after everything is closed all buffers are free", arguments: BackendKind.tested)
        func conserved(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            // A ring keeps the buffers of its busy connections; in this mode none is busy.
            scenario.server.idleMode = .poll
            scenario.client.idleMode = .poll
            scenario.load = Load(connections: 100, bytesPerConnection: 30_000)
            let outcome = try scenario.run()
            #expect(outcome.freeAtStart == [1_024, 1_024])
            #expect(outcome.freeAtEnd == [1_024, 1_024])
        }

        @Test(
            "a few buffers serve hundreds of senders", arguments: BackendKind.tested,
            [2, 4, 8] as [UInt32])
        func exhaustion(backend: BackendKind, buffers: UInt32) throws {
            var scenario = EchoScenario(backend)
            scenario.setLimits { $0.buffers = buffers }
            scenario.load = Load(connections: 300, bytesPerConnection: 6_000)
            _ = try scenario.run()
        }

        @Test("a few buffers serve hundreds of senders, always receiving", .needsURing)
        func exhaustionOfGroups() throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits { $0.buffers = 8 }
            scenario.server.idleMode = .receive
            scenario.client.idleMode = .receive
            scenario.load = Load(connections: 300, bytesPerConnection: 6_000)
            _ = try scenario.run()
        }

        @Test(
            "connections that found no buffer are served as buffers return",
            arguments: BackendKind.tested, IdleMode.allCases)
        func keptBuffers(backend: BackendKind, idleMode: IdleMode) throws {
            let engine = try TestEngine(backend, .keep, listens: true) {
                $0.limits.buffers = 4
                $0.idleMode = idleMode
            }
            defer { engine.end() }
            let peers = try (0..<10).map { _ in try Peer.connected(to: engine.address) }
            let ids = try engine.accepted(10)
            for peer in peers { try peer.write([1, 2, 3]) }
            try engine.perform { operations in for id in ids { operations.arm(id) } }
            var seen: Set<ConnectionID> = []
            while seen.count < 10 {
                let kept = try eventually("a buffer of one of \(10 - seen.count)") {
                    engine.journal.takeKept()
                }
                #expect(kept.byteCount == 3)
                #expect(seen.insert(kept.id).inserted)
                try engine.perform { $0.release(kept.buffer) }
            }
            for peer in peers { peer.close() }
            try engine.becomesEmpty()
        }

        @Test(
            "a connection that ends while it waits for a buffer does not block the next",
            arguments: BackendKind.tested)
        func endedWhileStarved(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .keep, listens: true) {
                $0.limits.buffers = 2
                $0.idleMode = .poll
            }
            defer { engine.end() }
            let peers = try (0..<8).map { _ in try Peer.connected(to: engine.address) }
            let ids = try engine.accepted(8)
            for (id, peer) in zip(ids, peers) {
                try engine.perform { $0.arm(id) }
                try peer.write([9])
                try engine.settle()
            }
            var kept = [engine.journal.takeKept(), engine.journal.takeKept()].compactMap(\.self)
            try #require(kept.count == 2)
            // All but the last of those that wait are ended; one returned buffer is for the last.
            let holders = Set(kept.map(\.id))
            let waiting = ids.filter { !holders.contains($0) }
            for id in waiting.dropLast() { try engine.perform { $0.abort(id) } }
            for id in waiting.dropLast() { _ = try engine.closeReason(id) }
            let returned = kept.removeLast()
            try engine.perform { $0.release(returned.buffer) }
            let next = try eventually("the last one's bytes") { engine.journal.takeKept() }
            #expect(next.id == waiting.last)
            try engine.perform { [kept] operations in
                operations.release(next.buffer)
                operations.release(kept[0].buffer)
            }
            for peer in peers { peer.close() }
            try engine.becomesEmpty()
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 2)
        }

        @Test(
            "between messages no buffer is owed back, although rings keep some; a kept one is",
            arguments: BackendKind.tested, IdleMode.allCases)
        func inUse(backend: BackendKind, idleMode: IdleMode) throws {
            let echo = try TestEngine(backend, .echo, listens: true) { $0.idleMode = idleMode }
            defer { echo.end() }
            let peers = try (0..<20).map { _ in try Peer.connected(to: echo.address) }
            for round in 0..<5 {
                for peer in peers { try peer.write([UInt8(round), 7]) }
                for peer in peers { #expect(try peer.read(2) == [UInt8(round), 7]) }
            }
            try eventually("all buffers back") { try echo.perform { $0.buffersInUse } == 0 }
            #expect(try echo.perform { $0.connectionCount } == 20)
            let kept = try echo.perform { operations in
                operations.takeBuffer() != nil ? operations.buffersInUse : -1
            }
            #expect(kept == 1)
            for peer in peers { peer.close() }
            try echo.becomesEmpty()
            try eventually("all slots free") { try echo.perform { $0.connectionCount } == 0 }
            // The one that the test keeps.
            #expect(try echo.perform { $0.buffersInUse } == 1)
        }

        @Test("a received buffer can be sent on another connection", arguments: BackendKind.tested)
        func crossed(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .keep, listens: true) { $0.idleMode = .poll }
            defer { engine.end() }
            let peers = [
                try Peer.connected(to: engine.address), try Peer.connected(to: engine.address),
            ]
            let ids = try engine.accepted(2)
            try engine.perform { $0.arm(ids[0]) }
            // Only one of the two is armed; the other's bytes stay in its socket.
            for peer in peers { try peer.write([5, 6]) }
            let kept = try eventually("bytes") { engine.journal.takeKept() }
            #expect(kept.id == ids[0])
            try engine.perform { $0.send(ids[1], kept.buffer, byteCount: kept.byteCount) }
            try engine.hearsSent(ids[1], times: 1)
            try engine.perform { operations in for id in ids { operations.close(id) } }
            let echoes = try peers.map { try $0.readToEndOrReset() }
            #expect(echoes.sorted { $0.count < $1.count } == [[], [5, 6]])
            try engine.becomesEmpty()
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 512)
        }
    }
}

// Promise 4: an id names one connection for ever, and an old one does nothing.

import ConnectionEngine
import Testing

extension Contract {
    @Suite("4: an id is never used again, and an old one does nothing") struct Identity {
        @Test("operations with an old id do nothing and are counted", arguments: BackendKind.tested)
        func stale(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend) {
                $0.limits.connections = 1
                $0.idleMode = .poll
            }
            let old = try engine.connected(to: listener.address)
            let first = try listener.accept()
            try engine.perform { $0.close(old) }
            _ = try engine.closeReason(old)
            let id = try engine.connected(to: listener.address)
            let peer = try listener.accept()
            #expect(id.index == old.index)
            first.close()
            try engine.perform { operations in
                operations.arm(old)
                operations.armOnce(old)
                _ = operations.queue([1, 2, 3], to: old)
                operations.close(old)
                operations.abort(old)
            }
            try engine.settle()
            #expect(engine.journal.read { $0.events.count } == 3)
            #expect(engine.journal.read { $0.freeNow } == 512)
            // The new connection in the slot is unharmed.
            try engine.send(id, [4])
            #expect(try peer.read(1) == [4])
            let counters = engine.end()
            #expect(counters.staleOperations == 5)
        }

        @Test("an id that was never given does nothing", arguments: BackendKind.tested)
        func unknown(backend: BackendKind) throws {
            let engine = try TestEngine(backend)
            let ids = [
                ConnectionID(index: 0, generation: 0), ConnectionID(index: 5, generation: 1),
                ConnectionID(index: .max, generation: 0xff_ffff),
            ]
            try engine.perform { operations in
                for id in ids {
                    operations.arm(id)
                    operations.close(id)
                    operations.abort(id)
                    _ = operations.queue([1], to: id)
                }
            }
            try engine.settle()
            #expect(engine.journal.read { $0.events } == [])
            #expect(engine.journal.read { $0.freeNow } == 512)
            #expect(engine.end().staleOperations == 12)
        }

        @Test("a reused slot has a new generation", arguments: BackendKind.tested)
        func generations(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true) {
                $0.limits.connections = 8
            }
            defer { engine.end() }
            let client = try TestEngine(backend) { $0.limits.connections = 4 }
            defer { client.end() }
            for round in 1...60 {
                let id = try client.connected(to: engine.address)
                let accepted = try engine.accepted(round)[round - 1]
                try client.perform { round % 3 == 0 ? $0.abort(id) : $0.close(id) }
                _ = try client.closeReason(id)
                _ = try engine.closeReason(accepted)
            }
            // That no id comes twice is checked by the journal; here, that slots were reused.
            let ids = client.journal.read { Set($0.closed.keys) }
            #expect(ids.count == 60)
            #expect(Set(ids.map(\.index)).count <= 4)
            #expect(engine.journal.read { Set($0.closed.keys.map(\.index)).count } < 60)
        }

        @Test("a thousand short connections in few slots", arguments: BackendKind.tested)
        func churn(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.client.limits.connections = 16
            scenario.load = Load(connections: 1_000, bytesPerConnection: 100, atOnce: 16)
            let outcome = try scenario.run()
            #expect(outcome.client.closed == 1_000)
        }

        @Test("clients beyond the limit wait and are served", arguments: BackendKind.tested)
        func fullServer(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.server.limits.connections = 10
            scenario.server.limits.backlog = 512
            scenario.load = Load(connections: 40, bytesPerConnection: 100)
            _ = try scenario.run()
        }
    }
}

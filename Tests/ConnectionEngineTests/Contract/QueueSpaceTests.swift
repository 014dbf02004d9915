// Promise 8: small queues cost further kernel entries, and lose nothing.

import ConnectionEngine
import Testing

extension Contract {
    @Suite("8: small queues delay but lose nothing") struct QueueSpace {
        @Test(
            "more connects in a turn than the submission queue holds",
            arguments: BackendKind.tested)
        func submissionQueue(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.setLimits {
                $0.submissionEntries = 8
                $0.completionEntries = 16
            }
            scenario.load = Load(connections: 500, bytesPerConnection: 3_000)
            _ = try scenario.run()
        }

        @Test(
            "a turn of two to four completions", arguments: BackendKind.tested,
            [2, 3, 4] as [UInt32])
        func tinyTurns(backend: BackendKind, completionsPerTurn: UInt32) throws {
            var scenario = EchoScenario(backend)
            scenario.setLimits { $0.completionsPerTurn = completionsPerTurn }
            scenario.load = Load(connections: 200, bytesPerConnection: 5_000)
            _ = try scenario.run()
        }

        @Test("a full completion queue loses nothing", .needsURing, arguments: IdleMode.allCases)
        func completionOverflow(idleMode: IdleMode) throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits {
                $0.submissionEntries = 8
                $0.completionEntries = 16
            }
            scenario.server.idleMode = idleMode
            scenario.client.idleMode = idleMode
            scenario.load = Load(connections: 1_000, bytesPerConnection: 6_000, holdsAll: true)
            let outcome = try scenario.run()
            #expect(outcome.server.completionsDropped == 0)
        }

        @Test("everything small at once", arguments: BackendKind.tested)
        func everythingSmall(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.setLimits {
                $0.submissionEntries = 4
                $0.completionEntries = 8
                $0.completionsPerTurn = 2
                $0.buffers = 4
                $0.bufferByteCount = 16
                $0.ringSlots = 64
                $0.ringBuffers = 2
            }
            scenario.load = Load(connections: 150, bytesPerConnection: 500, unansweredMax: 16)
            _ = try scenario.run()
        }

        @Test("a peer may send everything before it reads", arguments: BackendKind.tested)
        func duplex(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true) {
                $0.limits.buffers = 16_384
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let piece = pattern(1, count: 65_536)
            for _ in 0..<256 { try peer.write(piece) }
            for _ in 0..<256 { #expect(try peer.read(piece.count) == piece) }
        }
    }
}

// Several rings, their direct tables, and a kernel with fewer features.

import ConnectionEngine
import Testing

extension Contract {
    @Suite struct Rings {
        @Test(
            "many small rings, accepting and connecting", .needsURing,
            arguments: [64, 100, 128] as [UInt32], IdleMode.allCases)
        func smallRings(slots: UInt32, idleMode: IdleMode) throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits { $0.ringSlots = slots }
            scenario.server.idleMode = idleMode
            scenario.client.idleMode = idleMode
            scenario.load = Load(
                connections: 700, bytesPerConnection: 5_000, unansweredMax: Int(slots / 4),
                holdsAll: true)
            let outcome = try scenario.run()
            #expect(outcome.server.rings >= 6)
            #expect(outcome.client.rings >= 6)
            #expect(outcome.server.acceptTableFull == 0)
        }

        @Test("small rings with tiny turns and queues", .needsURing)
        func smallRingsTinyTurns() throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits {
                $0.ringSlots = 64
                $0.completionsPerTurn = 4
                $0.submissionEntries = 8
                $0.completionEntries = 64
            }
            scenario.load = Load(
                connections: 400, bytesPerConnection: 3_000, unansweredMax: 16, holdsAll: true)
            let outcome = try scenario.run()
            #expect(outcome.server.acceptTableFull == 0)
        }

        @Test("small rings with several listeners", .needsURing)
        func smallRingsManyListeners() throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits { $0.ringSlots = 128 }
            scenario.server.listen = Array(repeating: .loopback(port: 0), count: 3)
            scenario.load = Load(
                connections: 600, bytesPerConnection: 500, unansweredMax: 30, holdsAll: true)
            let outcome = try scenario.run()
            #expect(outcome.server.acceptTableFull == 0)
        }

        @Test(
            "rings are made as connections need them, and their slots are used again",
            .needsURing)
        func slotsAgain() throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits { $0.ringSlots = 64 }
            scenario.load = Load(
                connections: 1_500, bytesPerConnection: 100, atOnce: 100, unansweredMax: 16)
            let outcome = try scenario.run()
            #expect(outcome.client.rings <= 3)
        }

        @Test(
            "busy connections on many rings share few buffers", .needsURing,
            arguments: [IdleMode.receive, .adaptive])
        func groupsOfManyRings(idleMode: IdleMode) throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits {
                $0.ringSlots = 64
                $0.buffers = 64
                $0.ringBuffers = 32
            }
            scenario.server.idleMode = idleMode
            scenario.client.idleMode = idleMode
            scenario.load = Load(
                connections: 600, bytesPerConnection: 10_000, unansweredMax: 16, holdsAll: true)
            _ = try scenario.run()
        }

        @Test(
            "each missing feature is done without, and named", .needsURing,
            arguments: maskedSets)
        func masked(features: URingFeatures) throws {
            var scenario = EchoScenario(.uring)
            scenario.server.maskedFeatures = features
            scenario.client.maskedFeatures = features
            scenario.load = Load(connections: 250, bytesPerConnection: 9_000, holdsAll: true)
            let outcome = try scenario.run()
            for name in features.names {
                #expect(outcome.serverFallbacks.contains("\(name): masked"))
            }
        }

        @Test(
            "without a feature: churn in few slots and few buffers", .needsURing,
            arguments: maskedSets)
        func maskedChurn(features: URingFeatures) throws {
            var scenario = EchoScenario(.uring)
            scenario.server.maskedFeatures = features
            scenario.client.maskedFeatures = features
            scenario.setLimits {
                $0.connections = 64
                $0.buffers = 8
                $0.ringSlots = 64
            }
            scenario.load = Load(
                connections: 400, bytesPerConnection: 4_500, atOnce: 40, unansweredMax: 16)
            _ = try scenario.run()
        }

        @Test(
            "without a feature: connections end as promised", .needsURing,
            arguments: maskedSets)
        func maskedEnds(features: URingFeatures) throws {
            let server = try TestEngine(.uring, .echo, listens: true) {
                $0.maskedFeatures = features
            }
            defer { server.end() }
            let client = try TestEngine(.uring, .armAndCollect) { $0.maskedFeatures = features }
            defer { client.end() }
            for round in 1...10 {
                let id = try client.connected(to: server.address)
                let accepted = try server.accepted(round)[round - 1]
                try client.send(id, [1])
                #expect(try client.received(id, count: 1) == [1])
                switch round % 3 {
                case 0:
                    try client.perform { $0.close(id) }
                    #expect(try server.closeReason(accepted) == .endOfStream)
                case 1:
                    try client.perform { $0.abort(id) }
                    guard case .failed = try server.closeReason(accepted) else {
                        Issue.record("no reset")
                        continue
                    }
                default:
                    try server.perform { $0.close(accepted) }
                    #expect(try client.closeReason(id) == .endOfStream)
                }
                _ = try client.closeReason(id)
                _ = try server.closeReason(accepted)
            }
        }

        @Test("without masks this kernel's gaps are named, if there are any", .needsURing)
        func unmasked() throws {
            let engine = try TestEngine(.uring)
            defer { engine.end() }
            for fallback in engine.engine.fallbacks {
                #expect(fallback.hasSuffix(": not in this kernel"))
            }
        }

        @Test("no kernel worker thread was needed", .needsURing)
        func noKernelWorkers() throws {
            // Every other test of a ring looks when it ends; here all modes run once more.
            for idleMode in IdleMode.allCases {
                for features in maskedSets + [[]] {
                    var scenario = EchoScenario(.uring)
                    scenario.server.idleMode = idleMode
                    scenario.client.idleMode = idleMode
                    scenario.server.maskedFeatures = features
                    scenario.client.maskedFeatures = features
                    scenario.load = Load(connections: 20, bytesPerConnection: 20_000)
                    _ = try scenario.run()
                    #expect(kernelWorkerThreads() == [])
                }
            }
        }
    }
}

/// Each feature alone, and all of them.
private let maskedSets: [URingFeatures] = [
    .deferTaskRun, .directDescriptors, .multishotAccept, .multishotReceive, .bind, .minWait,
    .all, [.deferTaskRun, .multishotReceive], [.directDescriptors, .multishotAccept],
]

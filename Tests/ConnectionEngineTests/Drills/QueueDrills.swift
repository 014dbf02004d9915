// Drills 21 and 22: the smallest queues of io_uring under a thousand sockets.

import ConnectionEngine
import Testing

extension Contract.Drills {
    @Suite("21, 22: the smallest queues under a thousand sockets") struct Queues {
        @Test(
            "a completion queue of 8: what overflows is kept, and nothing is lost", .needsURing,
            arguments: IdleMode.allCases)
        func completionQueueOf8(idleMode: IdleMode) throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits {
                $0.submissionEntries = 4
                $0.completionEntries = 8
            }
            scenario.server.idleMode = idleMode
            scenario.client.idleMode = idleMode
            scenario.load = Load(
                connections: 1_000,
                bytesPerConnection: DrillScale.count(short: 4_000, full: 40_000),
                holdsAll: true)
            let outcome = try scenario.run()
            // The queue did overflow, or this would show nothing.
            #expect(outcome.server.completionOverflows + outcome.client.completionOverflows > 0)
            #expect(outcome.server.completionsDropped == 0)
        }

        @Test("a submission queue of 4 takes a thousand connects of one turn", .needsURing)
        func submissionQueueOf4() throws {
            var scenario = EchoScenario(.uring)
            scenario.setLimits { $0.submissionEntries = 4 }
            scenario.load = Load(
                connections: 1_000,
                bytesPerConnection: DrillScale.count(short: 4_000, full: 40_000),
                holdsAll: true)
            let outcome = try scenario.run()
            // A connect takes up to four SQEs, so nearly each of them needed an entry of its own.
            #expect(outcome.client.entries >= 500)
        }
    }
}

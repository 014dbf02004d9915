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
    }
}

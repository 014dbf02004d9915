// A server engine, a client engine, and a load between them: the main scenario of many tests.

import ConnectionEngine
import Testing

struct EchoScenario {
    var load = Load()
    var server: Configuration
    var client: Configuration

    init(_ backend: BackendKind) {
        server = Configuration(backend: backend)
        server.listen = [.loopback(port: 0)]
        server.limits.connections = 4_096
        server.limits.buffers = 1_024
        client = server
        client.listen = []
    }

    struct Outcome {
        let server: Counters
        let client: Counters
        let serverFallbacks: [String]
        /// Buffers that the server's pools had at the start and at the end.
        let freeAtStart: [Int]
        let freeAtEnd: [Int]
    }

    /// Sets both ends' bounds.
    mutating func setLimits(_ set: (inout Limits) -> Void) {
        set(&server.limits)
        set(&client.limits)
    }

    /// Runs the load to its end and checks every byte, every count and every close.
    func run(sourceLocation: SourceLocation = #_sourceLocation) throws -> Outcome {
        let echo = try TestEngine(server.backend, .echo) { $0 = server }
        let result = LoadResult()
        var load = load
        if load.destinations.isEmpty { load.destinations = echo.engine.listeningAddresses }
        let engine: Engine
        do {
            engine = try Engine(client) { [load] _ in LoadHandler(load, result) }
        } catch {
            echo.end(sourceLocation: sourceLocation)
            throw error
        }
        do {
            try eventually("the load's end") {
                let state = result.state
                return state.isDone || !state.failures.isEmpty
            }
            try #require(result.state.failures.isEmpty)
            try eventually("the server's end of stream") {
                echo.journals.reduce(0) { $0 + $1.read { $0.closed.count } } == load.connections
            }
        } catch {
            Issue.record(
                """
                \(error): \(result.state)
                client \(engine.counters)
                server \(echo.engine.counters)
                """, sourceLocation: sourceLocation)
        }
        finish(engine, sourceLocation: sourceLocation)
        let counters = echo.end(sourceLocation: sourceLocation)
        let state = result.state
        #expect(state.failures == [], sourceLocation: sourceLocation)
        #expect(state.echoed == load.connections, sourceLocation: sourceLocation)
        let expected = UInt64(load.connections * load.bytesPerConnection)
        #expect(counters.accepted == UInt64(load.connections), sourceLocation: sourceLocation)
        #expect(counters.bytesReceived == expected, sourceLocation: sourceLocation)
        #expect(counters.bytesSent == expected, sourceLocation: sourceLocation)
        #expect(
            engine.counters.connected == UInt64(load.connections), sourceLocation: sourceLocation)
        #expect(engine.counters.acceptTableFull == 0, sourceLocation: sourceLocation)
        #expect(engine.counters.completionsDropped == 0, sourceLocation: sourceLocation)
        let reasons = Set(echo.journals.flatMap { $0.read { Array($0.closed.values) } })
        #expect(reasons == [.endOfStream], sourceLocation: sourceLocation)
        return Outcome(
            server: counters, client: engine.counters, serverFallbacks: echo.engine.fallbacks,
            freeAtStart: echo.journals.map { $0.read { $0.freeAtStart } } + [state.freeAtStart],
            freeAtEnd: echo.journals.map { $0.read { $0.freeNow } } + [state.freeAtEnd])
    }
}

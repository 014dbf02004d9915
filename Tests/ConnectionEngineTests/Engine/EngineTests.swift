// The engine's own side: starting, waking, stopping, several workers.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite struct EngineLife {
        @Test("wake gives a turn without completions", arguments: BackendKind.tested)
        func wake(backend: BackendKind) throws {
            let engine = try TestEngine(backend)
            defer { engine.end() }
            for _ in 0..<20 {
                let before = engine.journal.read { $0.emptyTurns }
                engine.engine.wake()
                try eventually("an empty turn") { engine.journal.read { $0.emptyTurns > before } }
            }
        }

        @Test("a quiet engine takes no turns", arguments: BackendKind.tested)
        func quiet(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            try peer.write([1])
            #expect(try peer.read(1) == [1])
            try engine.settle()
            usleep(50_000)
            let before = engine.journal.read { $0.turns }
            usleep(200_000)
            // A due time, a sweep or a stray wake-up may bring one; a busy loop brings thousands.
            #expect(engine.journal.read { $0.turns } - before < 20)
        }

        @Test("a due time is kept", arguments: BackendKind.tested)
        func due(backend: BackendKind) throws {
            let engine = try TestEngine(backend)
            defer { engine.end() }
            for _ in 0..<5 {
                let due = MonotonicTime.now.advanced(byNanoseconds: 20_000_000)
                try engine.perform { [journal = engine.journal] _ in journal.setDue(due) }
                let before = engine.journal.read { $0.turns }
                try eventually("a turn") { engine.journal.read { $0.turns > before } }
                // Never early; how late is no matter of a test.
                try eventually("a turn at the due time") {
                    engine.journal.read { $0.lastTurnAt } >= due
                }
                try engine.perform { [journal = engine.journal] _ in journal.setDue(nil) }
            }
        }

        @Test("a due time set while something was sent is kept", arguments: BackendKind.tested)
        func dueAfterSent(backend: BackendKind) throws {
            let due = MonotonicTime.now.advanced(byNanoseconds: 300_000_000)
            let journal = Journal()
            let listener = try Peer.listening()
            let address = listener.address
            let engine = try Engine(Configuration(backend: backend)) { _ in
                DueAfterSent(destination: address, due: due, journal: journal)
            }
            try eventually("the turn at the due time") { journal.read { $0.turns } == 1 }
            finish(engine)
        }

        @Test("stop ends quickly with connections open", arguments: BackendKind.tested)
        func stop(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true)
            let client = try TestEngine(backend, .armAndCollect)
            let address = engine.address
            for _ in 0..<50 { _ = try client.connect(to: address) }
            _ = try engine.accepted(50)
            let (full, filler) = try fullQueue()
            _ = try client.connect(to: full.address)
            try client.settle()
            engine.end()
            client.end()
            filler.close()
        }

        @Test("stop ends while sends are blocked", arguments: BackendKind.tested)
        func stopWhileSending(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true) { $0.limits.buffers = 4_096 }
            let peers = try (0..<2).map { _ in
                try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            }
            let ids = try engine.accepted(2)
            for id in ids {
                _ = try engine.perform { $0.queue(pattern(1, count: 2_000 * 2_048), to: id) }
            }
            engine.end()
            for peer in peers { peer.close() }
        }

        @Test("a handler can stop its worker", arguments: BackendKind.tested)
        func handlerStops(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true)
            let peer = try Peer.connected(to: engine.address)
            _ = try engine.accepted()
            engine.journal.add { $0.stop() }
            engine.engine.wake()
            #expect(try peer.readToEndOrReset() == [])
            engine.end()
            // Its end is not the peers' doing: they are not reported as closed.
            #expect(engine.journal.read { $0.closed.isEmpty })
        }

        @Test(
            "a handler can stop its worker when something was sent",
            arguments: BackendKind.tested)
        func stopsAfterSent(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let address = listener.address
            let engine = try Engine(Configuration(backend: backend)) { _ in
                StopAfterSent(destination: address)
            }
            let ended = Answer<Bool>()
            onThread {
                try? engine.join()
                ended.set(true)
            }
            #expect(try eventually("the end") { ended.value })
        }

        @Test("a port in use throws EADDRINUSE with a remedy", arguments: BackendKind.tested)
        func portInUse(backend: BackendKind) throws {
            let holder = try Peer.listening()
            var configuration = Configuration(backend: backend)
            configuration.listen = [.loopback(port: 0), holder.address]
            for workers in [1, 2] {
                configuration.workers = workers
                let before = descriptorCount()
                for _ in 0..<20 {
                    let error = #expect(throws: SystemError.self) {
                        _ = try Engine(configuration) { _ in IdleHandler() }
                    }
                    #expect(error?.errno == Errno(EADDRINUSE))
                    #expect(error?.call == "bind")
                    #expect(error?.remedy.contains("\(holder.address)") == true)
                }
                // Other tests of the process may open a few meanwhile; a leak opens 20.
                #expect(descriptorCount() - before < 20)
            }
        }

        @Test("start and stop leave no descriptor behind", arguments: BackendKind.tested)
        func descriptors(backend: BackendKind) throws {
            try cycle(backend)
            let before = descriptorCount()
            // Forty cycles: a leak shows forty times, what other tests open meanwhile does not.
            for _ in 0..<40 { try cycle(backend) }
            #expect(descriptorCount() - before < 40)
        }

        private func cycle(_ backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true) { $0.workers = 2 }
            let peer = try Peer.connected(to: engine.address)
            try peer.write([1])
            #expect(try peer.read(1) == [1])
            engine.end()
        }

        @Test("one worker can accept and connect", arguments: BackendKind.tested)
        func proxyLike(backend: BackendKind) throws {
            let target = try TestEngine(backend, .echo, listens: true)
            defer { target.end() }
            let engine = try TestEngine(backend, .armAndCollect, listens: true)
            defer { engine.end() }
            let peers = try (0..<40).map { _ in try Peer.connected(to: engine.address) }
            let outgoing = try (0..<40).map { _ in try engine.connected(to: target.address) }
            let incoming = try engine.accepted(40)
            #expect(Set(outgoing + incoming).count == 80)
            for (number, id) in outgoing.enumerated() {
                try engine.send(id, pattern(number, count: 3_000))
            }
            for (number, peer) in peers.enumerated() { try peer.write([UInt8(number)]) }
            for (number, id) in outgoing.enumerated() {
                #expect(try engine.received(id, count: 3_000) == pattern(number, count: 3_000))
            }
            let values = try incoming.map { try engine.received($0, count: 1)[0] }
            #expect(values.sorted() == Array(0..<40))
            for peer in peers { peer.close() }
            for id in incoming { #expect(try engine.closeReason(id) == .endOfStream) }
        }

        @Test("two workers share one port", arguments: BackendKind.tested)
        func sharedPort(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.server.workers = 2
            scenario.load = Load(connections: 200, bytesPerConnection: 500)
            let outcome = try scenario.run()
            #expect(outcome.server.accepted == 200)
        }

        @Test("dealt addresses belong to one worker each", arguments: BackendKind.tested)
        func dealt(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo) {
                $0.workers = 2
                $0.listenerSpread = .dealt
                $0.listen = Array(repeating: .loopback(port: 0), count: 4)
            }
            defer { engine.end() }
            #expect(Set(engine.engine.listeningAddresses.map(\.port)).count == 4)
            var peers: [Peer] = []
            for address in engine.engine.listeningAddresses {
                for value in UInt8(1)...5 {
                    let peer = try Peer.connected(to: address)
                    try peer.write([value])
                    #expect(try peer.read(1) == [value])
                    peers.append(peer)
                }
            }
            #expect(try engine.accepted(10, worker: 0).count == 10)
            #expect(try engine.accepted(10, worker: 1).count == 10)
        }

        @Test(
            "one worker listens on many addresses", arguments: BackendKind.tested,
            [64, 2_048] as [UInt32])
        func manyListeners(backend: BackendKind, connections: UInt32) throws {
            let engine = try TestEngine(backend, .echo) {
                $0.listen = Array(repeating: .loopback(port: 0), count: 6)
                $0.limits.connections = connections
            }
            defer { engine.end() }
            var peers: [Peer] = []
            for round in 0..<8 {
                for address in engine.engine.listeningAddresses {
                    let peer = try Peer.connected(to: address)
                    try peer.write([UInt8(round)])
                    #expect(try peer.read(1) == [UInt8(round)])
                    peers.append(peer)
                }
            }
            for peer in peers { peer.close() }
            try engine.becomesEmpty()
        }

        @Test("a port that was closed can be opened again", arguments: BackendKind.tested)
        func restart(backend: BackendKind) throws {
            let first = try TestEngine(backend, .echo, listens: true)
            let address = first.address
            let peer = try Peer.connected(to: address)
            try peer.write([1])
            #expect(try peer.read(1) == [1])
            first.end()
            // A ring's sockets close a moment after the ring.
            let second = try eventually("the port") {
                try? TestEngine(backend, .echo) { $0.listen = [address] }
            }
            let next = try Peer.connected(to: address)
            try next.write([2])
            #expect(try next.read(1) == [2])
            second.end()
        }
    }
}

/// Connects, sends, and only when that was sent wants a turn at `due`.
private struct DueAfterSent: Handler {
    let destination: SocketAddress
    let due: MonotonicTime
    let journal: Journal
    var nextDue: MonotonicTime?

    init(destination: SocketAddress, due: MonotonicTime, journal: Journal) {
        self.destination = destination
        self.due = due
        self.journal = journal
    }

    mutating func start(_ operations: inout OperationQueue) {
        _ = operations.connect(from: ownSource, to: destination)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id): _ = operations.queue([1], to: id)
            case .sent: nextDue = due
            case .accepted, .received, .closed: break
            }
        }
        if let nextDue, MonotonicTime.now >= nextDue {
            self.nextDue = nil
            journal.turnEnded(batch: completions.count, freeBuffers: 0)
        }
    }
}

/// Connects, sends, and stops its worker when that was sent.
private struct StopAfterSent: Handler {
    let destination: SocketAddress

    mutating func start(_ operations: inout OperationQueue) {
        _ = operations.connect(from: ownSource, to: destination)
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            switch completions[position] {
            case .connected(let id): _ = operations.queue([1], to: id)
            case .sent: operations.stop()
            case .accepted, .received, .closed: break
            }
        }
    }
}

private func fullQueue() throws -> (listener: Peer, filler: Peer) {
    let listener = try Peer.listening(backlog: 0)
    return (listener, try Peer.connected(to: listener.address))
}

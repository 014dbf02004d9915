// Promises 1 and 5: every connect is answered with its own id, a failed one by a completion.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite("1, 5: every connect is answered, a failed one by a completion") struct Opening {
        @Test("a connect is answered by connected", arguments: BackendKind.tested)
        func connected(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let id = try engine.connect(to: listener.address)
            try engine.hears(.connected(id))
            let peer = try listener.accept()
            #expect(peer.remoteAddress.low == ownSource.low)
            #expect(engine.journal.read { $0.events } == [.connected(id)])
        }

        @Test("without a source the kernel chooses one", arguments: BackendKind.tested)
        func withoutSource(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            // Another process may hold all ports of 127.0.0.1 for a while.
            try eventually("a connection") {
                let id = try engine.connect(from: nil, to: listener.address)
                return try eventually("an answer") {
                    engine.journal.read { state in
                        state.open.contains(id) ? true : state.closed[id].map { _ in false }
                    }
                }
            }
            #expect(try listener.accept().remoteAddress.port != 0)
        }

        @Test("a source of port 0 lets the kernel choose the port", arguments: BackendKind.tested)
        func sourcePortZero(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let source = freshSource()
            let ids = try (0..<3).map { _ in try engine.connect(from: source, to: listener.address)
            }
            for id in ids { try engine.hears(.connected(id)) }
            let remotes = try ids.map { _ in try listener.accept().remoteAddress }
            #expect(remotes.allSatisfy { $0.low == source.low && $0.port != 0 })
            #expect(Set(remotes).count == 3)
        }

        @Test(
            "a source port that is connected elsewhere can be used again",
            arguments: BackendKind.tested)
        func sourceUsedElsewhere(backend: BackendKind) throws {
            let listeners = [try Peer.listening(), try Peer.listening()]
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let chosen = try freeAddress()
            for listener in listeners {
                let id = try engine.connect(from: chosen, to: listener.address)
                try engine.hears(.connected(id))
                #expect(try listener.accept().remoteAddress == chosen)
            }
        }

        @Test("a peer's connection is accepted", arguments: BackendKind.tested)
        func accepted(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peers = try (0..<5).map { _ in try Peer.connected(to: engine.address) }
            let ids = try engine.accepted(5)
            #expect(Set(ids).count == 5)
            #expect(engine.journal.read { $0.events.count } == 5)
            for peer in peers { peer.close() }
        }

        @Test("a refused connect names its connection", arguments: BackendKind.tested)
        func refused(backend: BackendKind) throws {
            let closed = try Peer.listening(on: ownSource)
            let address = closed.address
            closed.close()
            let open = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let bad = try engine.connect(to: address)
            let good = try engine.connect(to: open.address)
            #expect(try engine.closeReason(bad) == .failed(Errno(ECONNREFUSED)))
            try engine.hears(.connected(good))
            #expect(engine.journal.read { $0.events.count } == 2)
        }

        @Test("the peer sees the chosen source address and port", arguments: BackendKind.tested)
        func source(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let chosen = try freeAddress()
            let id = try engine.connect(from: chosen, to: listener.address)
            try engine.hears(.connected(id))
            #expect(try listener.accept().remoteAddress == chosen)
        }

        @Test(
            "a source in use closes the connection with EADDRINUSE", arguments: BackendKind.tested)
        func sourceInUse(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let holder = try Peer.listening(on: ownSource)
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let id = try engine.connect(from: holder.address, to: listener.address)
            #expect(try engine.closeReason(id) == .failed(Errno(EADDRINUSE)))
            #expect(engine.journal.read { $0.events.count } == 1)
        }

        @Test("a source that is not ours closes with EADDRNOTAVAIL", arguments: BackendKind.tested)
        func foreignSource(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let foreign = SocketAddress(ipv4: 0xc000_0201, port: 0)
            let id = try engine.connect(from: foreign, to: listener.address)
            #expect(try engine.closeReason(id) == .failed(Errno(EADDRNOTAVAIL)))
        }

        @Test("a connect that takes its time still brings bytes", arguments: BackendKind.tested)
        func slow(backend: BackendKind) throws {
            let (listener, filler) = try fullListener()
            let engine = try TestEngine(backend, .armAndCollect)
            defer { engine.end() }
            let id = try engine.connect(to: listener.address)
            try engine.settle()
            #expect(engine.journal.read { $0.events } == [])
            _ = try listener.accept()
            filler.close()
            // The kernel repeats its SYN after a second.
            let peer = try listener.accept()
            try peer.write([1, 2, 3])
            try engine.hears(.connected(id))
            #expect(try engine.received(id, count: 3) == [1, 2, 3])
            try peer.write([4])
            #expect(try engine.received(id, count: 4) == [1, 2, 3, 4])
        }

        @Test(
            "a connection that is still opening can be ended", arguments: BackendKind.tested,
            [false, true])
        func endedWhileOpening(backend: BackendKind, aborts: Bool) throws {
            let (listener, filler) = try fullListener()
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let id = try engine.connect(to: listener.address)
            try engine.settle()
            try engine.perform { aborts ? $0.abort(id) : $0.close(id) }
            #expect(try engine.closeReason(id) == .requested)
            #expect(engine.journal.read { $0.events.count } == 1)
            filler.close()
        }

        @Test(
            "a connection can be ended in the turn that opens it", arguments: BackendKind.tested,
            [false, true])
        func endedAtOnce(backend: BackendKind, aborts: Bool) throws {
            let listener = try Peer.listening()
            let address = listener.address
            let engine = try TestEngine(backend)
            defer { engine.end() }
            let id = try #require(
                try engine.perform { operations -> ConnectionID? in
                    let id = operations.connect(from: ownSource, to: address)
                    if let id { aborts ? operations.abort(id) : operations.close(id) }
                    return id
                })
            #expect(try engine.closeReason(id) == .requested)
            #expect(engine.journal.read { $0.events.last } == .closed(id, .requested))
        }

        @Test("IPv6 works like IPv4", .enabled(if: hasIPv6), arguments: BackendKind.tested)
        func ipv6(backend: BackendKind) throws {
            var scenario = EchoScenario(backend)
            scenario.server.listen = [SocketAddress(ipv6High: 0, ipv6Low: 1, port: 0)]
            scenario.load = Load(connections: 20, bytesPerConnection: 5_000, source: nil)
            _ = try scenario.run()
        }

        @Test(
            "connect gives nil at the limit, and again an id after a close",
            arguments: BackendKind.tested)
        func limit(backend: BackendKind) throws {
            let listener = try Peer.listening()
            let engine = try TestEngine(backend) { $0.limits.connections = 3 }
            defer { engine.end() }
            let ids = try (0..<3).map { _ in try engine.connected(to: listener.address) }
            let address = listener.address
            #expect(try engine.perform { $0.connect(to: address) } == nil)
            try engine.perform { $0.close(ids[1]) }
            _ = try engine.closeReason(ids[1])
            let next = try engine.connected(to: listener.address)
            #expect(next.index == ids[1].index && next.generation != ids[1].generation)
        }
    }
}

private let hasIPv6: Bool =
    (try? Peer.listening(on: SocketAddress(ipv6High: 0, ipv6Low: 1, port: 0))) != nil

/// An address of ours with a port that nobody holds.
private func freeAddress() throws -> SocketAddress {
    try Peer.listening(on: ownSource).address
}

/// A listener whose queue is full: further connects wait until one is accepted.
private func fullListener() throws -> (listener: Peer, filler: Peer) {
    let listener = try Peer.listening(backlog: 0)
    return (listener, try Peer.connected(to: listener.address))
}

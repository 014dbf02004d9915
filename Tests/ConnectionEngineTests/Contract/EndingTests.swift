// Promise 2: `.closed` comes exactly once, says why, and nothing comes after it.
//
// That nothing comes after it is checked by `Journal` in every test.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite("2: closed comes exactly once and says why") struct Ending {
        @Test("the peer's end gives one endOfStream", arguments: BackendKind.tested)
        func endOfStream(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try peer.write([7])
            peer.close()
            #expect(try engine.closeReason(id) == .endOfStream)
            try engine.settle()
            #expect(engine.journal.read { $0.count(of: .closed(id, .endOfStream)) } == 1)
            #expect(engine.journal.read { $0.bytes[id] } == [7])
        }

        @Test("bytes before the peer's end all come before it", arguments: BackendKind.tested)
        func bytesThenEnd(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            let bytes = pattern(1, count: 100_000)
            try peer.write(bytes)
            peer.close()
            try engine.settle()
            try engine.perform { $0.arm(id) }
            #expect(try engine.closeReason(id) == .endOfStream)
            #expect(engine.journal.read { $0.bytes[id] } == bytes)
        }

        @Test("the peer's reset is reported as ECONNRESET", arguments: BackendKind.tested)
        func reset(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.settle()
            peer.reset()
            #expect(try engine.closeReason(id) == .failed(Errno(ECONNRESET)))
        }

        @Test("abort resets the peer", arguments: BackendKind.tested, [false, true])
        func abort(backend: BackendKind, armed: Bool) throws {
            let engine = try TestEngine(backend, armed ? .armAndCollect : .collect, listens: true)
            defer { engine.end() }
            for _ in 0..<20 {
                let before = engine.journal.read { $0.accepted.count }
                let peer = try Peer.connected(to: engine.address)
                let id = try engine.accepted(before + 1)[before]
                try engine.perform { $0.abort(id) }
                #expect(peer.endsWithReset())
                #expect(try engine.closeReason(id) == .requested)
            }
        }

        @Test("an engine whose peer aborts hears ECONNRESET", arguments: BackendKind.tested)
        func abortedByEngine(backend: BackendKind) throws {
            let server = try TestEngine(backend, .echo, listens: true)
            defer { server.end() }
            let client = try TestEngine(backend, .armAndCollect)
            defer { client.end() }
            let id = try client.connected(to: server.address)
            let accepted = try server.accepted()[0]
            try client.send(id, [1, 2, 3])
            #expect(try client.received(id, count: 3) == [1, 2, 3])
            try client.perform { $0.abort(id) }
            #expect(try server.closeReason(accepted) == .failed(Errno(ECONNRESET)))
            #expect(try client.closeReason(id) == .requested)
        }

        @Test(
            "close ends the stream in order, armed or not", arguments: BackendKind.tested,
            [false, true])
        func close(backend: BackendKind, armed: Bool) throws {
            let engine = try TestEngine(backend, armed ? .armAndCollect : .collect, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.settle()
            try engine.perform { $0.close(id) }
            #expect(try peer.readToEnd() == [])
            #expect(try engine.closeReason(id) == .requested)
        }

        @Test(
            "close resets the peer when bytes were not read, whoever holds them",
            arguments: BackendKind.tested)
        func closeWithUnreadBytes(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try peer.write([1, 2, 3])
            try engine.settle()
            try engine.perform { $0.close(id) }
            #expect(peer.endsWithReset())
            #expect(try engine.closeReason(id) == .requested)
        }

        @Test("close delivers the queued sends first", arguments: BackendKind.tested)
        func closeAfterSends(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true) {
                $0.limits.buffers = 4_096
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            let bytes = pattern(3, count: 4_000 * 2_048)
            try engine.perform { operations in
                _ = operations.queue(bytes, to: id)
                operations.close(id)
            }
            try engine.settle()
            #expect(engine.journal.read { $0.closed[id] } == nil)
            #expect(try peer.readToEnd() == bytes)
            #expect(try engine.closeReason(id) == .requested)
            #expect(engine.journal.read { $0.sentCount[id] } == 4_000)
        }

        @Test("the peer's end lets queued sends go out first", arguments: BackendKind.tested)
        func endAfterSends(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true) {
                $0.limits.buffers = 4_096
            }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            let bytes = pattern(4, count: 4_000 * 2_048)
            try engine.send(id, bytes)
            peer.finishWriting()
            try engine.settle()
            #expect(try peer.readToEnd() == bytes)
            #expect(try engine.closeReason(id) == .endOfStream)
        }

        @Test("ending twice is one end", arguments: BackendKind.tested, twiceEnded)
        func twice(backend: BackendKind, ends: [End]) throws {
            let engine = try TestEngine(backend, .armAndCollect, listens: true)
            defer { engine.end() }
            for isOneTurn in [true, false] {
                let before = engine.journal.read { $0.accepted.count }
                let peer = try Peer.connected(to: engine.address)
                let id = try engine.accepted(before + 1)[before]
                if isOneTurn {
                    try engine.perform { operations in
                        for end in ends { end.ask(&operations, id) }
                    }
                } else {
                    for end in ends { try engine.perform { end.ask(&$0, id) } }
                }
                #expect(try engine.closeReason(id) == .requested)
                try engine.settle()
                #expect(engine.journal.read { $0.count(of: .closed(id, .requested)) } == 1)
                peer.close()
            }
        }

        @Test(
            "a close whose sends never go out can still be aborted",
            arguments: BackendKind.tested)
        func closeThenAbort(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true) { $0.limits.buffers = 4_096 }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address, receiveBuffer: 4_096)
            let id = try engine.accepted()[0]
            try engine.perform { operations in
                _ = operations.queue(pattern(5, count: 4_000 * 2_048), to: id)
                operations.close(id)
            }
            try engine.settle()
            #expect(engine.journal.read { $0.closed[id] } == nil)
            try engine.perform { $0.abort(id) }
            #expect(try engine.closeReason(id) == .requested)
            #expect(peer.endsWithReset())
            try engine.settle()
            #expect(engine.journal.read { $0.freeNow } == 4_096)
        }
    }
}

enum End: Sendable {
    case close
    case abort

    func ask(_ operations: inout OperationQueue, _ id: ConnectionID) {
        switch self {
        case .close: operations.close(id)
        case .abort: operations.abort(id)
        }
    }
}

private let twiceEnded: [[End]] = [
    [.close, .close], [.abort, .abort], [.close, .abort], [.abort, .close],
]

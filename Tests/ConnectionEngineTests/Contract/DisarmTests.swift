// Promise 7, the way back: a disarmed connection brings nothing until it is armed again.

import ConnectionEngine
import Testing

extension Contract {
    @Suite("7: after disarm comes only what was received before") struct Disarm {
        /// Bytes one by one, fast enough for io_uring's multishot receive; then nothing is under way.
        private func chat(
            _ engine: TestEngine, _ id: ConnectionID, _ peer: Peer, _ values: ClosedRange<UInt8>
        ) throws {
            for value in values {
                try peer.write([value])
                _ = try engine.received(id, count: Int(value))
            }
        }

        @Test(
            "bytes wait while the connection is disarmed, and come in order afterwards",
            arguments: BackendKind.tested, IdleMode.allCases)
        func bytesWait(backend: BackendKind, idleMode: IdleMode) throws {
            let engine = try TestEngine(backend, listens: true) { $0.idleMode = idleMode }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            var last: UInt8 = 0
            for _ in 0..<5 {
                try engine.perform { $0.arm(id) }
                try chat(engine, id, peer, last + 1...last + 5)
                try engine.perform { $0.disarm(id) }
                try engine.settle()
                try peer.write(Array(last + 6...last + 8))
                try engine.settle()
                #expect(engine.journal.read { $0.bytes[id]!.count } == Int(last) + 5)
                last += 8
                try engine.perform { $0.arm(id) }
                #expect(try engine.received(id, count: Int(last)) == Array(1...last))
            }
        }

        @Test(
            "disarm and arm in one turn change nothing", arguments: BackendKind.tested,
            IdleMode.allCases)
        func inOneTurn(backend: BackendKind, idleMode: IdleMode) throws {
            let engine = try TestEngine(backend, listens: true) { $0.idleMode = idleMode }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.perform { $0.arm(id) }
            for value in UInt8(1)...40 {
                try engine.perform { operations in
                    operations.disarm(id)
                    operations.arm(id)
                    operations.disarm(id)
                    operations.arm(id)
                }
                try peer.write([value])
                #expect(try engine.received(id, count: Int(value)).count == Int(value))
            }
            #expect(engine.journal.read { $0.bytes[id] } == Array(1...40))
        }

        @Test("what was armed once can be disarmed", arguments: BackendKind.tested)
        func afterOnce(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.perform { $0.armOnce(id) }
            try engine.settle()
            try engine.perform { $0.disarm(id) }
            try engine.settle()
            try peer.write([1])
            try engine.settle()
            #expect(engine.journal.read { $0.bytes[id] } == nil)
            try engine.perform { $0.armOnce(id) }
            #expect(try engine.received(id, count: 1) == [1])
        }

        @Test("a disarmed connection is closed as any other", arguments: BackendKind.tested)
        func closing(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            for abort in [false, true] {
                let peer = try Peer.connected(to: engine.address)
                let id = try engine.accepted(abort ? 2 : 1)[abort ? 1 : 0]
                try engine.perform { $0.arm(id) }
                try chat(engine, id, peer, 1...3)
                try engine.perform { $0.disarm(id) }
                try peer.write([4])
                try engine.settle()
                try engine.perform { abort ? $0.abort(id) : $0.close(id) }
                #expect(try engine.closeReason(id) == .requested)
            }
        }
    }
}

// Promise 7: bytes come only to an armed connection.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite("7: bytes come only to an armed connection") struct Arm {
        @Test("bytes wait until the connection is armed", arguments: BackendKind.tested)
        func armAfterData(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try peer.write([1, 2])
            try engine.settle()
            #expect(engine.journal.read { $0.bytes[id] } == nil)
            try engine.perform { $0.arm(id) }
            #expect(try engine.received(id, count: 2) == [1, 2])
            try peer.write([3])
            #expect(try engine.received(id, count: 3) == [1, 2, 3])
        }

        @Test(
            "once brings one report and disarms", arguments: BackendKind.tested,
            IdleMode.allCases)
        func once(backend: BackendKind, idleMode: IdleMode) throws {
            let engine = try TestEngine(backend, listens: true) { $0.idleMode = idleMode }
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            for value in UInt8(1)...20 {
                try engine.perform { $0.armOnce(id) }
                if value % 2 == 0 { try engine.settle() }
                try peer.write([value])
                #expect(try engine.received(id, count: Int(value)).count == Int(value))
                try peer.write([])
            }
            try peer.write([21])
            try engine.settle()
            #expect(engine.journal.read { $0.bytes[id]!.count } == 20)
            try engine.perform { $0.armOnce(id) }
            #expect(try engine.received(id, count: 21) == Array(1...21))
        }

        @Test("once brings no more than one buffer", arguments: BackendKind.tested)
        func onceWithMore(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            let bytes = pattern(2, count: 3 * 2_048)
            try peer.write(bytes)
            try engine.settle()
            for round in 1...3 {
                try engine.perform { $0.armOnce(id) }
                let received = try engine.received(id, count: round * 2_048)
                #expect(received == Array(bytes[..<(round * 2_048)]))
                try engine.settle()
                #expect(engine.journal.read { $0.bytes[id]!.count } == round * 2_048)
            }
        }

        @Test("arm after once stays armed", arguments: BackendKind.tested)
        func onceThenArm(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try engine.perform { operations in
                operations.armOnce(id)
                operations.armOnce(id)
                operations.arm(id)
                operations.armOnce(id)
            }
            for value in UInt8(1)...5 {
                try peer.write([value])
                #expect(try engine.received(id, count: Int(value)) == Array(1...value))
            }
        }

        @Test("the peer's end waits until the connection is armed", arguments: BackendKind.tested)
        func endWaits(backend: BackendKind) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            try peer.write([1])
            try engine.perform { $0.armOnce(id) }
            _ = try engine.received(id, count: 1)
            try peer.write([2])
            peer.close()
            try engine.settle()
            #expect(engine.journal.read { $0.closed[id] } == nil)
            try engine.perform { $0.armOnce(id) }
            #expect(try engine.received(id, count: 2) == [1, 2])
            try engine.settle()
            try engine.perform { $0.armOnce(id) }
            #expect(try engine.closeReason(id) == .endOfStream)
        }

        @Test(
            "the peer's end waits until a connection that was never armed is",
            arguments: BackendKind.tested, [false, true])
        func endWaitsUnarmed(backend: BackendKind, isReset: Bool) throws {
            let engine = try TestEngine(backend, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            let id = try engine.accepted()[0]
            if isReset { peer.reset() } else { peer.close() }
            try engine.settle()
            #expect(engine.journal.read { $0.closed[id] } == nil)
            try engine.perform { $0.arm(id) }
            #expect(
                try engine.closeReason(id)
                    == (isReset ? .failed(Errno(ECONNRESET)) : .endOfStream))
        }
    }
}

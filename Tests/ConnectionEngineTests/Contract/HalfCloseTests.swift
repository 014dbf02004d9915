// Promise 9: a peer that ends its stream still gets the answers to all it sent.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    @Suite("9: what came before the peer's end is answered") struct HalfClose {
        @Test(
            "bytes and the end that arrive together are answered in full",
            arguments: BackendKind.tested, IdleMode.allCases)
        func together(backend: BackendKind, idleMode: IdleMode) throws {
            let engine = try TestEngine(backend, .echo, listens: true) { $0.idleMode = idleMode }
            defer { engine.end() }
            for round in 0..<20 {
                let peer = try Peer.connected(to: engine.address)
                // Busy, so that io_uring's multishot receive brings bytes and end in one batch.
                for value in UInt8(0)..<4 where round % 2 == 0 {
                    try peer.write([value])
                    #expect(try peer.read(1) == [value])
                }
                let bytes = pattern(round, count: 1 + round * 331)
                // A handler that is busy meanwhile: its next turn finds everything there.
                try engine.perform { _ in usleep(3_000) }
                try peer.write(bytes)
                peer.finishWriting()
                #expect(try peer.readToEnd() == bytes)
            }
            try engine.becomesEmpty()
        }

        @Test("the end alone, after a pause, ends the connection", arguments: BackendKind.tested)
        func alone(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true)
            defer { engine.end() }
            let peer = try Peer.connected(to: engine.address)
            try peer.write([1, 2])
            #expect(try peer.read(2) == [1, 2])
            try engine.settle()
            peer.finishWriting()
            #expect(try peer.readToEnd() == [])
            #expect(try engine.closeReason(engine.accepted()[0]) == .endOfStream)
        }
    }
}

// Drills 14, 15 and 16: peers that stop, that are ended from outside, and that reset in a storm.

import ConnectionEngine
import Glibc
import Testing

extension Contract.Drills {
    @Suite("14, 15, 16: peers that misbehave") struct Peers {
        @Test(
            "a peer that is stopped closes its window, holds nobody up, and loses no byte",
            arguments: BackendKind.tested)
        func stopped(backend: BackendKind) throws {
            let engine = try TestEngine(backend, .echo, listens: true) {
                // All that a stopped peer's socket and ours can hold.
                $0.limits.buffers = 32_768
            }
            defer { engine.end() }
            let pieces = DrillScale.count(short: 300, full: 2_000)
            let process = OwnNetwork.start([
                "python3", "-c", echoingClient, "\(engine.address.port)", "\(pieces)",
            ])
            defer {
                // Where the test has failed before.
                kill(process, SIGKILL)
                waitpid(process, nil, 0)
            }
            try eventually("some of its bytes") { engine.freshCounters.bytesSent > 1_000_000 }
            kill(process, SIGSTOP)
            // Its window is closed when nothing was sent for a while.
            try eventually("a closed window") {
                let before = engine.freshCounters.bytesSent
                usleep(100_000)
                return engine.freshCounters.bytesSent == before
            }
            let peer = try Peer.connected(to: engine.address)
            let deadline = MonotonicTime.now.advanced(
                byNanoseconds: DrillScale.isFull ? 30_000_000_000 : 500_000_000)
            var rounds = 0
            while rounds < 20 || MonotonicTime.now < deadline {
                let bytes = pattern(rounds, count: 100)
                try peer.write(bytes)
                #expect(try peer.read(100) == bytes)
                rounds += 1
                usleep(1_000)
            }
            kill(process, SIGCONT)
            var status: CInt = 0
            try eventually("the peer's own verdict") {
                waitpid(process, &status, WNOHANG) == process
            }
            #expect(status == 0, "3: an early end; 4: wrong bytes")
            let counters = engine.freshCounters
            #expect(counters.bytesSent == UInt64(pieces * 65_536 + rounds * 100))
            // A ring's send waits in the kernel.
            if backend != .uring { #expect(counters.blockedSends > 0) }
            peer.close()
            try engine.becomesEmpty()
        }

        @Test(
            "half of the connections are ended by ss -K: each side hears of it, once",
            .needsRoot, arguments: BackendKind.tested)
        func endedFromOutside(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    OwnNetwork.enter()
                    let server = try TestEngine(backend, .echo, listens: true)
                    let client = try TestEngine(backend, .armAndCollect)
                    let (spared, doomed) = (freshSource(), freshSource())
                    let address = server.address
                    func open(_ source: SocketAddress) throws -> [ConnectionID] {
                        let ids = try (0..<100).map { _ in
                            try client.connect(from: source, to: address)
                        }
                        for id in ids { try client.hears(.connected(id)) }
                        return ids
                    }
                    let (kept, lost) = (try open(spared), try open(doomed))
                    _ = try server.accepted(200)
                    let host = "\(doomed)".split(separator: ":")[0]
                    OwnNetwork.run(["ss", "-K", "-t", "state", "established", "src", "\(host)"])
                    for id in lost {
                        let reason = try client.closeReason(id)
                        require(reason == .failed(Errno(ECONNABORTED)), "\(reason)")
                    }
                    try eventually("the servers' ends") {
                        server.journal.read { $0.closed.count } == 100
                    }
                    let reasons = server.journal.read { Set($0.closed.values) }
                    require(reasons == [.failed(Errno(ECONNRESET))], "\(reasons)")
                    // The others are unharmed.
                    for id in kept {
                        try client.send(id, [5])
                        let bytes = try client.received(id, count: 1)
                        require(bytes == [5], "\(bytes)")
                    }
                    client.end()
                    server.end()
                }
            }
        }

        @Test(
            "a storm of resets: every client is closed once, and an honest one is served",
            arguments: BackendKind.tested)
        func resets(backend: BackendKind) throws {
            let storm = DrillScale.count(short: 500, full: 100_000)
            var configuration = Configuration(backend: backend)
            configuration.listen = [.loopback(port: 0)]
            configuration.limits.connections = 256
            configuration.limits.buffers = 256
            configuration.idleMode = .poll
            let report = Locked(DrillReport())
            let engine = try Engine(configuration) { _ in CountingEcho(report) }
            defer { finish(engine) }
            let address = engine.listeningAddresses[0]
            let honest = try Peer.connected(to: address)
            var source = freshSource()
            for number in 0..<storm {
                if number % 10_000 == 0 { source = freshSource() }
                let peer = try Peer.connected(to: address, from: source)
                // Before, after and in the midst of a message.
                if number % 3 > 0 { try peer.write(pattern(number, count: number % 3 * 1_500)) }
                peer.reset()
                if number % 50 == 0 {
                    try honest.write([UInt8(truncatingIfNeeded: number)])
                    #expect(try honest.read(1) == [UInt8(truncatingIfNeeded: number)])
                }
            }
            honest.close()
            try eventually("the end of each") {
                engine.wake()
                // A send to one that has just been closed gives its buffer back a turn later.
                return report.withLock {
                    $0.lifetimes.closed == storm + 1 && $0.freeBuffers == 256
                }
            }
            let told = report.withLock { $0 }
            #expect(told.lifetimes.violations == [])
            #expect(told.lifetimes.closedBy[.endOfStream] == 1)
            let broken: Set<CloseReason> = [
                .failed(Errno(ECONNRESET)), .failed(Errno(EPIPE)), .endOfStream,
            ]
            #expect(Set(told.lifetimes.closedBy.keys).isSubset(of: broken))
        }
    }
}

/// Connects to argument 1, sends so many pieces as argument 2 says, and wants them back unchanged.
private let echoingClient = """
    import os, socket, sys, threading
    peer = socket.socket()
    # What it has under way is far more than it has room for.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    peer.connect(("127.0.0.1", int(sys.argv[1])))
    pieces = [bytes([number & 255]) * 65536 for number in range(int(sys.argv[2]))]
    def write():
        for piece in pieces: peer.sendall(piece)
    threading.Thread(target=write, daemon=True).start()
    for piece in pieces:
        got = b""
        while len(got) < len(piece):
            some = peer.recv(len(piece) - len(got))
            if not some: os._exit(3)
            got += some
        if got != piece: os._exit(4)
    """

/// Sends back what comes, and checks the lives of its connections.
private struct CountingEcho: Handler {
    private let report: Locked<DrillReport>
    private var lifetimes = Lifetimes()

    init(_ report: Locked<DrillReport>) {
        self.report = report
    }

    mutating func handle(
        _ completions: borrowing CompletionBatch, _ operations: inout OperationQueue
    ) {
        for position in 0..<completions.count {
            let event = completions[position]
            lifetimes.note(event)
            switch event {
            case .accepted(let id): operations.arm(id)
            case .received(let id, let buffer, let byteCount):
                operations.send(id, buffer, byteCount: Int(byteCount))
            case .connected, .sent, .closed: break
            }
        }
        report.withLock {
            $0.lifetimes = lifetimes
            $0.freeBuffers = operations.freeBufferCount
        }
    }
}

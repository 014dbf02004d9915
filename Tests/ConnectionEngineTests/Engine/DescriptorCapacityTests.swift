// The capacity that is computed is the one that engines have: so many connections, and not one more.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process of its own, with few descriptors.
    @Suite struct DescriptorCapacity {
        @Test("a connecting engine holds exactly that many", arguments: Stage.connecting)
        func connecting(stage: Stage) async {
            await #expect(processExitsWith: .success) { [stage] in
                stage.connects()
            }
        }

        @Test("an accepting engine holds exactly that many", arguments: Stage.accepting)
        func accepting(stage: Stage) async {
            await #expect(processExitsWith: .success) { [stage] in
                stage.accepts()
            }
        }
    }
}

/// A configuration in a process with few descriptors, and what it can hold there.
struct Stage: Codable, Sendable, CustomTestStringConvertible {
    var backend: BackendKind
    var workers = 1
    /// RLIMIT_NOFILE, and how many descriptors are left below it before the engine starts.
    var limit = 200
    var left = 60
    var connections: UInt32 = 2_048
    var ringSlots: UInt32 = 20_000
    var masked: UInt32 = 0
    /// Connections it can hold.
    var capacity: Int

    var testDescription: String {
        "\(backend) \(workers)w limit \(limit) left \(left) connections \(connections)"
            + " slots \(ringSlots) masked \(URingFeatures(rawValue: masked).names)"
    }

    static let direct = URingFeatures.directDescriptors.rawValue
    static let multishot = URingFeatures.multishotAccept.rawValue

    /// An eventfd and an epoll descriptor or a ring per worker; then one per connection or ring.
    static let connecting: [Stage] = [
        Stage(backend: .epoll, capacity: 58),
        Stage(backend: .epoll, workers: 2, capacity: 56),
        Stage(backend: .epoll, connections: 50, capacity: 50),
        Stage(backend: .threads, capacity: 59),
        Stage(backend: .threads, workers: 2, capacity: 58),
        Stage(backend: .threads, connections: 50, capacity: 50),
        Stage(backend: .uring, masked: direct, capacity: 58),
        Stage(backend: .uring, workers: 2, masked: direct, capacity: 56),
        Stage(backend: .uring, connections: 50, masked: direct, capacity: 50),
        // One ring, and three more; each as large as the limit.
        Stage(backend: .uring, limit: 100, left: 5, capacity: 400),
        Stage(backend: .uring, left: 8, ringSlots: 16, capacity: 112),
        // Two rings of each worker, and one connection more in the odd ring.
        Stage(backend: .uring, workers: 2, left: 7, ringSlots: 16, capacity: 65),
        Stage(backend: .uring, workers: 2, left: 8, ringSlots: 16, capacity: 96),
        Stage(backend: .uring, left: 8, connections: 50, ringSlots: 16, capacity: 50),
        // The last ring leaves no descriptor for the sockets that are to go into it.
        Stage(
            backend: .uring, left: 8, ringSlots: 16, masked: URingFeatures.bind.rawValue,
            capacity: 96),
    ].filter { $0.backend != .uring || !mustSkipURing }

    /// The same, and a listener per worker.
    static let accepting: [Stage] = [
        Stage(backend: .epoll, capacity: 57),
        Stage(backend: .epoll, workers: 2, capacity: 54),
        Stage(backend: .epoll, connections: 50, capacity: 50),
        Stage(backend: .threads, capacity: 58),
        Stage(backend: .threads, workers: 2, capacity: 56),
        Stage(backend: .threads, connections: 50, capacity: 50),
        Stage(backend: .uring, masked: direct, capacity: 57),
        Stage(backend: .uring, workers: 2, masked: direct, capacity: 54),
        Stage(backend: .uring, connections: 50, masked: direct, capacity: 50),
        Stage(backend: .uring, masked: direct | multishot, capacity: 57),
        Stage(backend: .uring, limit: 100, left: 5, capacity: 300),
        Stage(backend: .uring, left: 8, ringSlots: 64, capacity: 384),
        Stage(backend: .uring, left: 8, ringSlots: 16, capacity: 96),
        Stage(backend: .uring, workers: 2, left: 8, ringSlots: 64, capacity: 256),
        Stage(backend: .uring, left: 8, connections: 300, ringSlots: 64, capacity: 300),
        Stage(backend: .uring, left: 8, ringSlots: 64, masked: multishot, capacity: 384),
    ].filter { $0.backend != .uring || !mustSkipURing }

    private func configuration(listens: Bool) -> Configuration {
        var configuration = Configuration(backend: backend)
        configuration.workers = workers
        configuration.limits.connections = connections
        configuration.limits.buffers = 512
        configuration.limits.ringSlots = ringSlots
        configuration.maskedFeatures = URingFeatures(rawValue: masked)
        configuration.listenerSpread = .dealt
        if listens {
            configuration.listen = Array(repeating: .loopback(port: 0), count: workers)
        }
        return configuration
    }

    /// What looks into /proc at the end needs descriptors, and the limit cannot be lifted.
    private func end(_ engine: TestEngine, _ fillers: [CInt]) {
        for fd in fillers { close(fd) }
        engine.end()
    }

    /// Lowers the limit, and starts an engine in what is left.
    private func engine(listens: Bool) throws -> (engine: TestEngine, fillers: [CInt]) {
        let configuration = configuration(listens: listens)
        setDescriptorLimit(limit)
        var fillers = occupyDescriptors(below: limit, leaving: left)
        // The process's own start may still have been under way.
        usleep(10_000)
        while descriptorCount(below: limit) + left > limit { close(fillers.removeLast()) }
        fillers += occupyDescriptors(below: limit, leaving: left)
        let computed = configuration.connectionCapacity(
            descriptorLimit: limit, descriptorsInUse: descriptorCount(below: limit))
        let expected = listens ? computed.accepting : computed.connecting
        require(expected == capacity, "\(testDescription): \(computed)")
        return (try TestEngine(backend, .echo) { $0 = configuration }, fillers)
    }

    // MARK: Connecting

    func connects() {
        run(connecting)
    }

    func accepts() {
        run(accepting)
    }

    private func run(_ body: () throws -> Void) {
        _ = failures
        do {
            try body()
        } catch {
            require(false, "\(error): \(testDescription)")
        }
    }

    private func connecting() throws {
        let listener = try Peer.listening(backlog: 4_096)
        let address = listener.address
        let (engine, fillers) = try engine(listens: false)
        for worker in 0..<workers {
            let share = capacity / workers + (worker < capacity % workers ? 1 : 0)
            let ids = try engine.perform(worker: worker) { operations in
                (0..<share).map { _ in operations.connect(from: ownSource, to: address) }
            }
            require(!ids.contains(nil), "nil: \(testDescription)")
            try eventually("\(share) connected") {
                let (open, closed) = engine.journals[worker].read { ($0.open, $0.closed) }
                require(closed.isEmpty, "\(open.count) of \(share) open, \(closed)")
                return open.count == share
            }
        }
        // Nobody's turn is the next worker's, as they are dealt.
        for _ in 0..<3 { try cannotConnect(engine, worker: capacity % workers, address) }
        // Then the last descriptor has gone into a ring that cannot be filled.
        if masked == URingFeatures.bind.rawValue { return end(engine, fillers) }
        let journal = engine.journals[0]
        let old = journal.read { $0.open.first! }
        try engine.perform { $0.close(old) }
        try eventually("a close") { journal.read { $0.closed[old] != nil } }
        let new = try engine.perform { $0.connect(from: ownSource, to: address)! }
        try eventually("a connect") { journal.read { $0.open.contains(new) } }
        end(engine, fillers)
    }

    private func cannotConnect(
        _ engine: TestEngine, worker: Int, _ address: SocketAddress
    ) throws {
        let extra = try engine.perform(worker: worker) { operations in
            operations.connect(from: ownSource, to: address)
        }
        guard let extra else { return require(capacity == Int(connections) * workers, "nil") }
        let reason = try eventually("an answer") {
            engine.journals[worker].read { state in
                require(!state.open.contains(extra), "one more: \(testDescription)")
                return state.closed[extra]
            }
        }
        require(reason == .failed(Errno(EMFILE)), "\(reason)")
    }

    // MARK: Accepting

    private func accepting() throws {
        let extra = 2 * workers
        var peers = try (0..<capacity + extra).map { _ in
            try Peer.unconnected(lowestDescriptor: CInt(limit))
        }
        let (engine, fillers) = try engine(listens: true)
        let addresses = engine.engine.listeningAddresses
        for (number, peer) in peers.enumerated() {
            try peer.connect(to: addresses[number % workers])
            // Small rings have short listener queues; a full one would cost a second.
            let count = number + 1
            if count == capacity || count < capacity && count % 8 == 0 {
                try hasAccepted(count, engine)
            }
        }
        if capacity < Int(connections) * workers {
            try eventually("a failure") {
                engine.engine.wake()
                usleep(11_000)
                return engine.engine.counters.acceptFailuresNoDescriptor > 0
            }
        }
        for worker in 0..<workers {
            for _ in 0..<10 { try engine.perform(worker: worker) { _ in } }
        }
        try hasAccepted(capacity, engine)
        peers.removeFirst().close()
        try hasAccepted(capacity + 1, engine)
        for peer in peers[..<(capacity - 1)] {
            try peer.write([1, 2, 3])
            let echo = try peer.read(3)
            require(echo == [1, 2, 3], "echo: \(testDescription)")
        }
        end(engine, fillers)
    }

    /// Waits for `count` accepted ones; more are a failure.
    private func hasAccepted(_ count: Int, _ engine: TestEngine) throws {
        var accepted = 0
        do {
            try eventually("\(count) accepted") {
                accepted = engine.journals.reduce(0) { $0 + $1.read { $0.accepted.count } }
                require(accepted <= count, "\(accepted) of \(count): \(testDescription)")
                return accepted == count
            }
        } catch {
            require(false, "\(accepted) of \(count): \(testDescription), \(engine.engine.counters)")
        }
    }
}

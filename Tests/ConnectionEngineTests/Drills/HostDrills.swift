// Drills 27, 28 and 30: a host that gives no time, that forks, and that sends signals.

import ConnectionEngine
import Glibc
import Synchronization
import Testing

extension Contract.Drills {
    @Suite("27, 28, 30: a host that is in the way") struct Host {
        @Test("12 busy loops on the processors of the engine", arguments: BackendKind.tested)
        func starved(backend: BackendKind) throws {
            let isOver = Flag()
            for _ in 0..<12 {
                onThread { while !isOver.isSet {} }
            }
            defer { isOver.set() }
            for idleMode in backend == .uring ? IdleMode.allCases : [.adaptive] {
                var scenario = EchoScenario(backend)
                scenario.server.idleMode = idleMode
                scenario.client.idleMode = idleMode
                // Sockets fill up while their reader does not run (Seastar #3435: sends that
                // complete with EAGAIN there).
                scenario.load = Load(
                    connections: 24,
                    bytesPerConnection: DrillScale.count(short: 60_000, full: 2_000_000))
                _ = try scenario.run()
            }
        }

        @Test(
            "a program that is started by a loaded process inherits nothing of the engine",
            arguments: BackendKind.tested)
        func children(backend: BackendKind) async {
            // In a process of its own: what this one inherited is not the engine's doing.
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    let before = inheritedByChild()
                    let isOver = Flag()
                    let listings = Locked<[[String]]>([])
                    let hasEnded = Flag()
                    onThread {
                        while !isOver.isSet {
                            let listing = inheritedByChild()
                            listings.withLock { $0.append(listing) }
                        }
                        hasEnded.set()
                    }
                    var scenario = EchoScenario(backend)
                    scenario.load = Load(
                        connections: 200,
                        bytesPerConnection: DrillScale.count(short: 60_000, full: 1_000_000),
                        holdsAll: true)
                    _ = try scenario.run()
                    isOver.set()
                    try eventually("the last child") { hasEnded.isSet }
                    let seen = listings.withLock { $0 }
                    require(seen.count > 1, "no child was started while the load ran")
                    for listing in seen {
                        require(listing == before, "\(listing), and \(before) without an engine")
                    }
                }
            }
        }

        @Test(
            "a flood of signals to every thread of the engine",
            arguments: BackendKind.tested)
        func signals(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    SignalFlood.handle()
                    let isOver = Flag()
                    onThread { SignalFlood.run(until: isOver) }
                    var scenario = EchoScenario(backend)
                    scenario.load = Load(
                        connections: 40,
                        bytesPerConnection: DrillScale.count(short: 400_000, full: 20_000_000))
                    let outcome = try scenario.run()
                    isOver.set()
                    require(SignalFlood.handledCount > 1_000, "\(SignalFlood.handledCount) signals")
                    if backend != .threads {
                        // They did come into the waits.
                        let retries = outcome.server.entryRetries + outcome.client.entryRetries
                        require(retries > 0, "\(outcome.server)")
                    }
                }
            }
        }

        @Test(
            "a connect that takes its time is not ended by a signal", arguments: BackendKind.tested)
        func signalInConnect(backend: BackendKind) async {
            await #expect(processExitsWith: .success) { [backend] in
                telling {
                    SignalFlood.handle()
                    // A full queue: the kernel repeats its SYN after a second.
                    let listener = try Peer.listening(backlog: 0)
                    let filler = try Peer.connected(to: listener.address)
                    let isOver = Flag()
                    onThread { SignalFlood.run(until: isOver) }
                    let engine = try TestEngine(backend, .armAndCollect)
                    let id = try engine.connect(to: listener.address)
                    let before = SignalFlood.handledCount
                    try eventually("signals") { SignalFlood.handledCount > before + 100 }
                    let early = engine.journal.read { $0.events }
                    require(early == [], "\(early)")
                    _ = try listener.accept()
                    filler.close()
                    let peer = try listener.accept()
                    try peer.write([1, 2, 3])
                    let bytes = try engine.received(id, count: 3)
                    require(bytes == [1, 2, 3], "\(bytes)")
                    isOver.set()
                    // A refused one still says so.
                    let free = try Peer.listening(on: ownSource).address
                    let refused = try engine.connect(to: free)
                    let reason = try engine.closeReason(refused)
                    require(reason == .failed(Errno(ECONNREFUSED)), "\(reason)")
                    engine.end()
                }
            }
        }
    }
}

private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)

    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}

/// SIGUSR1 and SIGALRM, about ten thousand a second, to every thread of an engine.
private enum SignalFlood {
    private static let handled = Atomic<Int>(0)

    static var handledCount: Int { handled.load(ordering: .relaxed) }

    /// Handles both without SA_RESTART, so that they interrupt what the threads wait in.
    static func handle() {
        // Made before the first signal: a handler must not run an initialiser.
        _ = handledCount
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in
            SignalFlood.handled.add(1, ordering: .relaxed)
        }
        for signal in [SIGUSR1, SIGALRM] {
            require(sigaction(signal, &action, nil) == 0, "sigaction: errno \(errno)")
        }
        // Inherited by the threads of the engine; this one is of a pool that blocks all signals.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }

    static func run(until isOver: Flag) {
        typealias Tgkill = @convention(c) (pid_t, pid_t, CInt) -> CInt
        let tgkill = unsafeBitCast(dlsym(nil, "tgkill"), to: Tgkill.self)
        let pid = getpid()
        while !isOver.isSet {
            let threads = entries(of: "/proc/self/task").filter { task in
                let name = firstLine(of: "/proc/self/task/\(task)/comm")
                return name.contains("-worker-") || name.hasPrefix("connection")
            }.compactMap { pid_t($0) }
            for round in 0..<100 {
                // A thread that has ended meanwhile is no failure of the flood's.
                for thread in threads {
                    _ = tgkill(pid, thread, round % 2 == 0 ? SIGUSR1 : SIGALRM)
                }
                usleep(100)
            }
        }
    }
}

/// What a child of this process has open, but for its own three streams: fork(2) and exec(2), as an
/// embedder's program may do at any time.
private func inheritedByChild() -> [String] {
    typealias Fork = @convention(c) () -> pid_t
    let fork = unsafeBitCast(dlsym(nil, "fork"), to: Fork.self)
    typealias Pipe = @convention(c) (UnsafeMutablePointer<CInt>, CInt) -> CInt
    let pipe2 = unsafeBitCast(dlsym(nil, "pipe2"), to: Pipe.self)
    var ends: [CInt] = [0, 0]
    require(pipe2(&ends, O_CLOEXEC) == 0, "pipe: errno \(errno)")
    // All is made ready before: between fork and exec only system calls are allowed.
    let words = ["ls", "-l", "/proc/self/fd"]
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    let child = fork()
    if child == 0 {
        dup2(ends[1], 1)
        execv("/bin/ls", &arguments)
        _exit(127)
    }
    require(child > 0, "fork: errno \(errno)")
    close(ends[1])
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while case let count = read(ends[0], &piece, piece.count), count > 0 {
        bytes += piece[..<count]
    }
    close(ends[0])
    var status: CInt = 0
    require(waitpid(child, &status, 0) == child && status == 0, "ls: \(status)")
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ")
        guard let arrow = words.firstIndex(of: "->"), let fd = Int(words[arrow - 1]), fd > 2 else {
            return nil
        }
        // That of the listing itself.
        let target = words[(arrow + 1)...].joined(separator: " ")
        return target.contains("/proc/") ? nil : target
    }
}

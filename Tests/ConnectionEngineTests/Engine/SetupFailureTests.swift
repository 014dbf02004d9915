// An engine that cannot be made says why and leaves nothing behind; one whose kernel interface breaks
// ends and says so.

import ConnectionEngine
import Glibc
import Testing

extension Contract {
    /// Each runs in a process of its own, whose system calls are refused from some point on.
    @Suite struct SetupFailures {
        @Test("a refused io_uring is an error with its remedy, and nothing stays open", .needsURing)
        func forbidden() async {
            await #expect(processExitsWith: .success) {
                let before = descriptorCount()
                let remedies: [(CInt, String)] = [
                    (EPERM, "kernel.io_uring_disabled"), (EACCES, "seccomp"),
                    (ENOSYS, "Linux 6.1"), (ENOMEM, "RLIMIT_MEMLOCK"), (EMFILE, "RLIMIT_NOFILE"),
                    (ENFILE, "RLIMIT_NOFILE"), (EINVAL, ""),
                ]
                for (code, remedy) in remedies {
                    // The newest of several filters answers.
                    refuse(.ioURingSetup, with: code)
                    for _ in 0..<3 {
                        let error = setupError(.uring)
                        require(error?.errno.code == code, "\(String(describing: error))")
                        require(error?.call == "io_uring_setup", "\(String(describing: error))")
                        require(error!.remedy.contains(remedy) || remedy.isEmpty, error!.remedy)
                    }
                }
                try eventuallyClosed(since: before)
            }
        }

        @Test("with few descriptors it starts whole or not at all, on each backend")
        func fewDescriptors() async {
            await #expect(processExitsWith: .success) {
                let limit = 200
                // Some are opened once and stay: what the library and the test itself need.
                for backend in BackendKind.tested { _ = setupError(backend, workers: 3) }
                let memory = addressSpaceByteCount()
                setDescriptorLimit(limit)
                for backend in BackendKind.tested {
                    var started = 0
                    var refused = 0
                    for count in 0...16 {
                        let fillers = occupyDescriptors(below: limit, leaving: count)
                        let before = descriptorCount(below: limit)
                        if let error = setupError(backend, workers: 3) {
                            refused += 1
                            require(error.errno.code == EMFILE, "\(backend): \(error)")
                        } else {
                            started += 1
                        }
                        // The last thread of a worker may close its wake signal a moment later.
                        try eventually("\(backend) of \(count) closes all") {
                            descriptorCount(below: limit) == before
                        }
                        for fd in fillers { close(fd) }
                    }
                    require(started > 0 && refused > 3, "\(backend): \(started), \(refused)")
                }
                // Stacks of ended threads are kept by the library, a few of them.
                let grown = addressSpaceByteCount() - memory
                require(grown < 256 << 20, "\(grown) bytes are still mapped")
            }
        }

        @Test("memory that is refused is an error, and what was taken is given back")
        func memory() async {
            await #expect(processExitsWith: .success) {
                for backend in BackendKind.tested { _ = setupError(backend) }
                let descriptors = descriptorCount()
                let before = addressSpaceByteCount()
                setAddressSpaceLeft(1 << 30)
                for backend in BackendKind.tested {
                    // The buffers of the pool, 4 GiB; and before them the slots, 4 GiB too.
                    for isPool in [true, false] {
                        let error = setupError(backend) {
                            $0.limits.buffers = isPool ? 4_096 : 16
                            $0.limits.bufferByteCount = isPool ? 1 << 20 : 2_048
                            $0.limits.connections = isPool ? 16 : 1 << 26
                        }
                        require(error?.errno.code == ENOMEM, "\(String(describing: error))")
                    }
                }
                try eventuallyClosed(since: descriptors)
                let grown = addressSpaceByteCount() - before
                require(grown < 256 << 20, "\(grown) bytes are still mapped")
            }
        }

        @Test("a worker's thread that cannot begin is an error with its remedy")
        func thread() async {
            await #expect(processExitsWith: .success) {
                for backend in BackendKind.tested { _ = setupError(backend) }
                let before = descriptorCount()
                refuse(.thread, with: EAGAIN)
                for backend in BackendKind.tested + BackendKind.tested + BackendKind.tested {
                    let error = setupError(backend)
                    require(error?.errno.code == EAGAIN, "\(String(describing: error))")
                    require(error?.call == "pthread_create", "\(String(describing: error))")
                    require(error!.remedy.contains("kernel.threads-max"), error!.remedy)
                }
                try eventuallyClosed(since: before)
            }
        }

        @Test("io_uring_enter that fails for good ends the engine, which says so", .needsURing)
        func enterFails() async {
            await #expect(processExitsWith: .success) {
                try expectFailure(.uring, refusing: .ioURingEnter, "io_uring_enter")
            }
        }

        @Test("epoll_pwait2 that fails for good ends the engine, which says so")
        func waitFails() async {
            await #expect(processExitsWith: .success) {
                try expectFailure(.epoll, refusing: .epollWait, "epoll_pwait2")
            }
        }

        @Test(
            "io_uring_enter that fails for a while is repeated and counted (EINTR, EAGAIN, EBUSY)",
            .needsURing)
        func enterRepeats() async {
            await #expect(processExitsWith: .success) {
                for code in [EINTR, EAGAIN, EBUSY] {
                    try expectRetries(.uring, refusing: .ioURingEnter, code)
                }
            }
        }

        @Test("epoll_pwait2 that is interrupted is repeated and counted")
        func waitRepeats() async {
            await #expect(processExitsWith: .success) {
                try expectRetries(.epoll, refusing: .epollWait, EINTR)
            }
        }

        @Test("without a group of provided buffers single receives do", .needsURing)
        func ringBuffers() async {
            await #expect(processExitsWith: .success) {
                refuse(.ringBuffers, with: ENOMEM)
                for idleMode in IdleMode.allCases {
                    let server = try TestEngine(.uring, .echo, listens: true) {
                        $0.idleMode = idleMode
                    }
                    let peer = try Peer.connected(to: server.address)
                    for number in 0..<50 as Range<UInt8> {
                        try peer.write([number])
                        let echo = try peer.read(1)
                        require(echo == [number], "\(idleMode): \(echo)")
                    }
                    let counters = server.end()
                    require(counters.promotions == 0, "\(counters)")
                }
            }
        }
    }
}

/// Makes an engine with a listener for each worker, and ends it again.
///
/// - Returns: why it could not be made.
private func setupError(
    _ backend: BackendKind, workers: Int = 1, _ change: (inout Configuration) -> Void = { _ in }
) -> SystemError? {
    var configuration = Configuration(backend: backend)
    configuration.workers = workers
    configuration.listen = [.loopback(port: 0)]
    change(&configuration)
    do throws(SystemError) {
        let engine = try Engine(configuration) { _ in IdleHandler() }
        engine.stop()
        try engine.join()
        return nil
    } catch {
        return error
    }
}

/// The call fails from some moment on with what nothing can be done about.
private func expectFailure(
    _ backend: BackendKind, refusing call: RefusedCall, _ name: String
) throws {
    var configuration = Configuration(backend: backend)
    configuration.workers = 2
    let engine = try Engine(configuration) { _ in IdleHandler() }
    require(engine.failure == nil, "a failure at the start")
    refuse(call, with: EIO)
    engine.wake()
    let failure = try eventually("a failure") { engine.failure }
    require(failure.errno.code == EIO && failure.call == name, "\(failure)")
    engine.stop()
    do throws(SystemError) {
        try engine.join()
        require(false, "join threw nothing")
    } catch {
        require(error == failure, "\(error)")
    }
}

/// Six starts or more have failed since: one descriptor that each leaves would show. The libraries open
/// a few when they first need them (an epoll, an eventfd, a timer), and the worker's thread closes its
/// wake signal a moment after the failure.
private func eventuallyClosed(since before: Int) throws {
    try eventually("everything is closed") { descriptorCount() <= before + 4 }
}

/// The call fails from some moment on with what passes by itself: the engine goes on trying.
private func expectRetries(
    _ backend: BackendKind, refusing call: RefusedCall, _ code: CInt
) throws {
    let engine = try Engine(Configuration(backend: backend)) { _ in IdleHandler() }
    refuse(call, with: code)
    engine.wake()
    try eventually("\(Errno(code))") { engine.counters.entryRetries > 100 }
    require(engine.failure == nil, "\(String(describing: engine.failure))")
    let workers = engine.countersByWorker
    require(workers.count == 1 && workers[0].entryRetries > 100, "\(workers)")
    engine.stop()
    try engine.join()
}

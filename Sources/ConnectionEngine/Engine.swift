// The public entrance: makes workers, starts their threads, stops them.

import CLinux
import Glibc

/// A running set of workers, each with its own thread, handler and backend.
///
/// ```swift
/// var configuration = Configuration(backend: .uring)
/// configuration.listen = [.loopback(port: 7000)]
/// let engine = try Engine(configuration) { _ in EchoHandler() }
/// try engine.join()
/// ```
///
/// Safe to use from any thread.
public final class Engine: Sendable {
    /// Where the engine listens, with the ports that the kernel chose; in the order of
    /// ``Configuration/listen``.
    public let listeningAddresses: [SocketAddress]
    public let configuration: Configuration
    /// Connections that may wait to be accepted on each listener: ``Limits/backlog``, or less where
    /// rings are small. The kernel lowers it further to net.core.somaxconn.
    public let backlog: UInt32
    private let workers: [RunningWorker]
    private let stopFlag = StopFlag()

    private struct RunningWorker: Sendable {
        let thread: Thread
        let status: WorkerStatus
        let wake: WakeSignal
        let wakeUp: EventCount
    }

    /// Opens the listening sockets and starts the workers.
    ///
    /// - Parameter makeHandler: called once per worker, on the worker's thread, with its number
    ///   from 0.
    /// - Throws: when the machine is not fit: a port in use, io_uring forbidden, no descriptors.
    ///   The description says what to do. Nothing is left behind then.
    public init<H: Handler & ~Copyable>(
        _ configuration: Configuration, makeHandler: @escaping @Sendable (Int) -> H
    ) throws(SystemError) {
        precondition(configuration.workers >= 1, "workers: \(configuration.workers)")
        configuration.limits.check()
        let descriptorLimit = raiseDescriptorLimit()
        self.configuration = configuration
        backlog = configuration.backlog(descriptorLimit: descriptorLimit)
        let listeners = try Listeners(configuration, backlog: backlog)
        self.listeningAddresses = listeners.addresses
        var running: [RunningWorker] = []
        do throws(SystemError) {
            for index in 0..<configuration.workers {
                running.append(
                    try Engine.start(
                        index, configuration, listeners: listeners.ofWorker[index],
                        descriptorLimit: descriptorLimit, stopFlag, makeHandler))
            }
        } catch {
            // The failed worker has closed its own listeners; the others close theirs in their end.
            stopFlag.set()
            for worker in running { Engine.end(worker) }
            for index in (running.count + 1)..<max(configuration.workers, running.count + 1) {
                for fd in listeners.ofWorker[index] { Kernel.close(fd) }
            }
            throw error
        }
        self.workers = running
    }

    deinit {
        // Joining here would block whoever drops the last reference; the threads end by themselves.
        stop()
    }

    /// Ends the workers after their present turn; connections are closed. Returns at once.
    public func stop() {
        stopFlag.set()
        wake()
    }

    /// Gives every handler a turn soon, even if nothing has completed.
    public func wake() {
        for worker in workers {
            worker.wake.signal()
            worker.wakeUp.advance()
        }
    }

    /// Waits until all workers have ended, after ``stop()`` or by ``OperationQueue/stop()``. Call
    /// it at most once.
    ///
    /// - Throws: what made a backend unusable.
    public func join() throws(SystemError) {
        for worker in workers { worker.thread.join() }
        for worker in workers {
            if let failure = worker.status.failure { throw failure }
        }
    }

    /// What made a backend unusable, if one is; its worker has ended then.
    public var failure: SystemError? {
        for worker in workers {
            if let failure = worker.status.failure { return failure }
        }
        return nil
    }

    /// What all workers did so far; at most 10 ms old for a worker that takes turns.
    public var counters: Counters {
        var sum = Counters()
        for worker in workers { sum += worker.status.counters }
        return sum
    }

    /// The same of each worker alone, in their order.
    public var countersByWorker: [Counters] { workers.map { $0.status.counters } }

    /// What this kernel lacks, or was masked, and is done without; each once.
    public var fallbacks: [String] {
        Set(workers.flatMap { $0.status.fallbacks }).sorted()
    }

    // MARK: Starting

    private static func start<H: Handler & ~Copyable>(
        _ index: Int, _ configuration: Configuration, listeners: [CInt],
        descriptorLimit: UInt64, _ stopFlag: StopFlag, _ makeHandler: @escaping @Sendable (Int) -> H
    ) throws(SystemError) -> RunningWorker {
        let status = WorkerStatus()
        let started = EventCount()
        let wakeUp = EventCount()
        let setup: WorkerSetup
        do throws(SystemError) {
            setup = try prepare(
                configuration, listeners: listeners, descriptorLimit: descriptorLimit)
        } catch {
            for fd in listeners { Kernel.close(fd) }
            throw error
        }
        let processors = configuration.processors
        let kind = configuration.backend
        let thread: Thread
        do throws(SystemError) {
            thread = try Thread(
                name: "\(kind.rawValue)-worker-\(index)",
                processor: processors.isEmpty ? nil : processors[index % processors.count]
            ) {
                do throws(SystemError) {
                    switch kind {
                    case .uring:
                        var worker = try Worker<URingBackend, H>(
                            setup, status: status, handler: makeHandler(index))
                        started.advance()
                        try worker.run(until: stopFlag)
                    case .epoll:
                        var worker = try Worker<EpollBackend, H>(
                            setup, status: status, handler: makeHandler(index))
                        started.advance()
                        try worker.run(until: stopFlag)
                    case .threads:
                        let worker = ThreadWorker(
                            setup, stop: stopFlag, status: status, wakeUp: wakeUp,
                            handler: makeHandler(index))
                        started.advance()
                        try worker.run()
                    }
                } catch {
                    status.fail(error)
                }
                release(setup)
                started.advance()
            }
        } catch {
            release(setup)
            throw error
        }
        // A ring is made on its own thread, so its failure is known only now.
        while started.value == 0 { started.wait(from: 0, until: nil) }
        if let failure = status.failure {
            thread.join()
            throw failure
        }
        return RunningWorker(thread: thread, status: status, wake: setup.wake, wakeUp: wakeUp)
    }

    /// Takes a worker's memory and its wake signal.
    static func prepare(
        _ configuration: Configuration, listeners: [CInt], descriptorLimit: UInt64
    ) throws(SystemError) -> WorkerSetup {
        let limits = configuration.limits
        let layout = configuration.layout(
            listeners: listeners.count, descriptorLimit: descriptorLimit)
        let wake = try WakeSignal()
        let isRing = configuration.backend == .uring
        let table = try ConnectionTable(
            capacity: isRing ? layout.indexLimit : limits.connections,
            kernelNamed: layout.kernelNamed,
            keptForAccepting: isRing && !layout.isDirect
                ? layout.indexLimit - limits.connections : 0)
        let pool: BufferPool
        do throws(SystemError) {
            pool = try BufferPool(count: limits.buffers, byteCount: limits.bufferByteCount)
        } catch {
            table.deallocate()
            throw error
        }
        return WorkerSetup(
            limits: limits, idleMode: configuration.idleMode,
            reusesSourcePorts: configuration.reusesSourcePorts,
            features: URingFeatures.all.subtracting(configuration.maskedFeatures),
            listeners: listeners, layout: layout, wake: wake, table: table, pool: pool)
    }

    /// Gives back what a worker was given, after its last use.
    private static func release(_ setup: WorkerSetup) {
        for fd in setup.listeners { Kernel.close(fd) }
        setup.table.deallocate()
        setup.pool.deallocate()
    }

    private static func end(_ worker: RunningWorker) {
        worker.wake.signal()
        worker.wakeUp.advance()
        worker.thread.join()
    }
}

/// The listening sockets of an engine, dealt to its workers.
private struct Listeners {
    var ofWorker: [[CInt]]
    var addresses: [SocketAddress] = []

    init(_ configuration: Configuration, backlog: UInt32) throws(SystemError) {
        ofWorker = Array(repeating: [], count: configuration.workers)
        let isShared = configuration.sharesListeners
        do throws(SystemError) {
            for (position, wanted) in configuration.listen.enumerated() {
                var address = wanted
                for worker in configuration.workersListening(at: position) {
                    let socket = try Socket.listening(
                        on: address, backlog: backlog, sharesPort: isShared,
                        nonBlocking: configuration.backend != .uring)
                    // The first one's port, if the kernel chose it, is the others' too.
                    address = try socket.localAddress()
                    ofWorker[worker].append(socket.release())
                }
                addresses.append(address)
            }
        } catch {
            for fd in ofWorker.joined() { Kernel.close(fd) }
            throw error
        }
    }
}

// What an embedder chooses when it makes an engine.

/// The kernel interface that carries out operations.
public enum BackendKind: String, CaseIterable, Codable, Sendable {
    /// io_uring, Linux 6.1 and newer.
    case uring
    /// Edge-triggered epoll.
    case epoll
    /// One blocking thread per connection.
    case threads
}

/// How a connection waits for bytes (io_uring only; the other backends have one way).
public enum IdleMode: String, CaseIterable, Codable, Sendable {
    /// A poll while idle (256 B of kernel memory), a multishot receive while busy (864 B).
    case adaptive
    /// Always a poll: the least memory.
    case poll
    /// Always a multishot receive: the least CPU.
    case receive
}

/// Which worker opens which listening address.
public enum ListenerSpread: Sendable {
    /// Each worker listens on every address; the kernel spreads connections (SO_REUSEPORT).
    case everyWorker
    /// Address `i` belongs to worker `i % workers` alone.
    case dealt
}

/// Kernel features that the io_uring backend uses where it finds them.
public struct URingFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// IORING_SETUP_DEFER_TASKRUN, Linux 6.1. Else: COOP_TASKRUN.
    public static let deferTaskRun = URingFeatures(rawValue: 1)
    /// Direct descriptors, Linux 5.19. Else: plain descriptors, bounded by RLIMIT_NOFILE.
    public static let directDescriptors = URingFeatures(rawValue: 2)
    /// Multishot accept, Linux 5.19. Else: one accept request per connection.
    public static let multishotAccept = URingFeatures(rawValue: 4)
    /// Multishot receive with provided buffers, Linux 6.0. Else: single receives.
    public static let multishotReceive = URingFeatures(rawValue: 8)
    /// IORING_OP_BIND, Linux 6.11. Else: socket(2), bind(2) and a registration per connection.
    public static let bind = URingFeatures(rawValue: 16)
    /// min_wait_usec, Linux 6.12. Else: no waiting for batches.
    public static let minWait = URingFeatures(rawValue: 32)

    /// IORING_REGISTER_RESTRICTIONS, Linux 5.10: a ring takes only the operations that the engine
    /// uses. Else: any.
    public static let restrictions = URingFeatures(rawValue: 64)

    public static let all = URingFeatures(rawValue: 127)

    /// The names of the features in this set.
    public var names: [String] {
        let known: [(URingFeatures, String)] = [
            (.deferTaskRun, "deferTaskRun"), (.directDescriptors, "directDescriptors"),
            (.multishotAccept, "multishotAccept"), (.multishotReceive, "multishotReceive"),
            (.bind, "bind"), (.minWait, "minWait"), (.restrictions, "restrictions"),
        ]
        return known.filter { contains($0.0) }.map(\.1)
    }
}

/// An engine's set-up.
public struct Configuration: Sendable {
    public var backend: BackendKind
    /// Workers. Each has a thread, a handler, a backend and ``limits`` of its own.
    public var workers = 1
    public var limits = Limits()
    /// Addresses to accept connections on; port 0 lets the kernel choose.
    public var listen: [SocketAddress] = []
    public var listenerSpread = ListenerSpread.everyWorker
    public var idleMode = IdleMode.adaptive
    /// A connect may have a source address and port that another connection has (to another
    /// destination), or that is in TIME_WAIT (SO_REUSEADDR). Without it such a connect fails with
    /// EADDRINUSE, and the others cost 1 µs less (io_uring, of 15; measured on Linux 6.18).
    public var reusesSourcePorts = true
    /// Worker `i` runs only on processor `processors[i % count]`; empty: wherever the kernel likes.
    public var processors: [UInt32] = []
    /// io_uring features to do without, as if the kernel lacked them.
    public var maskedFeatures: URingFeatures = []

    public init(backend: BackendKind) {
        self.backend = backend
    }
}

extension Configuration {
    /// Several workers listen on one port.
    var sharesListeners: Bool { listenerSpread == .everyWorker && workers > 1 }

    /// The workers that listen on an address of ``listen``.
    func workersListening(at position: Int) -> Range<Int> {
        sharesListeners ? 0..<workers : position % workers..<position % workers + 1
    }

    func listenerCount(of worker: Int) -> Int {
        listen.indices.count { workersListening(at: $0).contains(worker) }
    }

    var usesDirectDescriptors: Bool {
        backend == .uring && !maskedFeatures.contains(.directDescriptors)
    }

    /// Connections that may wait in one listener's queue: a ring must keep as many slots free as
    /// its listeners' queues hold.
    func backlog(descriptorLimit: UInt64) -> UInt32 {
        let perWorker = UInt32(max(listenerCount(of: 0), 1))
        var slots = limits.ringSlots
        if usesDirectDescriptors { slots = UInt32(min(UInt64(slots), descriptorLimit)) }
        return min(limits.backlog, max(slots / (4 * perWorker), 8))
    }

    /// How a worker's connections lie in its rings.
    func layout(listeners: Int, descriptorLimit: UInt64) -> URingLayout {
        URingLayout(
            limits: limits, listeners: listeners,
            backlog: backlog(descriptorLimit: descriptorLimit), isDirect: usesDirectDescriptors,
            descriptorLimit: descriptorLimit)
    }
}

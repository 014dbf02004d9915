// The choices of a load client that no command changes.

/// How a client works, the same in all phases of a run.
struct LoadSettings: Codable, Sendable {
    /// Of every message, unless the shape has a distribution.
    var messageByteCount = 64
    var shape = LoadShape()
    /// Fixes what is drawn at random.
    var seed: UInt64 = 0
    /// A worker is one thread, whose processor time says how busy it is.
    var workersAreThreads = true
    /// Connects on their way at once, per worker.
    var connectWindow = 256
    var sourcePorts = SourcePorts.planned
    /// Connects per second, per worker; `nil`: as fast as they go.
    var connectsPerSecond: Double?
    /// Requests on their way at once in a sweep, per worker.
    var sweepWindow = 128
    /// Connects of one worker that may fail before it gives the ramp up.
    var failuresMax = 1_000
    /// Connections that may wait to be accepted, over all listeners together; `nil`: connects wait
    /// for nothing, and a burst may overflow the accept queues.
    var acceptLagMax: Int? = 1_024

    /// Connections are armed for good, so that an end is heard at once. Costs nothing where each has a
    /// thread, which waits in recv(2) anyway; and there a server without a thread for a client resets
    /// it after the accept.
    var hearsEnds: Bool { !workersAreThreads }
}

/// Who chooses a connection's source address and port.
public enum SourcePorts: String, CaseIterable, Codable, Sendable {
    /// The plan: each (address, port) pair once, bound explicitly.
    case planned
    /// The kernel, in connect(2), from ip_local_port_range.
    case kernel
    /// The kernel, in bind(2) to 127.0.0.1 and port 0, as many programs do.
    case bind
}

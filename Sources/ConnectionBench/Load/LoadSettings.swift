// The choices of a load client that no command changes.

/// How a client works, the same in all phases of a run.
struct LoadSettings: Codable, Sendable {
    var messageByteCount = 64
    /// Connects on their way at once, per worker.
    var connectWindow = 256
    /// Connects per second, per worker; `nil`: as fast as they go.
    var connectsPerSecond: Double?
    /// Requests on their way at once in a sweep, per worker.
    var sweepWindow = 128
    /// Connects of one worker that may fail before it gives the ramp up.
    var failuresMax = 1_000
    /// Connections that may wait to be accepted, over all listeners together.
    var acceptLagMax = 1_024
}

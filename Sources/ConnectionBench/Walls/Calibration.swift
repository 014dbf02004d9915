// What a connection costs on this machine, measured with a few thousand real ones.

import ConnectionEngine

/// Figures of a short run; memory as the slope between two steps.
public struct Calibration: Codable, Hashable, Sendable {
    public var backend: BackendKind
    /// Connections at the larger of the two steps.
    public var connections: Int
    public var kernelBytesPerConnection: Int
    public var userBytesPerConnection: Int
    /// Of the kernel's and the user's bytes, what a memory control group counts; `nil`: no group
    /// has a limit here.
    public var chargedBytesPerConnection: Int?
    /// What a memory control group counted for the processes before the first connection: less than
    /// they have, since the pages of the program itself are charged to whoever read them first.
    public var chargedFixedBytes: Int?
    /// User memory of all processes before the first connection.
    public var fixedBytes: Int
    public var connectsPerSecond: Double
    /// Processor time of the whole machine for one connect and accept, and for one echo on a
    /// connection that was idle, in microseconds; `nil`: not measured.
    public var connectMicroseconds: Double?
    public var echoMicroseconds: Double?
    /// Entries of the firewall's table that a connection takes: 0 where no rule tracks them.
    public var conntrackEntriesPerConnection: Double?
    public var seconds: Double

    public var bytesPerConnection: Int { kernelBytesPerConnection + userBytesPerConnection }
}

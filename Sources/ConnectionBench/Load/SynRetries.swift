// Connects that took as long as the kernel waits before it sends a SYN again.

import ConnectionEngine

/// Connects by the number of SYNs they needed, found by their time.
///
/// A SYN without an answer is sent again after 1 s; then, as long as `tcp_syn_linear_timeouts` says
/// (Linux 6.5, default 4), every second, and after that after twice the time before. Older kernels
/// double from the beginning: 1, 3, 7 s. RFC 6298 has the first second.
public struct SynRetries: Codable, Hashable, Sendable {
    public struct Cluster: Codable, Hashable, Sendable {
        /// SYNs sent again.
        public var retries: Int
        public var afterSeconds: Int
        public var connects: Int
    }

    /// Clusters that are not empty.
    public var clusters: [Cluster] = []

    /// A connect belongs to a cluster when it took up to 0.3 s longer than the kernel's pause.
    static let widthSeconds = 0.3

    init(_ latency: LatencyHistogram, facts: HostFacts) {
        let linear = facts.synLinearTimeouts ?? 0
        for (index, seconds) in Self.pauses(linear: linear, upTo: 64).enumerated() {
            let from = UInt64(seconds) * 1_000_000_000
            let count = latency.count(
                from: from, to: from + UInt64(Self.widthSeconds * 1e9))
            if count > 0 {
                clusters.append(
                    Cluster(retries: index + 1, afterSeconds: seconds, connects: Int(count)))
            }
        }
    }

    /// Seconds from the first SYN to each further one.
    static func pauses(linear: Int, upTo limit: Int) -> [Int] {
        var pauses: [Int] = []
        var time = 0
        var pause = 1
        var count = 0
        while time + pause <= limit {
            time += pause
            pauses.append(time)
            count += 1
            if count > linear { pause *= 2 }
        }
        return pauses
    }

    /// Connects of all clusters.
    var connects: Int { clusters.reduce(0) { $0 + $1.connects } }

    var text: String? {
        guard !clusters.isEmpty else { return nil }
        let parts = clusters.map { "\(Count.format($0.connects)) after \($0.afterSeconds) s" }
        return "connects that waited for the kernel to send their SYN again: "
            + parts.joined(separator: ", ")
    }
}

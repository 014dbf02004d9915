// Whether a probe measured the server, or the client that loads it.

import ConnectionEngine

/// How well the client kept to its own schedule in the measured part of a probe, and what follows.
public struct GeneratorProof: Codable, Sendable {
    /// From when a request was due to the turn that sent it, where a connection was free for it.
    public var sendLag = LatencySummary()
    /// From when a client worker wanted a turn to when it had one.
    public var loopLag = LatencySummary()
    /// Requests that were late since the connections were busy: that is the server's doing, or too
    /// few connections for the rate.
    public var waitedForConnection = 0
    /// Of the client worker that had the least time to spare: the part of the time in which it had a
    /// processor, and that in which it could have run and had none. Absent: unknown, because a
    /// worker is not one thread, or because the kernel does not tell.
    public var busyShare: Double?
    public var delayedShare: Double?
    /// The client was the bottleneck; absent: cannot be told.
    public var isBound: Bool?
    /// Why, in words that follow "the client …: ".
    public var reason = ""

    /// Busier than this, a worker has no time left to be on time.
    static let busyShareMax = 0.9
    /// Shorter delays than this are those of any timer on a busy machine.
    static let lagNanosecondsMax: UInt64 = 1_000_000

    /// - Parameter latency: what was measured, from the due times.
    init(_ reports: [GeneratorReport], latency: LatencySummary, loop: LoadShape.Loop) {
        var sendLag = LatencyHistogram(isCoarse: true)
        var loopLag = LatencyHistogram(isCoarse: true)
        for report in reports {
            sendLag.add(report.sendLag)
            loopLag.add(report.loopLag)
            waitedForConnection += report.waitedForConnection
        }
        self.sendLag = sendLag.summary
        self.loopLag = loopLag.summary
        // With a thread per connection no worker has a figure.
        let busiest = reports.max {
            ($0.processorSeconds ?? 0) + ($0.delayedSeconds ?? 0)
                < ($1.processorSeconds ?? 0) + ($1.delayedSeconds ?? 0)
        }
        if let busiest, busiest.elapsedSeconds > 0 {
            busyShare = busiest.processorSeconds.map { $0 / busiest.elapsedSeconds }
            delayedShare = busiest.delayedSeconds.map { $0 / busiest.elapsedSeconds }
        }
        judge(latency, loop)
    }

    private mutating func judge(_ latency: LatencySummary, _ loop: LoadShape.Loop) {
        let lag = sendLag.p99Nanoseconds
        let delayed = delayedShare ?? 0
        let onTime =
            "99 % of the requests were sent within \(DurationText.of(lag)) of their due time"
        if let busyShare, busyShare + delayed > Self.busyShareMax {
            isBound = true
            reason = "a worker of it \(Self.words(busyShare, delayed))"
        } else if lag > Self.lagNanosecondsMax, 4 * lag >= latency.p99Nanoseconds {
            isBound = true
            reason =
                "1 % of the requests were sent \(DurationText.of(lag)) or more after they were due,"
                + " though a connection was free, and the p99 is"
                + " \(DurationText.of(latency.p99Nanoseconds))"
        } else if let busyShare {
            isBound = false
            reason =
                "its worker with the least time to spare \(Self.words(busyShare, delayed))"
                + (sendLag.count > 0 ? ", and \(onTime)" : "")
        } else if loop == .open, sendLag.count > 0 {
            isBound = false
            reason = onTime
        } else {
            reason = "a thread per connection tells no load of a worker"
        }
        if waitedForConnection > 0 {
            reason += "; \(Count.format(waitedForConnection)) requests waited for a free connection"
        }
    }

    private static func words(_ busy: Double, _ delayed: Double) -> String {
        "was busy for \(Int(saturating: (busy * 100).rounded())) % of the time, and waited for a processor for"
            + " \(Int(saturating: (delayed * 100).rounded())) %"
    }
}

// The connects of one ramp, churn or storm, as all workers together report them.

import ConnectionEngine

struct Connects {
    /// Of their latencies, from when each was due.
    private(set) var histogram = LatencyHistogram()
    /// By errno.
    private(set) var failures: [String: Int] = [:]
    let synRetries: SynRetries

    init(_ reports: [LoadReport], _ host: HostFacts) {
        for report in reports {
            histogram.add(report.connectLatency)
            for (code, count) in report.failures {
                failures[Errno(code).name, default: 0] += count
            }
        }
        synRetries = SynRetries(histogram, facts: host)
    }

    var failureWords: String {
        failures.sorted { $0.key < $1.key }.map { "\(Count.format($0.value)) x \($0.key)" }
            .joined(separator: ", ")
    }
}

extension ProcessGroup {
    /// From `start` until the newest connection existed on both sides.
    func secondsUntilLastOpen(since start: MonotonicTime) -> Double {
        let last = max(
            board.max(.lastOpenAt, rows: clientRows), board.max(.lastOpenAt, rows: serverRows))
        return MonotonicTime(nanoseconds: UInt64(max(last, 0))).seconds(since: start)
    }
}

extension StepResult {
    /// The three counts, for a message that they do not agree.
    var countsText: String {
        "the client counts \(Count.format(clientEstablished)), the server"
            + " \(Count.format(serverAccepted)), the kernel"
            + " \(kernelCount.map { Count.format($0) } ?? "unknown")"
    }
}

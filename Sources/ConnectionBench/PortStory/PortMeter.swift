// From single connects to points: one for each twentieth of the port range.

import CLinux
import ConnectionEngine
import Glibc

/// Collects what one strategy's connects cost. Used on the connecting thread.
struct PortMeter {
    private let ports: Int
    private(set) var points: [PortClimbResult.Point] = []
    private(set) var connections = 0
    /// Nanoseconds of each connect of the point that is being filled.
    private var samples: [UInt64] = []
    private var pointBegan: MonotonicTime
    private var processorBegan: UInt64

    init(ports: Int) {
        self.ports = ports
        samples.reserveCapacity(ports / PortStoryPlan.parts + 1)
        processorBegan = ThreadUsage.nanoseconds
        pointBegan = .now
    }

    /// Where the point that is being filled ends.
    private var nextBorder: Int { (points.count + 1) * ports / PortStoryPlan.parts }

    mutating func add(nanoseconds: UInt64) {
        samples.append(nanoseconds)
        connections += 1
        if connections == nextBorder { closePoint() }
    }

    /// The points, the last of which may have been cut off.
    mutating func finish() -> [PortClimbResult.Point] {
        if !samples.isEmpty { closePoint() }
        return points
    }

    private mutating func closePoint() {
        let now = MonotonicTime.now
        let processor = Double(ThreadUsage.nanoseconds - processorBegan) / 1e9
        let seconds = max(now.seconds(since: pointBegan), 1e-9)
        let count = samples.count
        samples.sort()
        let planned = nextBorder
        points.append(
            PortClimbResult.Point(
                connectionsFrom: connections - count, connectionsTo: connections,
                connectionsPlanned: planned,
                occupancyPercent: 100 * Double(planned) / Double(ports),
                seconds: seconds, connectsPerSecond: Double(count) / seconds,
                medianNanoseconds: Self.rank(50, of: samples),
                p99Nanoseconds: Self.rank(99, of: samples), processorSeconds: processor,
                processorMicrosecondsPerConnect: processor * 1e6 / Double(count)))
        samples.removeAll(keepingCapacity: true)
        processorBegan = ThreadUsage.nanoseconds
        pointBegan = .now
    }

    /// The nearest-rank percentile: the smallest sample that so many percent do not exceed.
    static func rank(_ percent: Int, of sorted: [UInt64]) -> UInt64 {
        sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
    }
}

/// Processor time of the calling thread so far.
struct ThreadUsage {
    var userSeconds: Double
    var systemSeconds: Double

    /// User and system, from getrusage(2): both are brought up to date by the timer tick only, every
    /// 4 ms here, so they are for longer times.
    static func read() -> ThreadUsage {
        var usage = rusage()
        let result = CLinux_thread_usage(&usage)
        precondition(result == 0, "getrusage: \(Errno(-result))")
        return ThreadUsage(
            userSeconds: seconds(usage.ru_utime), systemSeconds: seconds(usage.ru_stime))
    }

    /// User and system together, exact to the moment.
    static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1e6
    }
}

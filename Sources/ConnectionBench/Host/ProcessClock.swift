// The processor time of a process by its own clock: a probe of a second is 100 ticks of /proc.

import Glibc

/// The clock of clock_getcpuclockid(3): all threads of the process, ended ones included.
enum ProcessClock {
    /// - Returns: `nil` when the process has ended and is reaped.
    static func seconds(of pid: Int32) -> Double? {
        var clock = clockid_t()
        // A clock's number has 29 bits for the process; beyond them it would be another one's.
        guard 0..<1 << 28 ~= pid, clock_getcpuclockid(pid, &clock) == 0 else { return nil }
        return read(clock)
    }

    /// Of the calling thread alone.
    static var ofThisThread: Double { read(CLOCK_THREAD_CPUTIME_ID) ?? 0 }

    private static func read(_ clock: clockid_t) -> Double? {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func seconds(of pids: [Int32]) -> Double? {
        var sum = 0.0
        for pid in pids {
            guard let seconds = seconds(of: pid) else { return nil }
            sum += seconds
        }
        return sum
    }
}

// A server worker that sleeps now and then, as one in a garbage collection or a page fault would.

import ConnectionEngine
import Glibc

/// When a worker's stalls begin and end.
struct StallClock {
    private let nanoseconds: UInt64
    private let periodNanoseconds: UInt64
    /// The beginning of the next stall.
    private(set) var next: MonotonicTime

    init(_ stall: ServerShape.Stall, from start: MonotonicTime) {
        nanoseconds = UInt64(stall.seconds * 1e9)
        periodNanoseconds = UInt64(stall.periodSeconds * 1e9)
        next = start.advanced(byNanoseconds: periodNanoseconds)
    }

    /// The end of the stall that `now` lies in; `nil`: in none. Stalls that were missed are left out.
    mutating func end(ofStallAt now: MonotonicTime) -> MonotonicTime? {
        guard now >= next else { return nil }
        let late = now.nanoseconds(since: next)
        let begin = next.advanced(byNanoseconds: late / periodNanoseconds * periodNanoseconds)
        next = begin.advanced(byNanoseconds: periodNanoseconds)
        let end = begin.advanced(byNanoseconds: nanoseconds)
        return now < end ? end : nil
    }

    mutating func sleepIfDue(_ now: MonotonicTime) {
        guard let end = end(ofStallAt: now) else { return }
        var time = timespec()
        time.tv_sec = Int(end.nanoseconds / 1_000_000_000)
        time.tv_nsec = Int(end.nanoseconds % 1_000_000_000)
        while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}

// When each request, or connect, of a mean rate is due, whatever the answers do.

import ConnectionEngine
import Glibc

/// Due times of a mean rate: equally spaced, in bursts, or as a Poisson process.
///
/// Equally spaced, burst number n is due at `start + (n + stagger) / rate`. A Poisson process adds up
/// random pauses, whose mean is the same; its sum is kept as a number of nanoseconds below 2^53, so
/// that no rounding adds up either. The times follow from the schedule alone: a late sender catches
/// up, and nothing drifts.
struct DueSchedule {
    private let start: MonotonicTime
    /// Nothing is due from here on.
    let end: MonotonicTime
    /// Between two bursts, in the mean.
    private let intervalNanoseconds: Double
    private let offsetNanoseconds: Double
    private let burst: Int
    private var random: RandomWords?
    /// Of a Poisson process, the time of the present burst.
    private var arrival = 0.0
    /// How many were taken so far.
    private(set) var count = 0
    /// Those of the present burst that are not taken.
    private var burstLeft: Int
    private var burstNumber = 0

    /// - Parameters:
    ///   - perSecond: 0 for none at all.
    ///   - end: `nil` for a schedule without an end.
    ///   - stagger: from 0 up to 1, another one for each worker, so that their due times interleave.
    ///   - burst: how many are due together.
    ///   - random: makes it a Poisson process. It needs no stagger: those of several workers are
    ///     one together.
    init(
        perSecond: Double, from start: MonotonicTime, until end: MonotonicTime? = nil,
        stagger: Double, burst: Int = 1, random: RandomWords? = nil
    ) {
        precondition(burst >= 1, "a burst of \(burst)")
        self.start = start
        self.end = perSecond > 0 ? end ?? MonotonicTime(nanoseconds: .max) : start
        self.burst = burst
        self.random = random
        burstLeft = burst
        intervalNanoseconds = perSecond > 0 ? 1e9 / perSecond * Double(burst) : 0
        offsetNanoseconds = intervalNanoseconds * stagger
        if random != nil { arrival = pause() }
    }

    /// The time of the next one that was not taken; `nil` when nothing more will be due.
    var next: MonotonicTime? {
        let after =
            random == nil
            ? offsetNanoseconds + intervalNanoseconds * Double(burstNumber) : arrival
        // Past any end, and beyond what a whole number can hold.
        guard after < 1e18 else { return nil }
        let due = start.advanced(byNanoseconds: UInt64(after))
        return due < end ? due : nil
    }

    mutating func advance() {
        count += 1
        burstLeft -= 1
        guard burstLeft == 0 else { return }
        burstLeft = burst
        burstNumber += 1
        if random != nil { arrival += pause() }
    }

    /// Exponentially distributed.
    private mutating func pause() -> Double {
        guard var random else { return 0 }
        let unit = random.unit()
        self.random = random
        return -log(unit) * intervalNanoseconds
    }
}

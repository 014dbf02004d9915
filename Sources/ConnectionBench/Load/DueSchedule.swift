// When each request, or connect, of a fixed rate is due, whatever the answers do.

import ConnectionEngine

/// Equally spaced due times: number n is due at `start + (n + stagger) / rate`.
///
/// The times follow from the number alone, so a late sender catches up and no error adds up.
struct DueSchedule {
    private let start: MonotonicTime
    /// Nothing is due from here on.
    let end: MonotonicTime
    private let intervalNanoseconds: Double
    private let offsetNanoseconds: Double
    /// How many were taken so far.
    private(set) var count = 0

    /// - Parameters:
    ///   - perSecond: 0 for none at all.
    ///   - end: `nil` for a schedule without an end.
    ///   - stagger: from 0 up to 1, another one for each worker, so that their due times interleave.
    init(
        perSecond: Double, from start: MonotonicTime, until end: MonotonicTime? = nil,
        stagger: Double
    ) {
        self.start = start
        self.end = perSecond > 0 ? end ?? MonotonicTime(nanoseconds: .max) : start
        intervalNanoseconds = perSecond > 0 ? 1e9 / perSecond : 0
        offsetNanoseconds = intervalNanoseconds * stagger
    }

    /// The time of the next one that was not taken; `nil` when nothing more will be due.
    var next: MonotonicTime? {
        let after = UInt64(offsetNanoseconds + intervalNanoseconds * Double(count))
        let due = start.advanced(byNanoseconds: after)
        return due < end ? due : nil
    }

    mutating func advance() {
        count += 1
    }
}

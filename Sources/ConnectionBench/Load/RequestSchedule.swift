// The requests of one probe: those of its warm-up, then those that are measured.

import ConnectionEngine

/// Two schedules after each other. What the warm-up could not send in time stays due, and is sent
/// before anything that is measured.
struct RequestSchedule {
    private var warmup: DueSchedule
    private var measured: DueSchedule
    let start: MonotonicTime
    let measuresFrom: MonotonicTime
    let end: MonotonicTime

    /// Nothing at all.
    init() {
        self.init(
            ProbeOrder(requestsPerSecond: 0, startNanoseconds: 0, durationNanoseconds: 0),
            shape: LoadShape(), stagger: 0, random: RandomWords(seed: 0))
    }

    init(_ order: ProbeOrder, shape: LoadShape, stagger: Double, random: RandomWords) {
        start = MonotonicTime(nanoseconds: order.startNanoseconds)
        measuresFrom = start.advanced(byNanoseconds: order.warmupNanoseconds)
        end = measuresFrom.advanced(byNanoseconds: order.durationNanoseconds)
        // A closed loop has no schedule.
        let rate = shape.loop == .open ? order.requestsPerSecond : 0
        isEmpty = rate <= 0
        var random = random
        func schedule(from start: MonotonicTime, until end: MonotonicTime) -> DueSchedule {
            DueSchedule(
                perSecond: rate, from: start, until: end, stagger: stagger, burst: shape.burst,
                random: shape.arrivals == .poisson ? RandomWords(seed: random.next()) : nil)
        }
        warmup = schedule(from: start, until: measuresFrom)
        measured = schedule(from: measuresFrom, until: end)
    }

    /// Nothing was ever due.
    let isEmpty: Bool

    /// The next request that was not taken; `nil` when nothing more will be due.
    var next: (due: MonotonicTime, isMeasured: Bool)? {
        if let due = warmup.next { return (due, false) }
        return measured.next.map { ($0, true) }
    }

    mutating func advance() {
        if warmup.next != nil { warmup.advance() } else { measured.advance() }
    }

    /// Takes the next measured request, and forgets what is left of the warm-up.
    mutating func takeMeasured() -> MonotonicTime? {
        guard let due = measured.next else { return nil }
        measured.advance()
        return due
    }

    /// Measured requests that were taken.
    var measuredCount: Int { measured.count }
}

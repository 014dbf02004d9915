// Due times follow from their numbers, and those of several workers interleave.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct DueScheduleTests {
    @Test("the due times of staggered workers interleave evenly")
    func stagger() {
        let times = (0..<4).flatMap { worker -> [UInt64] in
            var schedule = DueSchedule(
                perSecond: 250, from: at(0), until: at(8), stagger: Double(worker) / 4)
            var times: [UInt64] = []
            while let due = schedule.next {
                times.append(due.nanoseconds - at(0).nanoseconds)
                schedule.advance()
            }
            return times
        }
        #expect(times.sorted() == (0..<8).map { $0 * 1_000_000 })
    }

    @Test("no error adds up over a million due times")
    func exact() {
        var schedule = DueSchedule(perSecond: 3, from: .zero, stagger: 0)
        for _ in 0..<1_000_000 { schedule.advance() }
        #expect(schedule.next?.nanoseconds == 333_333_333_333_333)
    }

    @Test("a schedule without a rate is over at once")
    func none() {
        let schedule = DueSchedule(perSecond: 0, from: at(5), until: at(10), stagger: 0)
        #expect(schedule.next == nil)
        #expect(schedule.end == at(5))
    }
}

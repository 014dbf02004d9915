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

    private func times(_ schedule: DueSchedule, _ count: Int = .max) -> [UInt64] {
        var schedule = schedule
        var times: [UInt64] = []
        while times.count < count, let due = schedule.next {
            times.append(due.nanoseconds - at(0).nanoseconds)
            schedule.advance()
        }
        return times
    }

    @Test("bursts are due together, at the same mean rate, and those of workers interleave")
    func bursts() {
        let one = DueSchedule(
            perSecond: 3_000, from: at(0), until: at(6), stagger: 0, burst: 3)
        let other = DueSchedule(
            perSecond: 3_000, from: at(0), until: at(6), stagger: 0.5, burst: 3)
        #expect(times(one) == (0..<6).flatMap { Array(repeating: $0 * 1_000_000, count: 3) })
        #expect(times(other).first == 500_000 && times(other).count == 18)
    }

    private func poisson(seed: UInt64, worker: Int = 0, burst: Int = 1) -> DueSchedule {
        DueSchedule(
            perSecond: 10_000, from: at(0), stagger: 0.5, burst: burst,
            random: RandomWords(seed: seed, worker: worker, phase: 1))
    }

    @Test("Poisson arrivals keep the mean rate, and their pauses are exponential")
    func poissonPauses() {
        let times = times(poisson(seed: 7), 100_000)
        let pauses = zip(times.dropFirst(), times).map { Double($0 - $1) / 100_000 }
        // The standard error of the mean of 100,000 is 0.32 %; the seed fixes all of them.
        let mean = pauses.reduce(0, +) / Double(pauses.count)
        #expect(abs(mean - 1) < 0.01)
        // A pause is longer than x means with probability e^-x.
        for (x, part) in [(0.1, 0.9048), (1, 0.3679), (3, 0.0498)] {
            let longer = Double(pauses.count { $0 > x }) / Double(pauses.count)
            #expect(abs(longer - part) < 0.006, "\(longer) of the pauses are longer than \(x)")
        }
        // Neighbours do not depend on each other.
        let products = zip(pauses, pauses.dropFirst()).map { ($0 - 1) * ($1 - 1) }
        #expect(abs(products.reduce(0, +) / Double(products.count)) < 0.02)
    }

    @Test("a seed fixes the arrivals, and each worker has its own")
    func poissonSeeds() {
        #expect(times(poisson(seed: 7), 100) == times(poisson(seed: 7), 100))
        #expect(times(poisson(seed: 7), 100) != times(poisson(seed: 8), 100))
        #expect(times(poisson(seed: 7), 100) != times(poisson(seed: 7, worker: 1), 100))
    }

    @Test("bursts of a Poisson process are due together, at the same mean rate")
    func poissonBursts() {
        let times = times(poisson(seed: 3, burst: 10), 100_000)
        #expect(Set(times).count == 10_000)
        let mean = Double(times.last ?? 0) / 100_000 / 100_000
        #expect(abs(mean - 1) < 0.03)
    }

    @Test("a schedule without a rate is over at once")
    func none() {
        let schedule = DueSchedule(perSecond: 0, from: at(5), until: at(10), stagger: 0)
        #expect(schedule.next == nil)
        #expect(schedule.end == at(5))
    }
}

// Flat, rising, falling or cannot tell: verdicts of made series.

import Testing

@testable import ConnectionBench

@Suite struct SeriesVerdictTests {
    private static let mebibyte = 1_048_576.0
    private static let level = 100 * mebibyte

    /// Memory of a process, looked at every 6 s.
    private func verdict(
        looks: Int = 300, _ tolerance: SlopeTolerance = .processMemory,
        _ value: (_ look: Int, _ hours: Double) -> Double
    ) -> SeriesVerdict {
        let times = (0..<looks).map { look -> Double in 6 * Double(look) }
        return SeriesVerdict(
            times: times, values: times.enumerated().map { value($0, $1 / 3_600) }, tolerance,
            sampleSeconds: 6)
    }

    @Test("noise of some pages about one level is flat")
    func noisy() {
        var noise = TrendTests.Noise(seed: 1)
        let verdict = verdict { _, _ in Self.level + 65_536 * noise.next() }
        #expect(verdict.kind == .flat && verdict.secondsNeeded == nil)
        #expect(verdict.allowedPerHour.rounded() == Self.mebibyte)
        #expect(abs(verdict.level - Self.level) < 65_536)
    }

    @Test("a leak of 4 MiB an hour below noise is rising, and about so large")
    func leaking() throws {
        var noise = TrendTests.Noise(seed: 2)
        let verdict = verdict { _, hours in
            Self.level + hours * 4 * Self.mebibyte + 65_536 * noise.next()
        }
        #expect(verdict.kind == .rising)
        let low = try #require(verdict.lowPerHour)
        let high = try #require(verdict.highPerHour)
        #expect(low < 4 * Self.mebibyte && 4 * Self.mebibyte < high)
        #expect(high - low < 2 * Self.mebibyte)
    }

    @Test("what is given back is falling")
    func falling() {
        let verdict = verdict { _, hours in Self.level - hours * 4 * Self.mebibyte }
        #expect(verdict.kind == .falling)
    }

    @Test("a cycle that returns to its level again and again is flat")
    func sawtooth() {
        let verdict = verdict { look, _ in
            Self.level + Double(look % 20) / 20 * Self.mebibyte / 2
        }
        #expect(verdict.kind == .flat)
    }

    @Test(
        "one small step is no leak, and of a large one nothing can be said", arguments: [60, 150])
    func step(at place: Int) {
        let small = verdict { look, _ in Self.level + (look < place ? 0 : 200_000) }
        #expect(small.kind == .flat)
        let large = verdict { look, _ in Self.level + (look < place ? 0 : 4 * Self.mebibyte) }
        #expect(large.kind == .cannotTell && large.secondsNeeded != nil)
    }

    @Test("values alike to their neighbours are seldom called rising")
    func alike() {
        let rising = (0..<100).count { seed in
            var noise = TrendTests.Noise(seed: seed, memory: 0.9)
            return verdict { _, _ in Self.level + Self.mebibyte * noise.next() }.kind == .rising
        }
        #expect(rising <= 3, "\(rising) of 100")
    }

    @Test("too short a look says how long it has to be, and so long is long enough")
    func short() throws {
        var noise = TrendTests.Noise(seed: 5)
        let few = verdict(looks: 20) { _, _ in Self.level + 65_536 * noise.next() }
        #expect(few.kind == .cannotTell && few.slopePerHour == nil)
        #expect(try #require(few.secondsNeeded) >= 6 * 40)
        let noisy = verdict(looks: 60) { _, _ in Self.level + 65_536 * noise.next() }
        #expect(noisy.kind == .cannotTell)
        let needed = try #require(noisy.secondsNeeded)
        #expect(needed > 360 && needed < 20 * 3_600)
        let again = verdict(looks: Int(needed / 6)) { _, _ in Self.level + 65_536 * noise.next() }
        #expect(again.kind == .flat)
    }

    @Test("of two bounds the tighter one counts: 1 % of a small process is less than 1 MiB an hour")
    func tolerances() {
        let small = verdict { _, hours in 10 * Self.mebibyte + hours * 0.5 * Self.mebibyte }
        #expect(small.kind == .rising)
        #expect(abs(small.allowedPerHour / Self.mebibyte - 0.2) < 0.01)
        let large = verdict { _, hours in Self.level + hours * 0.5 * Self.mebibyte }
        #expect(large.kind == .flat)
        let kernel = verdict(.kernelMemory) { _, hours in
            Self.level + hours * 1.5 * Self.mebibyte
        }
        #expect(kernel.kind == .flat && kernel.allowedPerHour > 1.9 * Self.mebibyte)
    }

    @Test("a constant is not called flat while a page over the time would be too much")
    func resolution() {
        let second = { (count: Int) in
            SeriesVerdict(
                times: TrendTests.times(count), values: [Double](repeating: 4e6, count: count),
                SlopeTolerance(perHour: 100_000, resolution: 4_096), sampleSeconds: 1)
        }
        let brief = second(60)
        #expect(brief.kind == .cannotTell && brief.slopePerHour == 0)
        #expect(second(200).kind == .flat)
    }
}

// Scales and ticks.

import Testing

@testable import BenchReport

@Suite("Scales and ticks")
struct ScaleTests {
    @Test("a linear scale from 0 ends at a round number and places values in proportion")
    func linear() {
        let scale = Scale(.linear, covering: [3, 47], fit: .fromZero).placed(from: 0, to: 100)
        #expect(scale.low == 0)
        #expect(scale.high == 50)
        #expect(scale.position(25) == 50)
        #expect(Ticks(scale, count: 5).major == [0, 10, 20, 30, 40, 50])
    }

    @Test("a logarithmic scale gives each factor the same length")
    func logarithmic() throws {
        let scale = Scale(.log, from: 1, to: 10_000).placed(from: 0, to: 400)
        let places = [1.0, 10, 100, 1_000, 10_000].compactMap { scale.position($0) }
        for (place, expected) in zip(places, [0.0, 100, 200, 300, 400]) {
            #expect(abs(place - expected) < 1e-9)
        }
    }

    @Test("round ends of a logarithmic scale are 1, 2 or 5 times a power of ten")
    func roundLogarithmic() {
        let scale = Scale(.log, covering: [83_000, 4_100_000], fit: .round)
        #expect(abs(scale.low - 50_000) < 1e-6)
        #expect(abs(scale.high - 5_000_000) < 1e-6)
    }

    @Test("values that are exactly round stay the ends")
    func exactEnds() {
        let scale = Scale(.log, covering: [1_000, 200_000], fit: .round)
        #expect(abs(scale.low - 1_000) < 1e-9)
        #expect(abs(scale.high - 200_000) < 1e-6)
    }

    @Test("what cannot be shown has no place, and what is beyond an end stops there")
    func unshowable() {
        let log = Scale(.log, from: 1, to: 100).placed(from: 0, to: 10)
        for value in [0, -1, .nan, .infinity] { #expect(log.position(value) == nil) }
        #expect(log.position(1e9) == 10)
        let linear = Scale(.linear, from: 0, to: 1).placed(from: 0, to: 10)
        #expect(linear.position(.nan) == nil)
        #expect(linear.position(-5) == 0)
    }

    @Test("no values, one value, equal values and only zeros still make a scale")
    func degenerate() {
        for kind in [Scale.Kind.linear, .log] {
            for fit in [Scale.Fit.fromZero, .round, .tight] {
                for values in [[], [5], [5, 5], [0, 0], [.nan], [1e-300], [1e300]] as [[Double]] {
                    let scale = Scale(kind, covering: values, fit: fit)
                    #expect(scale.low < scale.high, "\(kind) \(fit) \(values)")
                    #expect(Ticks(scale, count: 5).major.count <= 1_001)
                }
            }
        }
    }

    @Test("there are never more labels on a logarithmic axis than room")
    func tickCount() {
        for exponent in 1...12 {
            var high = 10.0
            for _ in 1..<exponent { high *= 10 }
            for count in 2...8 {
                let ticks = Ticks(Scale(.log, from: 1, to: high), count: count)
                #expect(ticks.major.count <= count)
                #expect(!ticks.major.isEmpty)
            }
        }
    }

    @Test("a logarithmic axis within one decade still has labels")
    func withinDecade() {
        let ticks = Ticks(Scale(.log, from: 11_000, to: 14_000), count: 5)
        #expect(ticks.major.count >= 2)
        #expect(ticks.major.allSatisfy { $0 >= 11_000 && $0 <= 14_000 })
    }

    @Test(
        "ticks are written short",
        arguments: [
            (0.0, "0"), (950, "950"), (1_000, "1k"), (1_500, "1.5k"), (10_000, "10k"),
            (999_999, "1M"), (2_750_000, "2.75M"), (1e9, "1G"), (.infinity, "–"),
        ])
    func compact(value: Double, text: String) {
        #expect(NumberText.compact(value) == text)
    }

    @Test(
        "durations on an axis have the unit that suits them",
        arguments: [
            (500.0, "500 ns"), (100_000, "100 µs"), (1_000_000, "1 ms"), (2_500_000, "2.5 ms"),
            (5e9, "5 s"),
        ])
    func compactDuration(nanoseconds: Double, text: String) {
        #expect(NumberText.compactDuration(nanoseconds: nanoseconds) == text)
    }

    @Test(
        "decimals are rounded, separated, and safe with any double",
        arguments: [
            (1_234.56, "1,234.6"), (-0.04, "0.0"), (-1.25, "-1.3"), (.nan, "–"),
            (1e300, "1e+300"),
        ])
    func decimals(value: Double, text: String) {
        #expect(NumberText.oneDecimal(value) == text)
    }

    @Test("labels at the ends of lines move apart and stay within the chart")
    func endLabels() {
        let places = EndLabels.spread([100, 101, 102, 20], from: 10, to: 110)
        let sorted = places.sorted()
        for (one, next) in zip(sorted, sorted.dropFirst()) {
            #expect(next - one >= EndLabels.spacing - 1e-9)
        }
        #expect(sorted.first! >= 10 && sorted.last! <= 110)
        #expect(places[0] < places[1] && places[1] < places[2])
        #expect(places[3] == 20)
    }

    @Test("more labels than room share what there is")
    func crowdedLabels() {
        let places = EndLabels.spread(Array(repeating: 50, count: 30), from: 0, to: 100)
        #expect(places.allSatisfy { $0 >= -1e-9 && $0 <= 100 + 1e-9 })
    }
}

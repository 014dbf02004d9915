// Samples without end in a table that has one.

import Testing

@testable import ConnectionBench

@Suite struct SampleTableTests {
    private func filled(_ samples: Int) -> SampleTable {
        var table = SampleTable([.mean, .max, .sum])
        for sample in 0..<samples {
            table.append(
                [Double(sample), sample == 777 ? 1_000 : Double(sample % 7), 2], at: Double(sample))
        }
        table.flush()
        return table
    }

    @Test("as long as they fit every sample is kept as it is")
    func few() {
        let table = filled(SampleTable.rowsMax - 1)
        #expect(table.samplesPerRow == 1 && table.times.count == SampleTable.rowsMax - 1)
        #expect(table.column(0) == table.times && table.column(2).allSatisfy { $0 == 2 })
    }

    @Test(
        "any number of samples is some hundred rows, and no event is lost",
        arguments: [400, 401, 1_234, 100_000])
    func many(samples: Int) throws {
        let table = filled(samples)
        #expect(table.times.count <= SampleTable.rowsMax)
        #expect(table.times.count >= SampleTable.rowsMax / 2)
        #expect(zip(table.times, table.times.dropFirst()).allSatisfy { $0 < $1 })
        // The mean of the numbers of its samples is the middle of a row's time.
        #expect(table.column(0) == table.times)
        #expect(table.column(2).reduce(0) { $0 + ($1 ?? 0) } == Double(2 * samples))
        if samples > 777 { #expect(table.column(1).contains(1_000)) }
        let full = try #require(table.column(2).first)
        #expect(full == Double(2 * table.samplesPerRow))
    }

    @Test("what could not be read makes no row unknown whose other samples could")
    func unknown() {
        var table = SampleTable([.mean])
        for sample in 0..<800 { table.append([sample % 2 == 0 ? nil : 5], at: Double(sample)) }
        table.flush()
        #expect(table.column(0).allSatisfy { $0 == 5 })
        var blind = SampleTable([.mean])
        blind.append([nil], at: 0)
        #expect(blind.column(0) == [nil])
    }

    @Test("a leak that was planted into days of samples is found in the rows")
    func leak() throws {
        var table = SampleTable([.mean])
        var noise = TrendTests.Noise(seed: 9)
        // Two days, a look every 10 s, 2 MiB an hour.
        for sample in 0..<17_280 {
            let seconds = 10 * Double(sample)
            table.append(
                [50e6 + seconds / 3_600 * 2 * 1_048_576 + 500_000 * noise.next()], at: seconds)
        }
        let verdict = SeriesVerdict(
            times: table.times, values: table.column(0).compactMap { $0 }, .processMemory,
            sampleSeconds: 10)
        #expect(verdict.kind == .rising)
        #expect(abs(try #require(verdict.slopePerHour) / 1_048_576 - 2) < 0.1)
    }
}

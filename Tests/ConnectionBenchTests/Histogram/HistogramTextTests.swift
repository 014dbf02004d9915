// Histograms as text: what we write others read, what others write we read or refuse with a reason.

import FoundationEssentials
import Testing

@testable import ConnectionBench

@Suite struct HistogramTextTests {
    /// Values of all magnitudes, the same in each run.
    static func histogram(_ count: Int = 20_000) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        var state: UInt64 = 42
        for _ in 0..<count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // From about 1 µs to 17 s, most of them small.
            histogram.record((state >> 30) >> (state & 0x17))
        }
        return histogram
    }

    @Test("a histogram read back is the same, with the same percentiles")
    func roundTrip() throws {
        let histogram = Self.histogram()
        let text = histogram.base64
        #expect(text.hasPrefix("HISTFAAA"))
        let back = try LatencyHistogram(base64: text)
        #expect(back.base64 == text)
        #expect(back.count == histogram.count)
        for percentile in [1, 50, 90, 99, 99.9, 99.99] {
            #expect(
                back.value(atPercentile: percentile) == histogram.value(atPercentile: percentile))
        }
        #expect(back.summary.maxNanoseconds == histogram.summary.maxNanoseconds)
    }

    @Test("an empty histogram, and one with a single value at either end, read back")
    func edges() throws {
        #expect(try LatencyHistogram(base64: LatencyHistogram().base64).count == 0)
        for value in [1, LatencyHistogram.highest, .max] {
            var histogram = LatencyHistogram()
            histogram.record(value)
            let back = try LatencyHistogram(base64: histogram.base64)
            #expect(
                back.count == 1 && back.summary.maxNanoseconds == histogram.summary.maxNanoseconds)
        }
    }

    @Test("counts beyond 32 bits are kept, in payloads beyond one block")
    func large() throws {
        let buckets = LatencyHistogram.buckets
        let slots = stride(from: 0, to: buckets.count, by: 1).map {
            (index: $0, count: UInt64(1) << 52 + UInt64($0))
        }
        let counts = HistogramCounts(buckets: buckets, slots: slots)
        let text = HistogramText.encode(counts)
        #expect(text.utf8.count > 65_535 * 4 / 3)
        #expect(try HistogramText.decode(text) == counts)
    }

    @Test("merged from texts, the percentiles are those of all values")
    func merge() throws {
        let one = Self.histogram(5_000)
        var other = LatencyHistogram()
        for value: UInt64 in 1...1_000 { other.record(value * 1_000_000) }
        var all = one
        all.add(other)
        var merged = try LatencyHistogram(base64: one.base64)
        merged.add(try LatencyHistogram(base64: other.base64))
        #expect(merged.base64 == all.base64 && merged.count == 6_000)
    }

    @Test(
        "small numbers of either sign come back from their bytes",
        arguments: [0, 1, -1, 63, 64, -64, -65, 1 << 40, Int64.max, Int64.min, -(1 << 55)])
    func zigZag(number: Int64) throws {
        var bytes: [UInt8] = []
        ZigZag.append(number, to: &bytes)
        #expect(bytes.count <= 9 && (bytes.count == 1) == (number >= -64 && number < 64))
        var reader = BigEndianReader(bytes: bytes)
        #expect(try ZigZag.read(&reader) == number)
        #expect(reader.isAtEnd)
    }

    @Test("the checksum is that of the standard's example")
    func checksum() {
        #expect(StoredZlib.adler32(Array("Wikipedia".utf8)) == 0x11e6_0398)
        #expect(StoredZlib.adler32([]) == 1)
    }

    @Test(
        "a text that is no histogram is refused with the reason",
        arguments: [
            ("", "cut off"), ("%", "base64"), ("SElTVA==", "HISTFAAA"),
            ("HISTFAAAABA=", "cut off"),
        ])
    func refused(text: String, reason: String) {
        #expect {
            try LatencyHistogram(base64: text)
        } throws: { error in
            "\(error)".hasPrefix("not a histogram: ") && "\(error)".contains(reason)
        }
    }

    @Test("values that nobody can have waited for are refused, one step further they are read")
    func beyondAnyTime() throws {
        let buckets = LatencyHistogram.buckets
        func text(_ count: UInt64) -> String {
            let slots = [
                (index: 0, count: count), (index: buckets.index(of: 120_000_000_000), count: 2),
            ]
            return HistogramText.encode(HistogramCounts(buckets: buckets, slots: slots))
        }
        // A slot's highest value counts: 255 ns in the first, 120.06 s in the last.
        let most = (UInt64.max - 2 * 120_057_757_695) / 255
        #expect(try LatencyHistogram(base64: text(most)).summary.count == most + 2)
        #expect(throws: HistogramTextError("its values add up to more than 2^64 nanoseconds")) {
            try LatencyHistogram(base64: text(most + 1))
        }
        #expect(throws: HistogramTextError.self) { try LatencyHistogram(base64: text(1 << 62)) }
    }

    @Test("each damaged byte is noticed, and traps nowhere")
    func damaged() throws {
        let bytes = [UInt8](try #require(Data(base64Encoded: Self.histogram(50).base64)))
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x40
            // zlib's level is the one thing that says nothing.
            #expect(throws: HistogramTextError.self, "byte \(index)") {
                try LatencyHistogram(base64: Data(damaged).base64EncodedString())
            }
        }
        for count in bytes.indices {
            #expect(throws: HistogramTextError.self) {
                try LatencyHistogram(base64: Data(bytes[..<count]).base64EncodedString())
            }
        }
    }
}

@Suite(.enabled(if: Python.isReady, Python.missing)) struct HistogramOracleTests {
    @Test("PyPI's hdrhistogram reads our text with equal percentiles")
    func decode() throws {
        let histogram = HistogramTextTests.histogram()
        let program = """
            import sys
            from hdrh.histogram import HdrHistogram
            h = HdrHistogram.decode(sys.argv[1])
            print(h.get_total_count())
            for p in (50, 90, 99, 99.9, 99.99): print(h.get_value_at_percentile(p))
            print(h.get_max_value())
            """
        let lines = try Python.output(program, [histogram.base64]).split(separator: "\n")
        let summary = histogram.summary
        // Python tells the largest value of a slot, as a merged histogram of ours does.
        let merged = try LatencyHistogram(base64: histogram.base64)
        let expected =
            [summary.count] + [50, 90, 99, 99.9, 99.99].map { merged.value(atPercentile: $0) }
            + [summary.maxNanoseconds]
        #expect(lines.map { UInt64($0) } == expected)
    }

    @Test("we read what it has written without compression, and refuse the rest with the reason")
    func encode() throws {
        let program = """
            import base64, struct, sys, zlib
            from hdrh.histogram import HdrHistogram
            h = HdrHistogram(1, 3600000000, 2)
            for v in range(1, 5001): h.record_value(v * 1000)
            text = h.encode()
            print(text.decode())
            raw = base64.b64decode(text)
            plain = zlib.compress(zlib.decompress(raw[8:]), 0)
            print(base64.b64encode(raw[:4] + struct.pack('>I', len(plain)) + plain).decode())
            print(h.get_value_at_percentile(50), h.get_value_at_percentile(99))
            """
        let lines = try Python.output(program).split(separator: "\n").map(String.init)
        #expect {
            try LatencyHistogram(base64: lines[0])
        } throws: {
            "\($0)".contains("only what uring-bench has written itself is read")
        }
        let read = try LatencyHistogram(base64: lines[1])
        #expect(read.count == 5_000)
        let expected = lines[2].split(separator: " ").compactMap { Double($0) }
        for (percentile, value) in zip([50.0, 99], expected) {
            let found = Double(read.value(atPercentile: percentile))
            #expect(abs(found / value - 1) < 0.002, "\(percentile): \(found) for \(value)")
        }
    }
}

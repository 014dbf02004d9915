// Histograms as text: base64 of HdrHistogram's compressed V2 form.

import FoundationEssentials

@testable import ConnectionBench

extension FuzzTarget {
    /// As text, as the bytes that the text stands for, and as what they would hold if they were
    /// framed and summed rightly: the last is where most of the parser is.
    public static let histogram = FuzzTarget(
        "histogram",
        bytes: { bytes in
            decode(String(decoding: bytes, as: UTF8.self))
            decode(Data(bytes).base64EncodedString())
            var outer = BigEndianBytes()
            let zlib = StoredZlib.wrap(bytes)
            promise((try? StoredZlib.unwrap(zlib)) == bytes, "a frame that loses what it holds")
            promise((try? StoredZlib.unwrap(zlib.dropLast())) == nil, "a frame that was cut off")
            outer.append(UInt32(0x1c84_9304 | 0x10))
            outer.append(UInt32(zlib.count))
            decode(Data(outer.bytes + zlib).base64EncodedString())
            numbers(bytes)
        })

    private static func decode(_ text: String) {
        guard let counts = try? HistogramText.decode(text) else { return }
        let buckets = counts.buckets
        promise(counts.slots.allSatisfy { 0..<buckets.count ~= $0.index }, "a slot out of range")
        promise(counts.slots.allSatisfy { $0.count > 0 }, "an empty slot")
        promise(
            zip(counts.slots, counts.slots.dropFirst()).allSatisfy { $0.index < $1.index },
            "slots out of order")
        promise(
            (try? HistogramText.decode(HistogramText.encode(counts))) == counts,
            "a histogram that does not survive")
        for slot in counts.slots {
            let value = buckets.value(at: slot.index)
            promise(buckets.index(of: value) == slot.index, "slot \(slot.index) of \(value)")
        }
        guard let latency = try? LatencyHistogram(base64: text) else { return }
        let summary = latency.summary
        promise(summary.minNanoseconds <= summary.maxNanoseconds, "\(summary)")
        promise(
            summary.p50Nanoseconds <= summary.p99Nanoseconds
                && summary.p99Nanoseconds <= summary.p9999Nanoseconds, "\(summary)")
        _ = latency.percentilePoints().count
    }

    /// The numbers of variable length that the payload is made of.
    private static func numbers(_ bytes: [UInt8]) {
        var reader = BigEndianReader(bytes: bytes)
        var read: [Int64] = []
        while let number = try? ZigZag.read(&reader) { read.append(number) }
        var written: [UInt8] = []
        for number in read { ZigZag.append(number, to: &written) }
        var again = BigEndianReader(bytes: written)
        for number in read { promise((try? ZigZag.read(&again)) == number, "\(number)") }
        promise(again.isAtEnd, "more than was written")
    }
}

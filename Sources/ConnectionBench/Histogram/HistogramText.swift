// HdrHistogram's V2 form: how histograms travel between programs of many languages.

import FoundationEssentials

/// Why a text is no histogram that can be read here.
public struct HistogramTextError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ what: String) {
        description = "not a histogram: \(what)"
    }
}

/// Counts by slot, with what is needed to tell the slots' values.
struct HistogramCounts: Equatable {
    let buckets: HistogramBuckets
    /// By rising index, without zeroes.
    var slots: [(index: Int, count: UInt64)]

    static func == (one: HistogramCounts, other: HistogramCounts) -> Bool {
        one.buckets == other.buckets
            && one.slots.elementsEqual(other.slots) { $0.index == $1.index && $0.count == $1.count }
    }
}

/// Writes and reads base64 of the compressed V2 form; it begins with "HISTFAAA".
enum HistogramText {
    private static let cookie: UInt32 = 0x1c84_9303 | 0x10
    private static let compressedCookie: UInt32 = 0x1c84_9304 | 0x10
    private static let headerByteCount = 40

    static func encode(_ counts: HistogramCounts) -> String {
        let payload = payload(counts)
        var plain = BigEndianBytes()
        plain.append(cookie)
        plain.append(UInt32(payload.count))
        // No values were shifted.
        plain.append(UInt32(0))
        plain.append(UInt32(counts.buckets.digits))
        plain.append(counts.buckets.lowest)
        plain.append(counts.buckets.highest)
        plain.append((1.0).bitPattern)
        plain.bytes += payload
        let zlib = StoredZlib.wrap(plain.bytes)
        var outer = BigEndianBytes()
        outer.append(compressedCookie)
        outer.append(UInt32(zlib.count))
        return Data(outer.bytes + zlib).base64EncodedString()
    }

    /// A count, or by a negative number so many slots without one.
    private static func payload(_ counts: HistogramCounts) -> [UInt8] {
        var bytes: [UInt8] = []
        var next = 0
        for (index, count) in counts.slots {
            if index > next { ZigZag.append(Int64(next - index), to: &bytes) }
            ZigZag.append(Int64(clamping: count), to: &bytes)
            next = index + 1
        }
        return bytes
    }

    static func decode(_ text: String) throws(HistogramTextError) -> HistogramCounts {
        guard let data = Data(base64Encoded: text) else {
            throw HistogramTextError("the text is not base64")
        }
        var outer = BigEndianReader(bytes: [UInt8](data))
        guard try outer.integer(UInt32.self) == compressedCookie else {
            throw HistogramTextError("it does not begin as a compressed V2 histogram (HISTFAAA)")
        }
        let byteCount = Int(try outer.integer(UInt32.self))
        var plain = BigEndianReader(bytes: try StoredZlib.unwrap(try outer.take(byteCount)))
        guard try plain.integer(UInt32.self) == cookie else {
            throw HistogramTextError("its content is not in the V2 form")
        }
        let payloadByteCount = Int(try plain.integer(UInt32.self))
        guard try plain.integer(UInt32.self) == 0 else {
            throw HistogramTextError("its values are shifted, which is not supported")
        }
        let digits = Int(try plain.integer(UInt32.self))
        let (lowest, highest) = (try plain.integer(UInt64.self), try plain.integer(UInt64.self))
        guard Double(bitPattern: try plain.integer(UInt64.self)) == 1,
            let buckets = HistogramBuckets(lowest: lowest, highest: highest, digits: digits)
        else {
            throw HistogramTextError(
                "\(digits) digits from \(lowest) to \(highest) are no range of one")
        }
        var payload = BigEndianReader(bytes: try plain.take(payloadByteCount))
        return HistogramCounts(buckets: buckets, slots: try slots(&payload, buckets))
    }

    private static func slots(
        _ payload: inout BigEndianReader, _ buckets: HistogramBuckets
    ) throws(HistogramTextError) -> [(index: Int, count: UInt64)] {
        var slots: [(index: Int, count: UInt64)] = []
        var index = 0
        while !payload.isAtEnd {
            let number = try ZigZag.read(&payload)
            let step = number < 0 ? number.magnitude : 1
            guard step <= UInt64(buckets.count - index) else {
                throw HistogramTextError("it has more slots than its range")
            }
            if number > 0 { slots.append((index, UInt64(number))) }
            index += Int(step)
        }
        return slots
    }
}

/// Small numbers of either sign in few bytes: 7 bits each, and all 8 of a ninth.
enum ZigZag {
    static func append(_ number: Int64, to bytes: inout [UInt8]) {
        var rest = UInt64(bitPattern: number << 1 ^ number >> 63)
        for _ in 0..<8 {
            if rest < 0x80 { return bytes.append(UInt8(rest)) }
            bytes.append(UInt8(rest & 0x7f) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    static func read(_ reader: inout BigEndianReader) throws(HistogramTextError) -> Int64 {
        var value: UInt64 = 0
        for position: UInt64 in 0..<9 {
            let byte = UInt64(try reader.integer(UInt8.self))
            value |= (position == 8 ? byte : byte & 0x7f) << (7 * position)
            if position == 8 || byte < 0x80 { break }
        }
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }
}

struct BigEndianBytes {
    var bytes: [UInt8] = []

    mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes += $0 }
    }
}

/// Takes numbers from the front; too few bytes are an error and no trap.
struct BigEndianReader {
    private var rest: ArraySlice<UInt8>

    init(bytes: some Collection<UInt8>) {
        rest = Array(bytes)[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ count: Int) throws(HistogramTextError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= rest.count else { throw HistogramTextError("it is cut off") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    mutating func integer<Value: FixedWidthInteger & UnsignedInteger>(
        _ type: Value.Type
    ) throws(HistogramTextError) -> Value {
        try take(Value.bitWidth / 8).reduce(0) { value, byte in
            // An 8-bit value has no room to be shifted by 8.
            Value.bitWidth == 8 ? Value(byte) : value << 8 | Value(byte)
        }
    }
}

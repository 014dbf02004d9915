// The samples of a soak of any length in a bounded table: neighbours are merged when it is full.

/// Figures over time, a column each.
///
/// When ``rowsMax`` rows are there, each two neighbours become one, and from then on twice as many
/// samples make a row. So the memory of a soak does not grow with its length, and every row stands
/// for the same time.
public struct SampleTable: Sendable {
    /// How the figures of several samples become one.
    public enum Merge: String, Codable, CaseIterable, Sendable {
        /// Of a level.
        case mean
        /// Of a percentile or a maximum: percentiles are never averaged.
        case max
        /// Of a count of events.
        case sum
    }

    public static let rowsMax = 400

    let merges: [Merge]
    private(set) var times: [Double] = []
    /// A row per sample, in the order of `merges`; `nil`: could not be read.
    private(set) var rows: [[Double?]] = []
    /// Samples in a full row.
    private(set) var samplesPerRow = 1
    private var pending: [(time: Double, row: [Double?])] = []

    init(_ merges: [Merge]) {
        self.merges = merges
    }

    mutating func append(_ row: [Double?], at time: Double) {
        precondition(row.count == merges.count, "\(row.count) figures of \(merges.count)")
        pending.append((time, row))
        guard pending.count == samplesPerRow else { return }
        flush()
        if times.count == Self.rowsMax { halve() }
    }

    /// Makes a row of what does not fill one. Call it once, at the end.
    mutating func flush() {
        guard !pending.isEmpty else { return }
        times.append(pending.reduce(0) { $0 + $1.time } / Double(pending.count))
        rows.append(merged(pending.map(\.row)))
        pending = []
    }

    /// A figure's values, in the order of the times.
    func column(_ index: Int) -> [Double?] { rows.map { $0[index] } }

    private mutating func halve() {
        let pairs = stride(from: 0, to: Self.rowsMax, by: 2)
        rows = pairs.map { merged([rows[$0], rows[$0 + 1]]) }
        times = pairs.map { (times[$0] + times[$0 + 1]) / 2 }
        samplesPerRow *= 2
    }

    private func merged(_ rows: [[Double?]]) -> [Double?] {
        merges.indices.map { index in
            let values = rows.compactMap { $0[index] }
            guard !values.isEmpty else { return nil }
            switch merges[index] {
            case .mean: return values.reduce(0, +) / Double(values.count)
            case .max: return values.max()
            case .sum: return values.reduce(0, +)
            }
        }
    }
}

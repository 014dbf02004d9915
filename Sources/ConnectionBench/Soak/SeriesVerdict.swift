// What a slope means: flat, rising, falling, or too short a look to tell.

import Glibc

/// How much of a slope is none.
public struct SlopeTolerance: Codable, Hashable, Sendable {
    /// In the series' unit; `nil`: no bound of this kind.
    public var perHour: Double?
    /// Of the series' level, over the part of the run that is judged; 0.01 is 1 %.
    public var partOfLevel: Double?
    /// The smallest step that the series can show: a page of memory. A slope below one step over the
    /// whole time cannot be seen, however flat the series looks.
    public var resolution: Double

    /// A page: the kernel counts memory in them.
    static let pageBytes = 4_096.0

    /// Of a process: less than 1 MiB an hour, and less than 1 % of what it has over the run.
    static let processMemory = SlopeTolerance(
        perHour: 1_048_576, partOfLevel: 0.01, resolution: pageBytes)
    /// Of the kernel, which other programs have a part in: less than 1 % over the run.
    static let kernelMemory = SlopeTolerance(partOfLevel: 0.01, resolution: pageBytes)

    /// The steepest slope that is none, per second. Where there are two bounds, the tighter one.
    func perSecond(level: Double, seconds: Double) -> Double {
        let bounds = [
            perHour.map { $0 / 3_600 }, partOfLevel.map { $0 * abs(level) / seconds },
        ]
        return bounds.compactMap { $0 }.min() ?? .infinity
    }

    /// The bound that ``perSecond(level:seconds:)`` takes does not change with the time.
    func isHourly(level: Double, seconds: Double) -> Bool {
        perHour.map { $0 / 3_600 <= perSecond(level: level, seconds: seconds) } ?? false
    }
}

/// What is said of one series, and from what.
public struct SeriesVerdict: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, CaseIterable, Sendable {
        /// The whole interval of the slope is within the tolerance.
        case flat
        /// The slope is above the tolerance, and its interval above 0.
        case rising
        case falling
        /// Neither: the look was too short for the noise.
        case cannotTell = "cannot tell"
    }

    public var kind: Kind
    /// Per hour, in the unit of the series; absent with too few values.
    public var slopePerHour: Double?
    /// The interval of 99 %, the smallest step that can be seen included.
    public var lowPerHour: Double?
    public var highPerHour: Double?
    /// The steepest slope that counts as flat here.
    public var allowedPerHour: Double
    /// The median of the judged part.
    public var level: Double
    /// What a whole run would have to last for a verdict, about; absent where there is one.
    public var secondsNeeded: Double?

    /// A whole run lasts so much longer than its judged part: a tenth is warm-up.
    private static let warmupShare = 0.1
    private static let hour = 3_600.0

    /// - Parameters:
    ///   - times: seconds, rising.
    ///   - sampleSeconds: from one value to the next, as they are taken.
    init(times: [Double], values: [Double], _ tolerance: SlopeTolerance, sampleSeconds: Double) {
        level = OrderStatistics.median(values) ?? 0
        let seconds = max((times.last ?? 0) - (times.first ?? 0), 1e-9)
        let allowed = tolerance.perSecond(level: level, seconds: seconds)
        allowedPerHour = allowed * Self.hour
        guard let trend = Trend(times: times, values: values) else {
            kind = .cannotTell
            secondsNeeded =
                Double(Trend.valuesMin + 1) * sampleSeconds / (1 - Self.warmupShare)
            return
        }
        let unseen = tolerance.resolution / seconds
        let (low, high) = (trend.low - unseen, trend.high + unseen)
        slopePerHour = trend.slope * Self.hour
        lowPerHour = low * Self.hour
        highPerHour = high * Self.hour
        kind = Self.judge(slope: trend.slope, low: low, high: high, allowed: allowed)
        guard kind == .cannotTell else { return }
        // The interval shrinks as the time to the power 3/2. A bound over the run shrinks as well.
        let halfWidth = max(high - trend.slope, trend.slope - low)
        let margin = max(abs(abs(trend.slope) - allowed), allowed / 10)
        let isHourly = tolerance.isHourly(level: level, seconds: seconds)
        let factor = pow(max(halfWidth / margin, 1.2), isHourly ? 2.0 / 3 : 2)
        secondsNeeded = seconds * factor / (1 - Self.warmupShare)
    }

    private static func judge(
        slope: Double, low: Double, high: Double, allowed: Double
    ) -> Kind {
        if low >= -allowed, high <= allowed { return .flat }
        if slope > allowed, low > 0 { return .rising }
        if slope < -allowed, high < 0 { return .falling }
        return .cannotTell
    }
}

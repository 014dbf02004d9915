// How much a run may still ask of its host: a pure judge of what a sampler reads.

/// What a run may do.
public enum GovernorLevel: Int, Codable, Comparable, Sendable {
    /// Everything.
    case green
    /// Connect slowly, or hold.
    case amber
    /// Give up the newest connections, in paced batches.
    case red
    /// Close everything now.
    case black

    public static func < (one: GovernorLevel, other: GovernorLevel) -> Bool {
        one.rawValue < other.rawValue
    }

    public var name: String {
        switch self {
        case .green: "green"
        case .amber: "amber"
        case .red: "red"
        case .black: "black"
        }
    }
}

/// One change of the level, or of its cause, as it stands in the result.
public struct GovernorTransition: Codable, Hashable, Sendable {
    public enum Trigger: String, Codable, Sendable {
        case memory, controlGroupMemory, memoryPressure, schedulingDelay
    }

    public var from: String
    public var to: String
    public var trigger: Trigger
    /// The figure and its bound.
    public var text: String
    public var seconds: Double
    public var connections: Int
}

/// What the sampler has read, at one moment.
struct GovernorReading {
    var usableBytes: Int
    /// Left in the tightest memory control group; `nil`: none limits.
    var controlGroupLeft: Int?
    /// `full avg10` of /proc/pressure/memory in percent; `nil`: the kernel keeps no such figure.
    var memoryPressure: Double?
    /// By how much the sampler woke too late, in seconds.
    var delaySeconds = 0.0
}

/// The bounds of one run.
struct GovernorLimits {
    /// Usable memory at which a climb ends.
    var floorBytes: Int
    /// The same for the control group; 0 without one.
    var controlGroupFloorBytes = 0
    /// What a further connection takes, and what of it is charged to the control group.
    var bytesPerConnection: Int
    var chargedBytesPerConnection: Int

    /// A control group keeps a part of its limit free, as the machine does.
    static func controlGroupFloor(limit: Int) -> Int { max(16 << 20, limit / 100 * 8) }
}

/// Judges readings. The worst criterion counts; each has bounds of its own for each level.
///
/// Memory: the floor F ends the climb; above it the pace falls so that what is left lasts a second,
/// below three quarters of it connections are given up, below two fifths all are closed.
struct Governor {
    /// Above the floor by this much the climb goes slower.
    static let slowBytes = 512 << 20
    /// Connects per second that a slow climb never goes below; it shall end.
    static let paceMin = 4_000
    static let delayAmber = 0.5
    static let delayRed = 1.5
    static let delayBlack = 5.0
    /// Percent of time in which all were waiting for memory.
    static let pressureAmber = 5.0
    static let pressureRed = 20.0

    struct Judgement: Equatable {
        var level = GovernorLevel.green
        var trigger: GovernorTransition.Trigger?
        var text = ""
        /// Connects per second; 0: as fast as they go, -1: none.
        var pace = 0
        /// The climb has met the floor.
        var isAtFloor = false
    }

    let limits: GovernorLimits
    /// Readings in a row with a delay above red: a single one is a hiccup of the machine.
    private var lateReadings = 0

    init(_ limits: GovernorLimits) {
        self.limits = limits
    }

    mutating func judge(_ reading: GovernorReading) -> Judgement {
        lateReadings = reading.delaySeconds > Governor.delayRed ? lateReadings + 1 : 0
        var worst = Governor.memory(
            left: reading.usableBytes, floor: limits.floorBytes, slow: Governor.slowBytes,
            each: limits.bytesPerConnection, .memory, "of memory left to use")
        if let left = reading.controlGroupLeft {
            let floor = limits.controlGroupFloorBytes
            worst = Governor.worse(
                worst,
                Governor.memory(
                    left: left, floor: floor, slow: 2 * floor,
                    each: limits.chargedBytesPerConnection, .controlGroupMemory,
                    "left in the control group"))
        }
        // With much left to use the kernel only clears its caches away: that is a reason to go
        // slowly, and none to give anything up.
        let isShort = reading.usableBytes < 2 * limits.floorBytes
        worst = Governor.worse(worst, Governor.pressure(reading.memoryPressure, isShort: isShort))
        return Governor.worse(worst, delay(reading.delaySeconds))
    }

    private static func memory(
        left: Int, floor: Int, slow: Int, each: Int, _ trigger: GovernorTransition.Trigger,
        _ words: String
    ) -> Judgement {
        var judgement = Judgement()
        guard left < floor + slow else { return judgement }
        judgement.trigger = trigger
        judgement.text =
            "\(Count.format(bytes: left)) \(words), the floor is \(Count.format(bytes: floor))"
        switch left {
        case ..<(floor / 5 * 2): judgement.level = .black
        case ..<(floor / 4 * 3): judgement.level = .red
        default: judgement.level = .amber
        }
        judgement.isAtFloor = left <= floor
        judgement.pace = left <= floor ? -1 : max(paceMin, (left - floor) / max(each, 1))
        return judgement
    }

    private static func pressure(_ percent: Double?, isShort: Bool) -> Judgement {
        var judgement = Judgement()
        guard let percent, percent >= pressureAmber else { return judgement }
        judgement.trigger = .memoryPressure
        judgement.text =
            "all tasks waited for memory for \(Decimal1.text(percent)) % of 10 s"
            + " (full avg10 of /proc/pressure/memory)"
        judgement.level = percent >= pressureRed && isShort ? .red : .amber
        judgement.pace = percent >= pressureRed ? -1 : paceMin
        return judgement
    }

    private func delay(_ seconds: Double) -> Judgement {
        var judgement = Judgement()
        guard seconds >= Governor.delayAmber else { return judgement }
        judgement.trigger = .schedulingDelay
        judgement.text =
            "the watching thread woke \(DurationText.of(UInt64(seconds * 1e9))) late"
        if lateReadings >= 3 {
            judgement.level = seconds >= Governor.delayBlack ? .black : .red
        } else {
            judgement.level = .amber
        }
        judgement.pace = judgement.level == .amber ? Governor.paceMin : -1
        return judgement
    }

    private static func worse(_ one: Judgement, _ other: Judgement) -> Judgement {
        // Of equal levels the one at its floor is the cause: it ends the climb.
        let isOther =
            other.level > one.level
            || other.level == one.level && other.isAtFloor && !one.isAtFloor
        var worst = isOther ? other : one
        // A hold by one criterion is not lifted by another one's slow pace.
        let paces = [one.pace, other.pace].filter { $0 != 0 }
        worst.pace = paces.contains(-1) ? -1 : paces.min() ?? 0
        worst.isAtFloor = one.isAtFloor || other.isAtFloor
        return worst
    }
}

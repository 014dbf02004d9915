// How long a drill is: short in the normal suite, a million times under `make drills`.

import Glibc
import Testing

enum DrillScale {
    /// `DRILL_SCALE=full`; without it, or `short`: short.
    static let isFull: Bool = {
        switch getenv("DRILL_SCALE").map({ String(cString: $0) }) {
        case nil, "", "short": false
        case "full": true
        case let other?: fatalError("DRILL_SCALE is \(other); it may be short or full")
        }
    }()

    static func count(short: Int, full: Int) -> Int { isFull ? full : short }

    /// Of one drill on one backend.
    static let limit: TimeLimitTrait.Duration = .minutes(isFull ? 30 : 1)
}

// How a run ended, in one word.

/// What a person asks first of a result.
public enum RunStatus: String, Sendable {
    /// The last step was reached and verified.
    case pass = "PASS"
    /// So it was, but a figure broke a bound of --fail-if.
    case missed = "FAIL"
    /// A climb to the wall ended at it, with everything verified.
    case wall = "WALL"
    case incomplete = "INCOMPLETE"
}

extension RunResult {
    /// The largest number of connections that was verified.
    public var connectionsVerified: Int { steps.last { $0.verified }?.connections ?? 0 }

    public var status: RunStatus {
        if complete { return exitCode == 99 ? .missed : .pass }
        let isWall =
            plan.climbsToWall && stopped?.kind == .wall
            && prediction?.reached == connectionsVerified
        return isWall ? .wall : .incomplete
    }
}

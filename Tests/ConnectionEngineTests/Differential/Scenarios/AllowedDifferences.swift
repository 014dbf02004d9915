// The differences between backends that are known and right, each with its reason. Every other one
// fails the differential tests.

/// A kind of difference in which nobody is wrong.
struct AllowedDifference: Sendable {
    let name: String
    let reason: String
    /// Scenarios in which it may be; empty: all.
    var scenarios: Set<String> = []
    let matches: @Sendable (Difference, _ left: String, _ right: String) -> Bool

    func covers(
        _ difference: Difference, in scenario: Scenario, _ left: String, _ right: String
    ) -> Bool {
        (scenarios.isEmpty || scenarios.contains(scenario.name))
            && matches(difference, left, right)
    }

    static let all: [AllowedDifference] = [
        AllowedDifference(
            name: "an abort behind a close, with nothing in flight",
            reason: """
                io_uring has written the close into its queue, and threads have shut the socket \
                down, when the abort comes: the peer hears an end. epoll closes in its next reap, so \
                there the abort comes in time: the peer hears a reset. To hold each close back for \
                an abort would cost every connection's end a turn.
                """,
            scenarios: ["close, abort"]
        ) { difference, left, right in
            difference.side == .server && difference.isEnd(.endOfStream, .reset)
                && (left == "epoll") != (right == "epoll")
        }
    ]
}

extension Difference {
    /// Both ended, for these two reasons, and all else about their ends is equal.
    func isEnd(_ one: Reason, _ other: Reason) -> Bool {
        guard case .entry(.closed(let left, let leftReceived, let leftSent)) = left,
            case .entry(.closed(let right, let rightReceived, let rightSent)) = right
        else { return false }
        return Set([left, right]) == [one, other] && leftReceived == rightReceived
            && leftSent == rightSent
    }
}

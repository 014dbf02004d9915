// The connection counts at which a run stops to measure, on its way up to N.

/// Why a list of steps is refused; one line, with what is allowed and an example.
public enum StepLadderError: Error, Hashable, Sendable, CustomStringConvertible {
    case targetTooSmall(Int)
    case notACount(CountError)
    case stepTooSmall(Int)
    case notIncreasing(Int, after: Int)
    case aboveTarget(Int, target: Int)

    public var description: String {
        switch self {
        case .targetTooSmall(let target):
            "cannot go up to \(Count.format(target)) connections: "
                + "allowed is 1 or more, for example 500k"
        case .notACount(let error):
            "in the list of steps, \(error)"
        case .stepTooSmall(let step):
            "a step of \(Count.format(step)) connections: "
                + "allowed is 1 or more, without separators in numbers, for example 1k,10k,100k"
        case .notIncreasing(let step, let previous):
            "step \(Count.format(step)) follows \(Count.format(previous)): "
                + "allowed are increasing steps, for example 1k,10k,100k"
        case .aboveTarget(let step, let target):
            "step \(Count.format(step)) is above the target: "
                + "allowed is up to \(Count.format(target)), for example 1k,10k,100k with 500k"
        }
    }
}

public struct StepLadder: Codable, Hashable, Sendable {
    /// Strictly increasing, never empty; the last one is the target.
    public let steps: [Int]

    /// 1,000 2,000 5,000 10,000 … and the target itself; a target up to 1,000 is the only step.
    public init(upTo target: Int) throws(StepLadderError) {
        guard target >= 1 else { throw .targetTooSmall(target) }
        var steps: [Int] = []
        var decade = 1_000
        climb: while true {
            for factor in [1, 2, 5] {
                guard decade * factor < target else { break climb }
                steps.append(decade * factor)
            }
            decade *= 10
        }
        self.steps = steps + [target]
    }

    /// A list such as `1k,10k,100k`. The target is appended where it is missing.
    ///
    /// The comma separates steps, so a number in the list has no comma of its own.
    public init(parsing list: String, upTo target: Int) throws(StepLadderError) {
        guard target >= 1 else { throw .targetTooSmall(target) }
        var steps: [Int] = []
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            let step: Int
            do throws(CountError) {
                step = try Count(parsing: String(TextFile.trimmed(item))).value
            } catch {
                throw .notACount(error)
            }
            guard step >= 1 else { throw .stepTooSmall(step) }
            if let previous = steps.last, step <= previous {
                throw .notIncreasing(step, after: previous)
            }
            guard step <= target else { throw .aboveTarget(step, target: target) }
            steps.append(step)
        }
        self.steps = steps.last == target ? steps : steps + [target]
    }
}

// What the points say, in sentences: each number in them is computed from what was measured.

import ConnectionEngine

public struct PortStoryFindings {
    private let result: PortStoryResult

    public init(_ result: PortStoryResult) {
        self.result = result
    }

    /// How many times slower the second half has to be: the noise of a busy machine is below the
    /// first, and a cliff is not to be overlooked.
    private static let slowerMin = 1.25
    private static let cliffMin = 2.0

    /// One for each strategy.
    public var sentences: [String] {
        result.strategies.map { climb in
            switch climb.strategy {
            case .kernel: kernel(climb)
            case .bindNoPort, .localRange, .planner: other(climb)
            }
        }
    }

    /// Connects per second in the two halves of the port range: the median of the rows of each, so
    /// that one stall of the machine does not decide.
    private struct Halves {
        let first: Double
        let second: Double
        var ratio: Double { first / second }
    }

    private func halves(_ climb: PortClimbResult) -> Halves? {
        func median(_ points: some Sequence<PortClimbResult.Point>) -> Double? {
            let rates = points.map(\.connectsPerSecond).sorted()
            return rates.isEmpty ? nil : rates[rates.count / 2]
        }
        let whole = climb.points.filter(\.isWhole)
        guard let first = median(whole.filter { $0.occupancyPercent < 50.001 }),
            let second = median(whole.filter { $0.occupancyPercent > 50.001 })
        else { return nil }
        return Halves(first: first, second: second)
    }

    private func kernel(_ climb: PortClimbResult) -> String {
        guard let halves = halves(climb) else { return notReached(climb) }
        guard halves.ratio >= Self.cliffMin else {
            return "kernel: no cliff, \(rates(halves)) in the two halves of the range (median"
                + " rows)\(slower(halves))."
        }
        let half = result.plan.ports / 2
        let isOneParity = [0, half].contains(climb.evenPortsInFirstHalf)
        let why =
            isOneParity
            ? " Its first \(Count.format(half)) ports are all of one parity: connect() searches"
                + " through these first, and when they are used up each connect does so in vain,"
            : " Each connect searches through the ports in use,"
        let most =
            climb.points.filter { $0.connectionsFrom >= half }
            .map(\.processorMicrosecondsPerConnect).max() ?? 0
        return "kernel: the cliff. \(rates(halves)) in the two halves of the range (median rows):"
            + " \(Decimal1.text(halves.ratio)) times slower.\(why) for up to \(text(most)) µs of"
            + " processor time."
    }

    private func other(_ climb: PortClimbResult) -> String {
        guard let halves = halves(climb) else { return notReached(climb) }
        let verdict =
            switch halves.ratio {
            case ..<Self.slowerMin: "flat, \(rates(halves))"
            case ..<Self.cliffMin: "no cliff, \(rates(halves))\(slower(halves))"
            default: "the cliff too, \(rates(halves))\(slower(halves))"
            }
        guard climb.strategy != .bindNoPort,
            let kernel = result.strategies.first(where: { $0.strategy == .kernel }),
            let kernels = self.halves(kernel), kernels.ratio >= Self.cliffMin
        else { return "\(climb.strategy.rawValue): \(verdict)." }
        return "\(climb.strategy.rawValue): \(verdict); in the second half"
            + " \(Decimal1.text(halves.second / kernels.second)) times the rate of the kernel's"
            + " own choice."
    }

    private func notReached(_ climb: PortClimbResult) -> String {
        "\(climb.strategy.rawValue): not beyond half of the range, so nothing is said about it."
    }

    private func slower(_ halves: Halves) -> String {
        halves.ratio < Self.slowerMin ? "" : ", \(Decimal1.text(halves.ratio)) times slower"
    }

    private func rates(_ halves: Halves) -> String {
        "\(text(halves.first)) and \(text(halves.second)) connects/s"
    }

    private func text(_ value: Double) -> String { Count.format(Int(value.rounded())) }
}

// The options of `run` that give the load its shape.

import ArgumentParser
import ConnectionBench

struct LoadOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "Requests per second of a probe, over all connections (default: 10,000).",
        transform: Allowed.rate.parse)
    var rate: Int?

    @OptionGroup
    var requests: RequestOptions

    @Option(
        parsing: .unconditional,
        help: """
            open: requests are due by a schedule, whatever the answers do; closed: a connection \
            sends its next request when the answer has come.
            """)
    var loop: LoadShape.Loop = .open

    @Option(
        parsing: .unconditional,
        help: "Of the open loop: equally spaced, or independent of each other.")
    var arrivals: LoadShape.Arrivals = .constant

    @Option(
        parsing: .unconditional,
        help: "Of the open loop: requests that are due at a time, at the same rate (default: 1).",
        transform: Allowed.burst.parse)
    var burst = 1

    @Option(
        parsing: .unconditional,
        help: "Requests that may be outstanding on one connection, 1 to 100 (default: 1).",
        transform: Allowed.pipeline.parse)
    var pipeline = 1

    @Option(
        parsing: .unconditional,
        help: "Seconds at the start of each probe that are not recorded (default: 0.2).",
        transform: Allowed.warmup.parse)
    var warmup = 0.2

    @Option(
        name: .customLong("ramp-seconds"), parsing: .unconditional,
        help: "Connect evenly within so many seconds, all steps together: a --connect-rate.",
        transform: Allowed.rampSeconds.parse)
    var rampSeconds: Double?

    @Option(
        parsing: .unconditional,
        help: "At the last step: connections that end and are replaced per second.",
        transform: Allowed.churn.parse)
    var churn: Int?

    @Option(
        parsing: .unconditional,
        help: "The same by the seconds that a connection lives: a churn of N by this.",
        transform: Allowed.lifetime.parse)
    var lifetime: Double?

    @Option(
        name: .customLong("churn-seconds"), parsing: .unconditional,
        help: "How long the churn lasts (default: 10).", transform: Allowed.churnSeconds.parse)
    var churnSeconds: Double?

    @Flag(help: "At the last step: close everything, and connect all at once again.")
    var storm = false

    @Option(
        name: .customLong("server-work"), parsing: .unconditional,
        help:
            "Microseconds of processor time that the echo server takes for a request (default: 0).",
        transform: Allowed.serverWork.parse)
    var serverWork = 0

    @Option(
        name: .customLong("server-stall"), parsing: .unconditional,
        help: "Let each server worker sleep now and then: LENGTH/PERIOD, such as 100ms/1s.",
        transform: LoadOptions.stall)
    var serverStall: ServerShape.Stall?

    // MARK: Checks

    /// - Parameter connections: `nil`: up to the first wall.
    func check(buffer: Int, connectRate: Int?, connections: Int?) throws {
        try requests.check(buffer: buffer)
        if loop == .closed {
            let given = [
                rate == nil ? nil : "--rate", arrivals == .constant ? nil : "--arrivals",
                burst == 1 ? nil : "--burst",
            ].compactMap { $0 }
            if let first = given.first {
                throw ValidationError(
                    "\(first) is for --loop open: in a closed loop the answers say when a request"
                        + " is sent; leave one of the two out")
            }
        }
        if churn != nil, lifetime != nil {
            throw ValidationError(
                "--churn and --lifetime say the same in two ways: give one of them")
        }
        if churnSeconds != nil, churn == nil, lifetime == nil {
            throw ValidationError("--churn-seconds needs --churn or --lifetime too")
        }
        if rampSeconds != nil, connectRate != nil {
            throw ValidationError(
                "--ramp-seconds and --connect-rate say the same in two ways: give one of them")
        }
        guard connections == nil else { return }
        let needs = [
            churn == nil ? nil : "--churn", lifetime == nil ? nil : "--lifetime",
            storm ? "--storm" : nil, rampSeconds == nil ? nil : "--ramp-seconds",
        ].compactMap { $0 }
        if let first = needs.first {
            throw ValidationError("\(first) needs a number of connections, not --conns max")
        }
    }

    // MARK: What becomes of them

    func apply(to plan: inout RunPlan) {
        plan.requestsPerSecond = Double(rate ?? 10_000)
        if let rampSeconds { plan.connectsPerSecond = Double(plan.connections) / rampSeconds }
        plan.load = shape(connections: plan.connections)
        requests.apply(to: &plan)
    }

    private func shape(connections: Int) -> LoadShape {
        var shape = LoadShape()
        shape.loop = loop
        shape.arrivals = arrivals
        shape.burst = burst
        shape.pipelining = pipeline
        shape.warmupSeconds = warmup
        if let rate = churn.map({ Double($0) }) ?? lifetime.map({ Double(connections) / $0 }) {
            shape.churn = ChurnShape(closesPerSecond: rate, seconds: churnSeconds ?? 10)
        }
        shape.storms = storm
        shape.server.workMicroseconds = serverWork
        shape.server.stall = serverStall
        return shape
    }

    // MARK: Values

    static func stall(_ text: String) throws -> ServerShape.Stall {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = seconds(parts[0]), let period = seconds(parts[1]),
            length >= 0.001, length < period, period <= 60
        else {
            throw ValidationError(
                "allowed is LENGTH/PERIOD in ms or s, from 1ms on, the length shorter than the"
                    + " period, which is up to 60s, for example 100ms/1s")
        }
        return ServerShape.Stall(seconds: length, periodSeconds: period)
    }

    /// `100ms` or `1.5s`.
    private static func seconds(_ text: Substring) -> Double? {
        if text.hasSuffix("ms") { return Double(text.dropLast(2)).map { $0 / 1_000 } }
        return text.hasSuffix("s") ? Double(text.dropLast()) : nil
    }
}

extension LoadShape.Loop: ExpressibleByArgument {}
extension LoadShape.Arrivals: ExpressibleByArgument {}

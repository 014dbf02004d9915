// `uring-bench ports`: every strategy in turn, each in a fresh namespace.

import CLinux
import ConnectionEngine
import Glibc

/// Measures what a connect costs as the source ports run out.
///
/// Not to be used twice. Whatever happens, ``perform()`` returns a result that says what was
/// measured and what was not.
public final class PortStory {
    /// Descriptors of this process that are not sockets of the climb.
    static let spareDescriptors = 64

    private let progress: RunProgress
    private let signals: SignalWatch
    private let startedAt = MonotonicTime.now
    private var result: PortStoryResult

    public init(
        plan: PortStoryPlan, tool: ToolFacts, commandLine: [String], progress: RunProgress
    ) throws {
        self.progress = progress
        signals = try SignalWatch()
        result = PortStoryResult(
            tool: tool, commandLine: commandLine, startedAt: WallClock.now,
            host: HostFacts.read(), plan: plan)
        result.warnings = tool.warnings
    }

    public func perform() -> PortStoryResult {
        do {
            HostSafety.volunteerForOutOfMemory()
            try checkDescriptors()
            progress.say(
                "\(Count.format(result.plan.ports)) source ports,"
                    + " \(PortStrategy.allCases.count) strategies")
            for strategy in PortStrategy.allCases { try measure(strategy) }
            result.complete = true
            result.exitCode = 0
        } catch let stop as RunStop {
            stopped(stop.reason)
        } catch {
            stopped(StopReason(kind: .machineUnfit, message: "\(error)", exitCode: 1))
        }
        result.elapsedSeconds = MonotonicTime.now.seconds(since: startedAt)
        progress.endLine()
        return result
    }

    private func stopped(_ reason: StopReason) {
        result.stopped = reason
        result.exitCode = reason.exitCode
    }

    private func checkDescriptors() throws(RunStop) {
        let limit = Int(clamping: raiseDescriptorLimit())
        let ports = result.plan.ports
        guard ports > limit - Self.spareDescriptors else { return }
        throw RunStop(
            .wall,
            "\(Count.format(ports)) ports take as many descriptors; RLIMIT_NOFILE (hard) is"
                + " \(Count.format(limit)) and leaves"
                + " \(Count.format(max(0, limit - Self.spareDescriptors))). Remedy: --ports"
                + " \(max(0, limit - Self.spareDescriptors)), or ulimit -Hn"
                + " \(ports + Self.spareDescriptors)",
            exitCode: 77)
    }

    private func measure(_ strategy: PortStrategy) throws {
        let release = result.host.kernelRelease
        if let reason = try strategy.missingFeature(kernelRelease: release) {
            result.omitted.append(PortStoryResult.Omission(strategy: strategy, reason: reason))
            progress.say("\(strategy.rawValue): left out, \(reason)")
            return
        }
        progress.beginPhase()
        let outcome = try climb(strategy).perform(
            isInterrupted: isInterrupted,
            report: { connections in
                progress.update(
                    "\(strategy.rawValue): \(Count.format(connections)) of"
                        + " \(Count.format(result.plan.ports)) ports")
            })
        result.strategies.append(outcome)
        progress.say(outcome.sentence)
        switch outcome.end {
        case .exhausted, .outOfTime: break
        case .interrupted: throw RunWatch.interrupted(by: signals.received.last ?? SIGINT)
        case .failed:
            throw RunStop(
                .machineUnfit,
                "\(strategy.rawValue): connect \(outcome.connections + 1) failed with"
                    + " \(outcome.errno ?? "no errno")",
                exitCode: 1)
        }
    }

    private func climb(_ strategy: PortStrategy) throws -> PortClimb {
        do {
            return try PortClimb(result.plan, strategy)
        } catch let error as SystemError where error.errno.code == EPERM {
            throw RunStop(.machineUnfit, "\(error)", exitCode: 69)
        }
    }

    private func isInterrupted() -> Bool {
        signals.take()
        return !signals.received.isEmpty
    }
}

extension PortClimbResult {
    /// How the climb went, in one line.
    var sentence: String {
        let reached =
            switch end {
            case .exhausted: ", then no port was left"
            case .outOfTime: ", then the time was over"
            case .interrupted: ", then it was interrupted"
            case .failed: ", then \(errno ?? "an error")"
            }
        return "\(strategy.rawValue): \(Count.format(connections)) connections in"
            + " \(Decimal1.text(seconds)) s\(reached)"
    }
}

// Looks at the machine and measures what a connection costs on it, without the load itself.

import ConnectionEngine

/// Predicts each backend's end on this machine.
public struct Doctor {
    let plan: RunPlan
    let backends: [BackendKind]
    let messagesPerSecond: Double?
    let calibrates: Bool
    let tool: ToolFacts
    let progress: RunProgress

    /// - Parameters:
    ///   - plan: the run that is asked about; its backend is not looked at.
    ///   - calibrates: measures with a few thousand connections of each backend, in about a second.
    public init(
        plan: RunPlan, backends: [BackendKind], messagesPerSecond: Double?, calibrates: Bool,
        tool: ToolFacts, progress: RunProgress
    ) {
        self.plan = plan
        self.backends = backends
        self.messagesPerSecond = messagesPerSecond
        self.calibrates = calibrates
        self.tool = tool
        self.progress = progress
    }

    public func examine() throws -> DoctorReport {
        let startedAt = MonotonicTime.now
        let network = try RunNetwork(plan, connections: plan.connections)
        let host = network.asClient { HostFacts.read() }
        var report = DoctorReport(
            tool: tool, startedAt: WallClock.now, host: host, connections: plan.connections,
            messagesPerSecond: messagesPerSecond)
        report.warnings = tool.warnings
        for backend in backends {
            report.backends.append(try forecast(backend, host, network))
        }
        report.notes = try network.asClient {
            try HostNotes(host: host, plan: plan, forecasts: report.backends).all()
        }
        report.unknown = UnknownFacts.of(host)
        report.seconds = MonotonicTime.now.seconds(since: startedAt)
        return report
    }

    private func forecast(
        _ backend: BackendKind, _ host: HostFacts, _ network: RunNetwork
    ) throws -> BackendForecast {
        var forecast = BackendForecast(backend)
        if backend == .uring {
            do throws(SystemError) {
                forecast.fallbacks = try URingTrial.run()
            } catch {
                forecast.unavailable = "\(error)"
                return forecast
            }
        }
        let workers = plan.workers ?? ProcessGroup.workers(processes: plan.processes ?? 1)
        func preflight(_ calibration: Calibration?) throws -> Preflight {
            try network.asClient {
                try Preflight.read(
                    plan, facts: host, backend: backend, workers: workers,
                    sources: network.sources, calibration: calibration)
            }
        }
        let rough = try preflight(nil)
        forecast.preflight = rough
        guard calibrates else { return forecast }
        progress.say("measuring \(backend.rawValue) with a few thousand connections")
        do {
            let calibration = try Calibration.measure(
                backend, like: plan, within: rough.roomForCalibration(host), tool: tool)
            forecast.preflight = try preflight(calibration)
            forecast.processors = processors(host, calibration)
        } catch let error as CalibrationError {
            if error.isInterrupted { throw RunStop(.interrupted, "\(error)", exitCode: 130) }
            forecast.calibrationFailure = "\(error)"
        }
        return forecast
    }

    /// Where all processors are busy with messages alone.
    private func processors(_ host: HostFacts, _ calibration: Calibration) -> Wall? {
        guard let messagesPerSecond, let echo = calibration.echoMicroseconds, echo > 0,
            let count = host.processorsAllowed ?? host.processorsOnline
        else { return nil }
        let perSecond = Double(count) * 1e6 / echo
        return Wall(
            resource: .processors, connectionsMax: Int(perSecond / messagesPerSecond),
            limit: count, origin: "processors that this program may use",
            formula: "\(count) processors by \(Decimal1.text(echo)) µs per echo, both ends, are"
                + " \(Count.format(Int(perSecond))) echoes/s, at \(Doctor.text(messagesPerSecond))"
                + " per second on each connection")
    }

    /// A rate without needless decimals.
    static func text(_ rate: Double) -> String {
        rate == rate.rounded() ? Count.format(Int(rate)) : "\(rate)"
    }
}

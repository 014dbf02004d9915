// What a run is as metrics: while it goes on, and when it is over.

/// The state of a run that goes on, for a scraper.
struct LiveMetrics {
    var result: RunResult?
    var phase = RunPhaseStart(seconds: 0, phase: .prepare)
    var interval: RunInterval?
    var steps: [StepResult] = []
    var warnings: [String] = []
    var isOver = false

    mutating func apply(_ event: RunEvent) {
        switch event {
        case .started(let start): result = start
        case .phase(let next): phase = next
        case .interval(let next): interval = next
        case .step(let step, _): steps.append(step)
        case .warning(let warning, _): warnings.append(warning.id)
        case .ended(let end):
            result = end
            isOver = true
        }
    }

    var families: [MetricFamily] {
        guard let result else { return [] }
        var families = RunMetrics.identity(result)
        families.append(
            MetricFamily(
                "phase", "What the run is doing: 1 for that, 0 for all else.",
                RunPhase.allCases.map {
                    MetricFamily.Sample(
                        labels: [("phase", $0.rawValue)],
                        value: $0 == phase.phase && !isOver ? 1 : 0)
                }))
        if let target = phase.target {
            families.append(
                MetricFamily(
                    "target_connections", "Connections that the phase goes up to or works on.",
                    Double(target)))
        }
        if let interval { families += LiveMetrics.families(interval) }
        families += RunMetrics.families(steps)
        families.append(RunMetrics.warnings(warnings))
        if isOver { families += RunMetrics.ending(result) }
        return families
    }

    private static func families(_ interval: RunInterval) -> [MetricFamily] {
        var connections = MetricFamily("connections", "Connections that exist now.")
        connections.add(Double(interval.connections), ("side", "client"))
        connections.add(Double(interval.serverConnections), ("side", "server"))
        var processor = MetricFamily(
            "processor_seconds", kind: .counter, unit: "seconds",
            "Processor time of each side's processes.")
        processor.add(interval.totals.serverProcessorSeconds, ("side", "server"))
        processor.add(interval.totals.clientProcessorSeconds, ("side", "client"))
        let levels = ["green", "amber", "red", "black"]
        var governor = MetricFamily(
            "governor_level",
            "How the run is held back for the host's sake: 1 for the level it is at.")
        for level in levels { governor.add(level == interval.governor ? 1 : 0, ("level", level)) }
        let totals = interval.totals
        return [
            connections,
            MetricFamily("connecting", "Connects that are on their way.", Double(interval.opening)),
            MetricFamily(
                "connects", kind: .counter, "Connections that came to exist.", Double(totals.opened)
            ),
            MetricFamily(
                "closes", kind: .counter, "Connections that ended.", Double(totals.closed)),
            MetricFamily(
                "connect_failures", kind: .counter, "Connects that failed.", Double(totals.failed)),
            MetricFamily(
                "connections_lost", kind: .counter, "Connections that ended though nobody asked.",
                Double(totals.lost)),
            MetricFamily(
                "echoes", kind: .counter, "Answers received in full, every byte right.",
                Double(totals.echoes)),
            MetricFamily(
                "wrong_answers", kind: .counter, "Answers with a wrong byte.",
                Double(totals.wrongAnswers)),
            processor, governor,
        ] + gauges(interval)
    }

    private static func gauges(_ interval: RunInterval) -> [MetricFamily] {
        func seconds(_ nanoseconds: UInt64?) -> [MetricFamily.Sample] {
            nanoseconds.map { [MetricFamily.Sample(value: Double($0) / 1e9)] } ?? []
        }
        func figure(_ value: Double?) -> [MetricFamily.Sample] {
            value.map { [MetricFamily.Sample(value: $0)] } ?? []
        }
        return [
            MetricFamily(
                "echo_latency_p50_seconds", unit: "seconds",
                "Median echo latency of the last second, from the due time, within 6 %.",
                seconds(interval.p50Nanoseconds)),
            MetricFamily(
                "echo_latency_p99_seconds", unit: "seconds",
                "99th percentile of the echo latency of the last second.",
                seconds(interval.p99Nanoseconds)),
            MetricFamily(
                "machine_busy_ratio", unit: "ratio",
                "Part of all processors of the machine that was busy in the last second.",
                figure(interval.machineBusyShare)),
            MetricFamily(
                "memory_usable_bytes", unit: "bytes", "Memory that is left to use.",
                figure(interval.memoryUsableBytes.map { Double($0) })),
            MetricFamily(
                "memory_floor_bytes", unit: "bytes", "Usable memory at which a climb ends.",
                Double(interval.memoryFloorBytes)),
            MetricFamily(
                "run_elapsed_seconds", unit: "seconds", "Since the start of the run.",
                interval.seconds),
        ]
    }
}

/// A run that is over.
enum RunMetrics {
    static func families(_ result: RunResult) -> [MetricFamily] {
        identity(result)
            + [
                MetricFamily(
                    "target_connections", "Connections that the run was to reach.",
                    Double(result.plan.connections)),
                MetricFamily(
                    "run_elapsed_seconds", unit: "seconds", "How long the run took.",
                    result.elapsedSeconds),
            ]
            + families(result.steps) + [warnings(result.warnings.map(\.id))] + ending(result)
    }

    static func identity(_ result: RunResult) -> [MetricFamily] {
        var build = MetricFamily("build_info", "The tool: always 1.")
        build.add(
            1, ("version", result.tool.version), ("commit", result.tool.commit ?? ""),
            ("mode", result.tool.buildMode), ("compiler", result.tool.compiler))
        var run = MetricFamily("run_info", "The run: always 1.")
        let backend = result.layout?.backend.rawValue ?? result.plan.backend?.rawValue ?? "auto"
        run.add(
            1, ("backend", backend), ("kernel", result.host.kernelRelease ?? ""),
            ("started_at", result.startedAt))
        return [build, run]
            + (WallClock.seconds(of: result.startedAt).map {
                [
                    MetricFamily(
                        "run_start_time_seconds", unit: "seconds",
                        "When the run began, since the epoch.", Double($0))
                ]
            } ?? [])
    }

    static func ending(_ result: RunResult) -> [MetricFamily] {
        [
            MetricFamily(
                "run_complete", "1: the run reached its last step, and nothing was wrong.",
                result.complete ? 1 : 0),
            MetricFamily(
                "run_exit_code", "0 for a complete run, 77 for one that met a wall.",
                Double(result.exitCode)),
        ]
    }

    static func warnings(_ ids: [String]) -> MetricFamily {
        var family = MetricFamily("warning", "1 for each thing that spoils or explains the result.")
        for id in ids { family.add(1, ("id", id)) }
        return family
    }

    /// One sample for each step, by its connections.
    static func families(_ steps: [StepResult]) -> [MetricFamily] {
        var verified = MetricFamily(
            "step_verified", "1: client, server and kernel counted as many connections.")
        var rate = MetricFamily("step_connect_rate", "Connects per second up to the step.")
        var kernel = MetricFamily(
            "step_kernel_bytes_per_connection", "Kernel memory of a connection, both ends.")
        var user = MetricFamily(
            "step_user_bytes_per_connection", "User memory of a connection, both ends.")
        var server = MetricFamily(
            "step_server_seconds_per_echo", "Processor time of the servers for one echo.")
        var connect = MetricFamily(
            "step_connect_latency_seconds", kind: .summary, unit: "seconds",
            "From when a connect was due to its end.")
        var echo = MetricFamily(
            "step_echo_latency_seconds", kind: .summary, unit: "seconds",
            "From when a request was due to its answer; without one, to the end of the probe.")
        for step in steps {
            let label = ("step", "\(step.connections)")
            verified.add(step.verified ? 1 : 0, label)
            rate.add(step.connectsPerSecond, label)
            kernel.add(step.kernelBytesPerConnection, label)
            user.add(step.userBytesPerConnection, label)
            server.add(step.probe?.serverMicrosecondsPerEcho.map { $0 / 1e6 }, label)
            connect.add(step.connectLatency, label)
            if let probe = step.probe { echo.add(probe.latency, label) }
        }
        return [verified, rate, kernel, user, server, connect, echo]
    }
}

// The committed schemas against the types: a field that was forgotten there fails here.

import ConnectionEngine
import FoundationEssentials
import Testing

@testable import ConnectionBench

@Suite struct ResultSchemaTests {
    /// As much of a JSON Schema as the tests look at.
    struct Schema: Decodable {
        var id: String?
        var required: [String]?
        var properties: [String: Property]?
        var definitions: [String: Schema]?

        enum CodingKeys: String, CodingKey {
            case required, properties
            case id = "$id"
            case definitions = "$defs"
        }

        struct Property: Decodable {
            var description: String?
            var reference: String?
            var items: Reference?

            enum CodingKeys: String, CodingKey {
                case description, items
                case reference = "$ref"
            }
        }

        struct Reference: Decodable {
            var reference: String?

            enum CodingKeys: String, CodingKey {
                case reference = "$ref"
            }
        }

        /// Objects with their names; the root has none.
        var objects: [(name: String, schema: Schema)] {
            [("", self)]
                + (definitions ?? [:]).filter { $0.value.properties != nil }
                .map { ($0.key, $0.value) }
        }
    }

    private static func schema(_ kind: ResultSchema) throws -> Schema {
        try JSONDecoder().decode(Schema.self, from: Data(kind.text.utf8))
    }

    /// One value of each type that the schema of a result describes.
    private static func resultValues() throws -> [String: Any] {
        let machine = MachineUsage(
            userSeconds: 0, niceSeconds: 0, systemSeconds: 0, idleSeconds: 0, ioWaitSeconds: 0,
            interruptSeconds: 0, softInterruptSeconds: 0, stealSeconds: 0, contextSwitches: 0,
            processorCount: 1)
        let cost = ConnectionCost(.uring)
        let wall = Wall(
            resource: .memory, connectionsMax: 1, limit: 1, origin: "", formula: "")
        let preflight = try kernelWall()
        let change = try JSONDecoder().decode(
            AppliedChange.self,
            from: Data(#"{"name":"","old":"","new":"","reason":"","isPrivate":true}"#.utf8))
        return [
            "": MadeUpResult.complete, "ToolFacts": MadeUpResult.tool, "HostFacts": HostFacts(),
            "RunPlan": MadeUpResult.plan, "StepResult": MadeUpResult.step,
            "ProbeResult": MadeUpResult.probe, "LatencySummary": LatencySummary(),
            "RunLayout": RunLayout(
                backend: .uring, processesPerSide: 1, workersPerProcess: 1, pinning: .none),
            "ChildPrivileges": ChildPrivileges(user: "nobody", userID: 65_534, dropped: true),
            "Preflight": preflight, "PortWidening": try #require(preflight.portWidening),
            "AppliedChange": change,
            "StopReason": StopReason(kind: .wall, message: "", exitCode: 77),
            "Verdict": Verdict(.memory, .host, .low, proof: [], remedy: ""),
            "Prediction": Prediction(wall), "Wall": wall,
            "Demand": Demand(taken: 1, perConnection: 2), "Evidence": Evidence(backend: .uring),
            "RunWarning": RunWarning(id: "", message: ""), "SweepResult": SweepResult(),
            "HoldResult": HoldResult(seconds: 1, connectionsLost: 0, processor: ProcessorUse()),
            "RampTimeline": RampTimeline(),
            "RampPoint": RampTimeline.Point(connections: 1, seconds: 1),
            "MemorySlope": MemorySlope([]), "TeardownResult": TeardownResult(),
            "Counters": Counters(), "ShellResponse": ShellResponse(),
            "GovernorTransition": GovernorTransition(
                from: "", to: "", trigger: .memory, text: "", seconds: 1, connections: 1),
            "HostSample": HostSample(
                seconds: 1, connections: 1, level: "", memoryUsableBytes: 1, memoryFreeBytes: 1,
                delaySeconds: 0, server: [:], client: [:]),
            "ControlGroupLimit": ControlGroupLimit(limit: .unlimited, used: 1, path: ""),
            "ConnectionCost": cost, "CostTerm": try #require(cost.terms.first),
            "Calibration": Calibration(
                backend: .uring, connections: 1, kernelBytesPerConnection: 1,
                userBytesPerConnection: 1, fixedBytes: 1, connectsPerSecond: 1, seconds: 1),
            "SynRetries": SynRetries(LatencyHistogram(), facts: HostFacts()),
            "SynRetryCluster": SynRetries.Cluster(retries: 1, afterSeconds: 1, connects: 1),
            "ProcessorUse": ProcessorUse(), "MachineUsage": machine,
            "KernelMemoryGrowth": KernelMemoryGrowth(
                source: .meminfo, totalBytes: 1, slabBytes: 1, caches: [], kernelStackBytes: 1,
                pageTablesBytes: 1, availableLostBytes: 1),
            "MemoryCache": KernelMemoryGrowth.Cache(name: "", bytes: 1),
        ].merging(try loadValues()) { one, _ in one }
    }

    /// Of the load's shape, and of what it leads to.
    private static func loadValues() throws -> [String: Any] {
        let churn = ChurnShape(closesPerSecond: 1, seconds: 1)
        return [
            "LoadShape": LoadShape(), "ServerShape": ServerShape(), "ChurnShape": churn,
            "Stall": ServerShape.Stall(seconds: 1, periodSeconds: 2),
            "WeightedSize": MessageSizes.Weighted(byteCount: 1, weight: 1),
            "ChurnResult": ChurnResult(churn), "StormResult": StormResult(connections: 1),
            "ConnectionCount": ConnectionCount(),
            "GeneratorProof": GeneratorProof([], latency: LatencySummary(), loop: .open),
            "ThresholdOutcome": ThresholdOutcome(expression: "p99>1ms"),
            "ExecutableIdentity": try #require(ExecutableIdentity.ofThisProcess()),
        ]
    }

    private static func setValues() -> [String: Any] {
        let summary = SampleSummary(values: [], median: 1, low: 1, high: 1)
        let cell = ComparedCell(
            metric: .p99, connections: 1, base: summary, new: summary, verdict: .cannotTell,
            reason: "")
        return [
            "": RunSet(tool: MadeUpResult.tool, commandLine: [], startedAt: "", candidates: []),
            "CandidateRun": RunSet.CandidateRun(
                candidate: "", round: 1, result: MadeUpResult.complete),
            "Comparison": Comparison(base: "", new: "", cells: []), "ComparedCell": cell,
            "SampleSummary": summary, "RatioEstimate": RatioEstimate(value: 1, low: 1, high: 1),
            "UnlikeFact": UnlikeFact(name: "", base: "", new: ""), "VerdictRule": VerdictRule(),
        ]
    }

    private static func soakValues() throws -> [String: Any] {
        let series = MadeUpSoak.memory(MadeUpSoak.flat)
        return [
            "": MadeUpSoak.complete, "SoakShape": MadeUpSoak.shape, "SoakLoad": SoakLoad(),
            "SoakLag": SoakLag(), "SoakCheck": SoakCheck(.slots), "SoakSeries": series,
            "SeriesVerdict": try #require(series.verdict),
        ]
    }

    private static func values(_ kind: ResultSchema) throws -> [String: Any] {
        switch kind {
        case .result: try resultValues()
        case .set: setValues()
        case .soak: try soakValues()
        }
    }

    @Test("every field of a type is in its schema, and no other", arguments: ResultSchema.allCases)
    func fields(kind: ResultSchema) throws {
        let values = try Self.values(kind)
        for (name, schema) in try Self.schema(kind).objects {
            let value = try #require(values[name], "\(name) has no example in this test")
            let fields = Mirror(reflecting: value).children
            #expect(
                Set(fields.compactMap(\.label)) == Set((schema.properties ?? [:]).keys),
                "\(name.isEmpty ? "the root" : name) of \(kind.rawValue).schema.json")
        }
    }

    @Test("a field is required when it is always there", arguments: ResultSchema.allCases)
    func required(kind: ResultSchema) throws {
        let values = try Self.values(kind)
        for (name, schema) in try Self.schema(kind).objects {
            let fields = Mirror(reflecting: try #require(values[name])).children
            let always = fields.filter { Mirror(reflecting: $0.value).displayStyle != .optional }
            #expect(
                Set(always.compactMap(\.label)) == Set(schema.required ?? []),
                "\(name.isEmpty ? "the root" : name) of \(kind.rawValue).schema.json")
        }
    }

    @Test("every field is described, and every reference leads somewhere")
    func references() throws {
        let result = try Self.schema(.result)
        let identity = try #require(result.id)
        let known = Set((result.definitions ?? [:]).keys.map { identity + "#/$defs/" + $0 })
            .union([identity])
        for kind in ResultSchema.allCases {
            let schema = try Self.schema(kind)
            let own = Set((schema.definitions ?? [:]).keys.map { "#/$defs/" + $0 })
            let targets = kind == .result ? own : own.union(known)
            for (name, object) in schema.objects {
                for (field, property) in object.properties ?? [:] {
                    #expect(property.description?.hasSuffix(".") == true, "\(name).\(field)")
                    for reference in [property.reference, property.items?.reference] {
                        if let reference {
                            #expect(targets.contains(reference), "\(name).\(field)")
                        }
                    }
                }
            }
        }
    }

    @Test(
        "the schemas are valid themselves, and take what we write and nothing else",
        .enabled(if: Python.isReady, Python.missing))
    func validation() throws {
        let result = MadeUpResult.complete
        var set = RunSet(
            tool: MadeUpResult.tool, commandLine: [], startedAt: result.startedAt,
            candidates: ["epoll"],
            runs: [RunSet.CandidateRun(candidate: "epoll", round: 1, result: result)])
        #expect(try SchemaCheck.complaints(JSONText.pretty(result)) == "")
        #expect(try SchemaCheck.complaints(JSONText.pretty(set)) == "")
        var soak = MadeUpSoak.complete
        soak.judge()
        soak.series[0].values[0] = nil
        #expect(try SchemaCheck.complaints(JSONText.pretty(soak)) == "")
        set.runs[0].result.steps[0].connectsPerSecond = .nan
        #expect(try SchemaCheck.complaints(JSONText.pretty(set)) == "")
        let more = try JSONText.pretty(result).replacing("\"complete\"", with: "\"compleat\"")
        let complaints = try SchemaCheck.complaints(more)
        #expect(complaints.contains("compleat") && complaints.contains("'complete' is a required"))
    }
}

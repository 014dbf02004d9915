// What must be alike for two results to be comparable, and how it differs.

import ConnectionEngine
import FoundationEssentials

/// The fingerprint of a run: facts of machine, tool and plan by name, as text.
///
/// What may differ on purpose is not in it: commit and compiler, the executable, the seed, ports.
struct Environment {
    struct Fact: Equatable {
        let name: String
        let value: String
        var isLoad = false
    }

    let facts: [Fact]

    init(_ run: RunResult) {
        facts =
            Self.machine(run.host) + Self.tool(run.tool) + Self.execution(run)
            + Self.plan(run.plan)
    }

    private static func machine(_ host: HostFacts) -> [Fact] {
        func text(_ value: (some CustomStringConvertible)?) -> String {
            value.map { $0.description } ?? "unknown"
        }
        // The kernel keeps a varying part for itself: a tenth of a GiB tells machines apart.
        let memory = host.memoryTotalBytes.map {
            "\(Decimal1.text(Double($0) / 1_073_741_824)) GiB"
        }
        return [
            Fact(name: "kernel", value: text(host.kernelRelease)),
            Fact(name: "kernel build", value: text(host.kernelVersion)),
            Fact(name: "architecture", value: text(host.architecture)),
            Fact(name: "CPU model", value: text(host.processorModel)),
            Fact(name: "CPUs online", value: text(host.processorsOnline)),
            Fact(name: "CPUs allowed", value: text(host.processorsAllowed)),
            Fact(name: "CPU frequency governor", value: text(host.frequencyGovernor)),
            Fact(name: "clock source", value: text(host.clockSource)),
            Fact(name: "memory", value: text(memory)),
            Fact(name: "mitigations", value: mitigations(host.vulnerabilities)),
            Fact(name: "open files, hard limit", value: limit(host.openFilesHard)),
            Fact(name: "fs.nr_open", value: text(host.openFilesPerProcessMax)),
            Fact(name: "net.core.somaxconn", value: text(host.somaxconn)),
            Fact(name: "net.core.netdev_max_backlog", value: text(host.netdevMaxBacklog)),
            Fact(
                name: "net.ipv4.ip_local_port_range",
                value: "\(text(host.localPortFirst)) \(text(host.localPortLast))"),
            Fact(name: "connection tracking", value: host.conntrackMax == nil ? "off" : "on"),
            Fact(name: "seccomp", value: text(host.seccompMode)),
        ]
    }

    /// One word when there is nothing to say, else each mitigated weakness and how.
    private static func mitigations(_ vulnerabilities: [String: String]?) -> String {
        guard let vulnerabilities else { return "unknown" }
        let present = vulnerabilities.filter { $0.value != "Not affected" }
        if present.isEmpty { return "none" }
        return present.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            .joined(separator: "; ")
    }

    private static func limit(_ limit: Ceiling?) -> String {
        guard let limit else { return "unknown" }
        return limit.value.map { Count.format($0) } ?? "unlimited"
    }

    private static func tool(_ tool: ToolFacts) -> [Fact] {
        [
            Fact(name: "tool version", value: tool.version),
            Fact(name: "build mode", value: tool.buildMode),
        ]
    }

    /// How the plan was carried out here.
    private static func execution(_ run: RunResult) -> [Fact] {
        guard let layout = run.layout else {
            return [Fact(name: "backend", value: run.plan.backend?.rawValue ?? "auto")]
        }
        return [
            Fact(name: "kernel features done without", value: list(layout.fallbacks)),
            Fact(name: "backend", value: layout.backend.rawValue),
            Fact(name: "processes per side", value: "\(layout.processesPerSide)"),
            Fact(name: "workers per process", value: "\(layout.workersPerProcess)"),
            Fact(name: "pinning", value: layout.pinning.rawValue),
        ]
    }

    private static func list(_ words: [String]) -> String {
        words.isEmpty ? "none" : words.joined(separator: "; ")
    }

    /// Choices that change where a run goes, not what it measures.
    private static let ignored: Set<String> = [
        "seed", "reusesSourcePorts", "port", "backend", "pinning", "workers", "processes",
        "memoryFloorBytes", "untilWall", "ignoresWalls", "raisesLimits", "connections",
    ]
    /// Choices that shape what is offered to the servers during a probe.
    private static let notLoad: Set<String> = [
        "steps", "holdSeconds", "teardown", "sweeps", "isolation", "sysctls", "maskedFeatures",
        "sourcePorts", "sourcePortFirst", "sourcePortLast", "sourceAddresses", "backlog",
        "pacesAccepts", "connectWindow", "connectsPerSecond", "idleMode", "climbsToWall",
        "bufferByteCount", "probeSeconds", "keepsPrivileges", "user",
    ]

    /// Every field of the plan, so that one added later is compared too.
    private static func plan(_ plan: RunPlan) -> [Fact] {
        guard case .object(let fields) = PlainValue(plan) else { return [] }
        return fields.filter { !ignored.contains($0.key) && $0.value != .null }
            .sorted { $0.key < $1.key }
            .map {
                Fact(
                    name: "plan: \($0.key)", value: $0.value.text, isLoad: !notLoad.contains($0.key)
                )
            }
    }

    /// What is not the same in both, in the order of the facts.
    func differences(to other: Environment) -> [UnlikeFact] {
        var rest = Dictionary(
            other.facts.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var unlike: [UnlikeFact] = []
        for fact in facts {
            let value = rest.removeValue(forKey: fact.name)?.value ?? "not given"
            if value != fact.value {
                unlike.append(
                    UnlikeFact(
                        name: fact.name, base: fact.value, new: value, isLoad: fact.isLoad))
            }
        }
        unlike += other.facts.filter { rest[$0.name] != nil }.map {
            UnlikeFact(name: $0.name, base: "not given", new: $0.value, isLoad: $0.isLoad)
        }
        return unlike
    }
}

/// Any encodable value as a tree, to be compared field by field.
enum PlainValue: Codable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case list([PlainValue])
    case object([String: PlainValue])

    init(_ value: some Encodable) {
        do {
            self = try JSONDecoder().decode(PlainValue.self, from: JSONEncoder().encode(value))
        } catch {
            preconditionFailure("a plain value does not survive JSON: \(error)")
        }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([PlainValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: PlainValue].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .text(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        case .object(let fields): try container.encode(fields)
        }
    }

    var text: String {
        switch self {
        case .null: "none"
        case .bool(let value): value ? "yes" : "no"
        case .number(let value):
            value == value.rounded() && abs(value) < 1e15 ? Count.format(Int(value)) : "\(value)"
        case .text(let value): value
        case .list(let values): values.map(\.text).joined(separator: ",")
        case .object(let fields):
            fields.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.text)" }
                .joined(separator: ", ")
        }
    }
}

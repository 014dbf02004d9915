// Where the results are from: the machine, its limits, the versions, the commands.

import ConnectionBench

struct EnvironmentSection {
    fileprivate struct Origin {
        var name: String
        /// The file.
        var source: String
        var host: HostFacts
        var tool: ToolFacts
        var commandLine: [String]
        var startedAt: String
        var plan: RunPlan?
        var layout: RunLayout?
        var applied: [AppliedChange] = []
    }

    private let origins: [Origin]

    init(_ inputs: [ReportInput]) {
        origins = inputs.flatMap { input -> [Origin] in
            switch input.content {
            case .run(let run): [Origin(input.name, input.name, run)]
            case .ports(let story):
                [
                    Origin(
                        name: input.name, source: input.name, host: story.host, tool: story.tool,
                        commandLine: story.commandLine, startedAt: story.startedAt)
                ]
            case .set(let set):
                set.candidates.compactMap { name in
                    set.runs(of: name).first.map { run in
                        var origin = Origin(
                            Candidate.name(ofSet: name), input.name, run)
                        if inputs.count > 1 { origin.name = "\(input.name): \(origin.name)" }
                        if !set.commandLine.isEmpty { origin.commandLine = set.commandLine }
                        return origin
                    }
                }
            }
        }
    }

    var section: SectionModel? {
        guard let first = origins.first else { return nil }
        var section = SectionModel(anchor: "environment", heading: "Environment")
        var commands: Set<String> = []
        for origin in origins {
            let command = Self.shell(origin.commandLine)
            guard !command.isEmpty, commands.insert(command).inserted else { continue }
            section.commands.append(
                CommandModel(
                    commandTitle: Set(origins.map(\.source)).count == 1
                        ? "Command" : "Command of \(origin.source)",
                    command: command))
        }
        if origins.count == 1 {
            section.listings = Self.groups.map { group in
                ListingModel(
                    listingTitle: group.title,
                    entries: group.facts(first).map { EntryModel(term: $0.name, detail: $0.value) })
            }.filter { !$0.entries.isEmpty }
        } else {
            section.tables = [comparison]
            if comparison.rows.contains(where: { !$0.rowStyle.isEmpty }) {
                section.paragraphs = ["Rows in which the results differ are marked and come first."]
            }
        }
        if let table = mitigations { section.tables.append(table) }
        return section
    }

    // MARK: Facts

    private struct Fact {
        var name: String
        var value: String

        /// Unknown facts are not listed.
        init?(_ name: String, _ value: String?) {
            guard let value, !value.isEmpty else { return nil }
            (self.name, self.value) = (name, value)
        }

        init?(_ name: String, _ count: Int?) {
            self.init(name, count.map { Count.format($0) })
        }
    }

    private struct Group {
        var title: String
        var facts: @Sendable (Origin) -> [Fact]
    }

    private static let groups = [
        Group(title: "Run") { run($0) }, Group(title: "Versions") { versions($0) },
        Group(title: "Machine") { machine($0.host) }, Group(title: "Limits") { limits($0.host) },
        Group(title: "Network") { network($0.host) },
    ]

    private static func run(_ origin: Origin) -> [Fact] {
        let plan = origin.plan
        let layout = origin.layout
        return [
            Fact("started", origin.startedAt),
            Fact("backend", layout.map { Candidate.title($0.backend) }),
            Fact("processes per side", layout?.processesPerSide),
            Fact("workers per process", layout?.workersPerProcess),
            Fact("pinning", layout?.pinning.rawValue),
            Fact("requests per second", plan.map { NumberText.whole($0.requestsPerSecond) }),
            Fact("message", plan.map { Count.format(bytes: $0.messageByteCount) }),
            Fact("probe", plan.map { NumberText.withoutZeros($0.probeSeconds, places: 2) + " s" }),
            Fact("source ports", plan?.sourcePorts.rawValue),
            Fact(
                "network",
                plan.map {
                    $0.isolation == .none ? "the host's" : "own, \($0.isolation.rawValue)"
                }),
            Fact("seed", plan.map { String($0.seed) }),
            Fact("done without", layout?.fallbacks.joined(separator: ", ")),
            Fact(
                "raised for the run",
                origin.applied.map { "\($0.name) from \($0.old) to \($0.new)" }
                    .joined(separator: ", ")),
        ].compactMap(\.self)
    }

    private static func versions(_ origin: Origin) -> [Fact] {
        [
            Fact("uring-bench", "\(origin.tool.version) (\(origin.tool.buildMode))"),
            Fact("commit", origin.tool.commit), Fact("compiler", origin.tool.compiler),
            Fact("kernel", origin.host.kernelRelease),
            Fact("kernel build", origin.host.kernelVersion),
        ].compactMap(\.self)
    }

    private static func machine(_ host: HostFacts) -> [Fact] {
        [
            Fact("host", host.hostName), Fact("processor", host.processorModel),
            Fact("architecture", host.architecture),
            Fact("processors online", host.processorsOnline),
            Fact("processors allowed", host.processorsAllowed),
            Fact("memory", host.memoryTotalBytes.map { Count.format(bytes: $0) }),
            Fact("clock", host.clockSource), Fact("container", host.containerHint),
        ].compactMap(\.self)
    }

    private static func limits(_ host: HostFacts) -> [Fact] {
        func text(_ ceiling: Ceiling?) -> String? {
            ceiling.map { ceiling in ceiling.value.map { Count.format($0) } ?? "unlimited" }
        }
        func bytes(_ ceiling: Ceiling?) -> String? {
            ceiling.map { ceiling in ceiling.value.map { Count.format(bytes: $0) } ?? "unlimited" }
        }
        return [
            Fact("open files, soft", text(host.openFilesSoft)),
            Fact("open files, hard", text(host.openFilesHard)),
            Fact("fs.nr_open", host.openFilesPerProcessMax),
            Fact("fs.file-max", host.systemFilesMax),
            Fact("threads of the user", text(host.userThreadsSoft)),
            Fact("kernel.threads-max", host.threadsMax), Fact("kernel.pid_max", host.pidMax),
            Fact("vm.max_map_count", host.mapsPerProcessMax),
            Fact("fs.epoll.max_user_watches", host.epollWatchesMax),
            Fact("control group: memory", bytes(host.controlGroupMemory?.limit)),
            Fact("control group: threads", text(host.controlGroupPids?.limit)),
            Fact("kernel.io_uring_disabled", host.ioUringDisabled),
        ].compactMap(\.self)
    }

    private static func network(_ host: HostFacts) -> [Fact] {
        var range: String?
        if let first = host.localPortFirst, let last = host.localPortLast {
            range = "\(first) to \(last)"
        }
        return [
            Fact("ip_local_port_range", range), Fact("reserved ports", host.localPortsReserved),
            Fact("somaxconn", host.somaxconn), Fact("netdev_max_backlog", host.netdevMaxBacklog),
            Fact("tcp_max_tw_buckets", host.timeWaitMax),
            Fact(
                "tcp_mem (pages)",
                host.tcpMemoryPages?.map { Count.format($0) }.joined(separator: " ")),
            Fact("nf_conntrack_max", host.conntrackMax),
            Fact("tcp_max_orphans", host.orphansMax),
        ].compactMap(\.self)
    }

    // MARK: Several

    private var comparison: TableModel {
        var names: [String] = []
        let columns = origins.map { origin -> [String: String] in
            var column: [String: String] = [:]
            for fact in Self.groups.flatMap({ $0.facts(origin) }) {
                if !names.contains(fact.name) { names.append(fact.name) }
                column[fact.name] = fact.value
            }
            return column
        }
        let rows = names.map { name in
            let values = columns.map { $0[name] ?? NumberText.missing }
            // Each run has a time and a seed of its own.
            let differs = Set(values).count > 1 && !["started", "seed"].contains(name)
            return RowModel(
                rowStyle: differs ? "differs" : "",
                cells: [.name(name)] + values.map { .text($0) })
        }
        return TableModel(
            tableTitle: "Facts of each result",
            head: [.text("fact")] + origins.map { .text($0.name) },
            rows: rows.filter { !$0.rowStyle.isEmpty } + rows.filter(\.rowStyle.isEmpty))
    }

    private var mitigations: TableModel? {
        let names = Set(origins.flatMap { ($0.host.vulnerabilities ?? [:]).keys }).sorted()
        guard !names.isEmpty else { return nil }
        let hosts = origins.map(\.host.vulnerabilities)
        let isSame = Set(hosts).count == 1
        let shown = isSame ? Array(hosts.prefix(1)) : hosts
        return TableModel(
            tableTitle: "The kernel's mitigations, which cost time at each entry",
            isFolded: true,
            head: [.text("vulnerability")]
                + (isSame ? [.text("state")] : origins.map { .text($0.name) }),
            rows: names.map { name in
                let values = shown.map { $0?[name] ?? NumberText.missing }
                return RowModel(
                    rowStyle: Set(values).count > 1 ? "differs" : "",
                    cells: [.name(name)] + values.map { .text($0) })
            })
    }

    // MARK: Commands

    /// Words that a shell would take apart are quoted, so that the line can be pasted.
    static func shell(_ words: [String]) -> String {
        words.map { word in
            let isPlain =
                !word.isEmpty
                && word.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"):
                        true
                    default: "-_./,:=+%@".utf8.contains(byte)
                    }
                }
            guard !isPlain else { return word }
            return "'"
                + word.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
        }.joined(separator: " ")
    }
}

extension EnvironmentSection.Origin {
    fileprivate init(_ name: String, _ source: String, _ run: RunResult) {
        self.init(
            name: name, source: source, host: run.host, tool: run.tool,
            commandLine: run.commandLine,
            startedAt: run.startedAt, plan: run.plan, layout: run.layout,
            applied: run.appliedChanges)
    }
}

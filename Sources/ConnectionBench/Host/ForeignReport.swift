// The whole answer of `doctor --pid`: the facts of a running server, and its forecast.

/// Encoded as JSON it has both parts; `text` is for people.
public struct ForeignReport: Codable, Hashable, Sendable {
    public private(set) var schema = "uring-bench.process"
    public private(set) var schemaVersion = "1.0"
    public let facts: ProcessFacts
    public let forecast: ProcessForecast

    /// It can take no further connection, whatever else is unknown.
    public var isFull: Bool { forecast.binding?.connectionsMore == 0 }

    public init(facts: ProcessFacts, forecast: ProcessForecast) {
        self.facts = facts
        self.forecast = forecast
    }

    /// Reads the process and the machine now. A million descriptors take some seconds.
    ///
    /// - Throws: `vanished` when there is no such process, or when it ended meanwhile.
    public init(pid: Int32) throws(ProcessUsageError) {
        facts = try ProcessFacts.read(pid: pid)
        forecast = ProcessForecast(
            facts, host: HostFacts.read(), memoryAvailableBytes: try? KernelMemory.memAvailable())
    }

    /// Up to 80 columns, with a line end after each line.
    public var text: String {
        var page = TextPage()
        writeAnswer(&page)
        page.heading("What it is and holds now")
        writeFacts(&page)
        if !forecast.limits.isEmpty {
            page.heading("How many more connections each limit allows, the nearest first")
            for limit in forecast.limits { write(limit, &page) }
        }
        if !forecast.notes.isEmpty {
            page.heading("To be kept in mind")
            for note in forecast.notes { page.item(note) }
        }
        if !forecast.unknowns.isEmpty || !unknownFacts.isEmpty {
            page.heading("Not known")
            for reason in forecast.unknowns + unknownFacts { page.item(reason) }
        }
        return page.text
    }

    private func writeAnswer(_ page: inout TextPage) {
        let user = facts.user.value.map { " of user \($0)" } ?? ""
        page.paragraph("Process \(facts.pid) (\(facts.name))\(user)")
        page.blank()
        let holds = forecast.established.map {
            $0 == 1 ? "holds 1 TCP connection" : "holds \(Count.format($0)) TCP connections"
        }
        guard let binding = forecast.binding else {
            page.paragraph("It \(holds ?? "could not be looked into"). No limit is known.")
            return
        }
        let more = Count.format(binding.connectionsMore)
        if forecast.judgesFiles {
            page.paragraph(
                "It \(holds.map { "\($0) and " } ?? "")can take "
                    + (binding.connectionsMore == 0 ? "no more" : "about \(more) more")
                    + (forecast.unknowns.isEmpty ? "." : ", as far as is known (see the end)."))
        } else {
            page.paragraph(
                "It \(holds ?? "could not be looked into"). HOW MANY MORE IT CAN TAKE IS NOT KNOWN, "
                    + "since its open files are not (see the end). The nearest of the other limits "
                    + "allows \(more) more.")
        }
        page.paragraph(
            "\(forecast.judgesFiles ? "First limit" : "That is"): \(binding.title) "
                + "(\(binding.limitText)). \(binding.explanation)")
        page.paragraph("To raise it: \(binding.remedy)")
    }

    private func writeFacts(_ page: inout TextPage) {
        if let network = facts.network.value {
            page.row("connections", Self.connections(network))
            for listener in network.listeners.prefix(8) {
                let most = listener.acceptQueueMax.value.map { " (room for \(Count.format($0)))" }
                page.row(
                    "listens on",
                    "\(listener.address):\(listener.port); waiting to be accepted: "
                        + Count.format(listener.acceptQueue) + (most ?? ""))
            }
            if network.listeners.count > 8 {
                page.row("", "and \(network.listeners.count - 8) more")
            }
        }
        if let descriptors = facts.descriptors.value {
            let soft = facts.openFilesSoft.value.map(Self.text) ?? "unknown"
            let hard = facts.openFilesHard.value.map(Self.text) ?? "unknown"
            page.row(
                "open files",
                "\(Count.format(descriptors.count)) of \(soft) (hard limit \(hard)), sockets among "
                    + "them: \(Count.format(descriptors.socketCount))")
            page.row("waits with", waiting(descriptors))
        }
        row("threads", facts.threads.map { Count.format($0) }, &page)
        let proportional = facts.proportionalBytes.value.map {
            ", \(Count.format(bytes: $0)) with shared pages in proportion"
        }
        row(
            "memory", facts.residentBytes.map { Count.format(bytes: $0) + (proportional ?? "") },
            &page)
        row("memory areas", facts.memoryMaps.map { Count.format($0) }, &page)
        row("no memory left", facts.outOfMemoryScoreAdjustment.map(Self.outOfMemory), &page)
        row("system calls", facts.seccompMode.map(Self.seccomp), &page)
    }

    private static func connections(_ network: ProcessNetwork) -> String {
        var parts = ["\(Count.format(network.own[.established])) established"]
        let halfClosed = network.own[.closeWait]
        if halfClosed > 0 { parts.append("\(Count.format(halfClosed)) closed by the client only") }
        let ended = network.onListeningPorts[.timeWait]
        if ended > 0 { parts.append("\(Count.format(ended)) ended lately (TIME_WAIT)") }
        return parts.joined(separator: ", ")
    }

    private func row(_ name: String, _ fact: Fact<String>, _ page: inout TextPage) {
        if let value = fact.value { page.row(name, value) }
    }

    private func waiting(_ descriptors: ProcessDescriptors) -> String {
        var parts: [String] = []
        if !descriptors.epolls.isEmpty {
            let known = descriptors.epolls.compactMap(\.watches.value)
            let watches =
                known.count == descriptors.epolls.count
                ? Count.format(known.reduce(0, +)) : "an unknown number of"
            parts.append("epoll (\(descriptors.epolls.count) x, \(watches) watches)")
        }
        if !descriptors.rings.isEmpty {
            parts.append(
                "io_uring (\(descriptors.rings.count) x, "
                    + "\(Count.format(descriptors.directSocketCount)) sockets inside)")
        }
        if forecast.waiting == .threadPerConnection { parts.append("a thread per connection") }
        return parts.isEmpty ? "nothing that is recognised" : parts.joined(separator: ", ")
    }

    private func write(_ limit: ProcessLimit, _ page: inout TextPage) {
        page.figure(
            Count.format(limit.connectionsMore), "\(limit.title) (\(limit.limitText))",
            details: [limit.formula, limit.file, limit.remedy])
    }

    private var unknownFacts: [String] {
        var named = [
            ("threads", facts.threads.reason), ("memory", facts.residentBytes.reason),
            ("proportional memory", facts.proportionalBytes.reason),
            ("memory areas", facts.memoryMaps.reason), ("seccomp", facts.seccompMode.reason),
        ]
        switch facts.network {
        case .unknown(let reason): named.append(("its connections", reason))
        case .known(let network):
            let room = network.listeners.contains { $0.acceptQueueMax.value == nil }
            if room { named.append(("room to wait to be accepted", network.origin)) }
        }
        return named.compactMap { name, reason in reason.map { "\(name): \($0)" } }
    }

    private static func text(_ ceiling: Ceiling) -> String {
        ceiling.value.map { Count.format($0) } ?? "any number"
    }

    private static func outOfMemory(_ score: Int) -> String {
        switch score {
        case 0: "ended like any other (OOM score 0)"
        case -1_000: "never ended (OOM score -1000)"
        case ..<0: "ended later than others (OOM score \(score))"
        default: "ended before others (OOM score \(score))"
        }
    }

    private static func seccomp(_ mode: Int) -> String {
        mode == 0 ? "no filter" : "filtered (seccomp): io_uring may be forbidden to it"
    }
}

// What a reader of a forecast must know beside the limits.

struct ForecastNotes {
    let facts: ProcessFacts
    let waiting: ProcessForecast.Waiting

    var lines: [String] {
        guard let network = facts.network.value else { return [ownMemory(0)] }
        let established = network.own[.established]
        var lines = network.listeners.compactMap(queue)
        if let overflows = network.listenOverflows.value, overflows > 0 {
            lines.append(
                "\(Count.format(overflows)) times a connection was dropped because an accept queue "
                    + "was full (ListenOverflows), by all programs of its network since that began."
            )
        }
        let others = network.onListeningPorts[.established] - established
        if others > 0 {
            lines.append(
                "\(Count.format(others)) more connections on its ports belong to other processes, "
                    + "or wait to be accepted.")
        }
        if network.own[.closeWait] > max(10, established / 10) {
            lines.append(
                "\(Count.format(network.own[.closeWait])) connections were closed by their clients "
                    + "and not by this process. They take open files all the same.")
        }
        if network.listeners.isEmpty {
            lines.append(
                "It does not listen for connections. For a client the source ports are a limit "
                    + "too; they are not judged here.")
        }
        lines.append(
            "Whether the processors can serve so many is not judged. Clients on this same machine "
                + "take files and memory once more.")
        return lines + [ownMemory(established)]
    }

    private func ownMemory(_ established: Int) -> String {
        let now = facts.residentBytes.value.map { ", now \(Count.format(bytes: $0))" } ?? ""
        let beside = established > 0 ? " beside \(Count.format(established)) connections" : ""
        return "What the server itself keeps for a connection is not in the figures for memory"
            + "\(now)\(beside)."
    }

    /// A full queue drops what comes, whatever the limits allow.
    private func queue(_ listener: ListenerFacts) -> String? {
        guard let most = listener.acceptQueueMax.value, listener.acceptQueue > 0 else { return nil }
        let place = "\(listener.address):\(listener.port)"
        if listener.acceptQueue > most {
            return "The accept queue of \(place) is FULL: it takes no connection until the server "
                + "accepts. It is too busy, or stuck; a longer queue needs a larger backlog and "
                + "sysctl -w net.core.somaxconn=\(max(4_096, 2 * most))."
        }
        return "\(Count.format(listener.acceptQueue)) connections wait to be accepted on \(place)."
    }
}

// What would make room for more connections, as a command where there is one.

extension Preflight {
    /// What would make room for `connections`, as a command where there is one.
    func remedy(for wall: Wall, connections: Int) -> String {
        let raise = sysctl(of: wall, for: connections).map { "sysctl -w \($0.name)=\($0.value)" }
        switch wall.resource {
        case .ports:
            guard portWidening != nil else { return "more source addresses or ports" }
            let wider = portWidening?.range(for: connections).map {
                "sysctl -w \(PortWidening.sysctl)=\"\($0.lowerBound) \($0.upperBound)\" (in a"
                    + " namespace of the run's own with --netns), or "
            }
            return (wider ?? "") + "--ports planned"
        case .descriptors:
            return "ulimit -Hn \(openFilesNeeded(for: connections)) (systemd: LimitNOFILE=)"
                + (backend == .uring ? "" : ", or --backend uring")
        case .processIDs, .systemThreads, .memoryMaps:
            let other = "a backend without threads"
            return raise.map { "\($0), or \(other)" } ?? other + ends(at: wall)
        case .systemFiles, .epollWatches:
            return raise ?? "fewer connections" + ends(at: wall)
        case .userThreads:
            return "ulimit -u \(wall.demand?.limit(for: connections) ?? 2 * connections)"
        case .controlGroupThreads:
            return "allow the container or unit \(Count.format(2 * connections)) more threads "
                + "(systemd: TasksMax=, docker: --pids-limit)"
        case .memory:
            let each = cost.bytesPerConnection + processShareBytes
            let needed = connections * each + floorBytes + cost.fixedBytes
            return "free \(Count.format(bytes: needed - memoryAvailableBytes)), or at most "
                + "\(Count.format(wall.connectionsMax)) connections"
        case .controlGroupMemory:
            return "raise the memory limit of the container or unit (systemd: MemoryMax=, "
                + "docker: --memory), or at most \(Count.format(wall.connectionsMax)) connections"
        case .conntrack:
            return raise.map { "\($0), or a notrack rule" } ?? "a notrack rule" + ends(at: wall)
        case .processors, .timeWait, .acceptQueue, .packetQueue, .tcpMemory, .ioUring,
            .frozenPeer, .outside, .unknown:
            // Nothing predicts these as a count of connections.
            return "see uring-bench doctor"
        }
    }

    private func ends(at wall: Wall) -> String {
        WallSysctl(wall).map { "; \($0.name) ends at \(Count.format($0.valueMax))" } ?? ""
    }
}

// What would make room for more connections, as a command where there is one.

extension Preflight {
    /// The highest value that the kernel accepts for kernel.pid_max: PID_MAX_LIMIT.
    private static let pidMaxLimit = 4_194_304

    /// What would make room for `connections`, as a command where there is one.
    func remedy(for wall: Wall, connections: Int) -> String {
        let ends = 2 * connections
        let perProcess = (connections + processesMax - 1) / processesMax
        switch wall.resource {
        case .ports:
            return "--ports planned with more source addresses, or a wider port range (sysctl -w"
                + " net.ipv4.ip_local_port_range=\"1024 65535\", in a namespace of its own with"
                + " --netns)"
        case .descriptors:
            return raiseOpenFiles(perProcess: perProcess, connections: connections)
        case .memoryMaps:
            let maps = Int((Double(perProcess) * Self.mapsPerThread).rounded(.up)) + Self.spareMaps
            return "sysctl -w vm.max_map_count=\(maps)"
        case .systemFiles:
            return "sysctl -w fs.file-max=\(ends + systemFilesUsed)"
        case .epollWatches:
            return "sysctl -w fs.epoll.max_user_watches=\(ends)"
        case .processIDs:
            let needed = ends + threadsUsed + Self.reservedPids
            return needed <= Self.pidMaxLimit
                ? "sysctl -w kernel.pid_max=\(needed), or a backend without threads"
                : "a backend without threads; kernel.pid_max ends at "
                    + Count.format(Self.pidMaxLimit)
        case .systemThreads:
            return "sysctl -w kernel.threads-max=\(ends + threadsUsed)"
        case .userThreads:
            return "ulimit -u \(ends + threadsUsed)"
        case .controlGroupThreads:
            return "allow the container or unit \(Count.format(ends)) more threads "
                + "(systemd: TasksMax=, docker: --pids-limit)"
        case .memory:
            let needed = connections * cost.bytesPerConnection + floorBytes + cost.fixedBytes
            return "free \(Count.format(bytes: needed - memoryAvailableBytes)), or at most "
                + "\(Count.format(wall.connectionsMax)) connections"
        case .controlGroupMemory:
            return "raise the memory limit of the container or unit (systemd: MemoryMax=, "
                + "docker: --memory), or at most \(Count.format(wall.connectionsMax)) connections"
        case .conntrack:
            return "sysctl -w net.netfilter.nf_conntrack_max=\(2 * connections), or a notrack rule"
        case .processors, .timeWait, .acceptQueue, .packetQueue, .tcpMemory, .ioUring,
            .frozenPeer, .outside, .unknown:
            // Nothing predicts these as a count of connections.
            return "see uring-bench doctor"
        }
    }

    private func raiseOpenFiles(perProcess: Int, connections: Int) -> String {
        guard backend == .uring else {
            let needed = perProcess + Self.spareDescriptors
            return "ulimit -Hn \(needed) (systemd: LimitNOFILE=), or --backend uring"
        }
        // With r descriptors for rings and r slots in each there is room for r x r connections.
        let rings = Int(Double(connections).squareRoot().rounded(.up))
        return "ulimit -Hn \(rings + Self.spareDescriptors) (systemd: LimitNOFILE=)"
    }
}

// Which sysctls would let a run pass its walls, and to which values.

/// The sysctl behind a wall, and the highest value that the kernel takes for it.
struct WallSysctl {
    let name: String
    let valueMax: Int

    init?(_ wall: Wall) {
        guard wall.demand != nil else { return nil }
        switch wall.resource {
        // PID_MAX_LIMIT.
        case .processIDs: (name, valueMax) = ("kernel.pid_max", 4_194_304)
        // MAX_THREADS, which is FUTEX_TID_MASK.
        case .systemThreads: (name, valueMax) = ("kernel.threads-max", 0x3fff_ffff)
        case .memoryMaps: (name, valueMax) = ("vm.max_map_count", Int(Int32.max))
        case .systemFiles: (name, valueMax) = ("fs.file-max", .max)
        case .epollWatches: (name, valueMax) = ("fs.epoll.max_user_watches", .max)
        case .conntrack: (name, valueMax) = ("net.netfilter.nf_conntrack_max", Int(Int32.max))
        default: return nil
        }
    }
}

extension Preflight {
    /// The sysctls that keep `connections` from fitting, with values at which they would not.
    ///
    /// A value has room for what is in use now, for the run itself, and for what a climb leaves to
    /// the host's other programs: a preflight after it refuses `connections` for none of them. A
    /// wall that no sysctl can move so far has no change.
    public func changes(for connections: Int) -> [HostChange] {
        refusing(connections).compactMap { change(of: $0, for: connections) }
    }

    /// Those that let a climb pass every wall before the one that no sysctl moves.
    ///
    /// - Parameter connectionsMax: where the climb ends at the latest.
    func changes(towards connectionsMax: Int) -> [HostChange] {
        let ends = walls.map { ($0, end(of: $0)) }
        let reach = ends.map(\.1).min() ?? 0
        if connectionsMax <= reach { return changes(for: connectionsMax) }
        // A quarter more, so that the last wall is met and not one beside it.
        let goal = reach + reach / 4
        return ends.compactMap { wall, end in
            wall.connectionsMax < min(goal, end)
                ? change(of: wall, for: min(goal, end)) : nil
        }
    }

    /// The walls before `connections`, the nearest first.
    func refusing(_ connections: Int) -> [Wall] {
        walls.filter { $0.connectionsMax < connections }
    }

    /// The value that a wall's limit needs; `nil` where no sysctl can give it.
    func sysctl(of wall: Wall, for connections: Int) -> (name: String, value: Int)? {
        guard let sysctl = WallSysctl(wall), let demand = wall.demand else { return nil }
        let value = demand.limit(
            for: HostSafety.wallNeeded(for: connections, of: wall.resource))
        return value <= sysctl.valueMax ? (sysctl.name, value) : nil
    }

    func change(of wall: Wall, for connections: Int) -> HostChange? {
        let reason =
            "\(backend.rawValue) ends at \(Count.format(wall.connectionsMax)) of"
            + " \(Count.format(connections)) connections: \(wall.resource.title)"
            + " (\(wall.formula))"
        if let (name, value) = sysctl(of: wall, for: connections) {
            return HostChange(
                name: name, present: "\(wall.limit)", wanted: "\(value)", reason: reason)
        }
        guard wall.resource == .ports, let portWidening,
            let range = portWidening.range(for: connections)
        else { return nil }
        return HostChange(
            name: PortWidening.sysctl, present: portWidening.text(portWidening.present),
            wanted: portWidening.text(range), reason: reason)
    }

    /// The most connections for which ``change(of:for:)`` moves the wall; without one, the wall.
    private func end(of wall: Wall) -> Int {
        if wall.resource == .ports, let portWidening {
            return max(wall.connectionsMax, portWidening.connectionsMax)
        }
        guard let sysctl = WallSysctl(wall), let demand = wall.demand else {
            return wall.connectionsMax
        }
        let highest = demand.connections(within: sysctl.valueMax)
        return max(wall.connectionsMax, HostSafety.connections(before: highest, of: wall.resource))
    }
}

/// The kernel's range of ports, made wider: first upwards, where fewer servers listen.
struct PortWidening: Codable, Hashable {
    static let sysctl = "net.ipv4.ip_local_port_range"
    /// Below, ports are for privileged programs.
    private static let portFirst = 1_024
    private static let portLast = 65_535
    /// Ports that other programs may have in the new part, which nobody has counted.
    private static let slack = 64

    let present: ClosedRange<Int>
    private let demand: Demand
    private let reserved: String

    /// - Returns: `nil` unless the kernel chooses the ports.
    init?(_ ports: PortCapacity, _ facts: HostFacts) {
        guard let demand = ports.demand, let first = facts.localPortFirst,
            let last = facts.localPortLast, first <= last
        else { return nil }
        present = first...last
        self.demand = demand
        reserved = facts.localPortsReserved ?? ""
    }

    /// As the sysctl has it.
    func text(_ range: ClosedRange<Int>) -> String { "\(range.lowerBound) \(range.upperBound)" }

    private var widest: ClosedRange<Int> {
        min(present.lowerBound, Self.portFirst)...Self.portLast
    }

    var connectionsMax: Int { demand(in: widest).connections(within: widest.count) }

    /// The present range and what is needed besides; `nil` where the widest is not enough.
    func range(for connections: Int) -> ClosedRange<Int>? {
        guard connections <= connectionsMax else { return nil }
        var count = present.count
        while true {
            let last = min(present.lowerBound + count - 1, Self.portLast)
            let range = max(widest.lowerBound, last - count + 1)...max(last, present.upperBound)
            let needed = demand(in: range).limit(for: connections) + Self.slack
            if range.count >= needed || range == widest { return range }
            count = max(needed, count + 1)
        }
    }

    /// Reserved ports of the new part serve nobody.
    private func demand(in range: ClosedRange<Int>) -> Demand {
        let more =
            PortCapacity.portCount(of: reserved, within: range)
            - PortCapacity.portCount(of: reserved, within: present)
        return Demand(
            taken: demand.taken + more, perConnection: demand.perConnection, parts: demand.parts)
    }
}

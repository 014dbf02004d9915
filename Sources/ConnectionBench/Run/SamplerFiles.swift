// The files that the host sampler reads, opened once.

import ConnectionEngine

struct SamplerFiles {
    private let meminfo = ProcFile("/proc/meminfo")
    private let pressureOfMemory = ProcFile("/proc/pressure/memory")
    private let pressureOfProcessors = ProcFile("/proc/pressure/cpu")
    private let loadAverage = ProcFile("/proc/loadavg")
    private let fileNumbers = ProcFile("/proc/sys/fs/file-nr")
    private let conntrackCount = ProcFile("/proc/sys/net/netfilter/nf_conntrack_count")
    private let groupLimit: Int?
    private let groupUsage: ProcFile?
    private let groupStatistics: ProcFile?
    /// File cache of the group that the kernel drops before it refuses memory; read once a second.
    private var groupInactive = 0
    private var serverBefore: NetworkCounters?
    private var clientBefore: NetworkCounters?

    init(controlGroup: ControlGroupLimit?) {
        groupLimit = controlGroup?.limit.value
        let path = controlGroup?.path ?? ""
        let folder = path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        let isUnified = path.hasSuffix("memory.max")
        guard groupLimit != nil else {
            groupUsage = nil
            groupStatistics = nil
            return
        }
        groupUsage = ProcFile(
            folder + (isUnified ? "/memory.current" : "/memory.usage_in_bytes"))
        groupStatistics = ProcFile(folder + "/memory.stat", bytesMax: 16_384)
        refresh()
    }

    func memory() -> UsableMemory? {
        meminfo?.read().flatMap { try? UsableMemory(meminfo: $0) }
    }

    /// Once a second: what is dear to read and changes slowly.
    mutating func refresh() {
        guard let text = groupStatistics?.read() else { return }
        groupInactive = ControlGroup.inactiveFileBytes(statistics: text) ?? 0
    }

    func controlGroupLeft() -> Int? {
        guard let groupLimit, let used = groupUsage?.integer() else { return nil }
        return max(0, groupLimit - max(0, used - groupInactive))
    }

    /// Lines such as `full avg10=0.00 avg60=0.00 avg300=0.00 total=0`.
    func memoryPressure() -> (some: Double?, full: Double?) {
        let text = pressureOfMemory?.read() ?? ""
        return (Self.average("some", in: text), Self.average("full", in: text))
    }

    func processorPressure() -> Double? {
        pressureOfProcessors?.read().flatMap { Self.average("some", in: $0) }
    }

    static func average(_ line: String, in text: String) -> Double? {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(line + " ") }),
            let word = line.split(separator: " ").first(where: { $0.hasPrefix("avg10=") })
        else { return nil }
        return Double(word.dropFirst(6))
    }

    func threads() -> Int? {
        loadAverage?.read().flatMap { HostFacts.threads(inLoadAverage: $0) }
    }

    func systemFiles() -> Int? {
        fileNumbers?.read().flatMap {
            $0.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
        }
    }

    func conntrack() -> Int? { conntrackCount?.integer() }

    /// What the network counters of both sides have done since the last call.
    mutating func network(
        _ target: HostSampler.Target
    ) -> (server: [String: Int], client: [String: Int], timeWait: Int, tcpMemoryPages: Int)? {
        guard let server = try? NetworkCounters.read(of: target.serverPid) else { return nil }
        let serverChange = serverBefore.map { server.since($0).tellingChanges } ?? [:]
        serverBefore = server
        guard !target.sharesNetwork, let client = try? NetworkCounters.read(of: target.clientPid)
        else {
            return (
                serverChange, serverChange, server.sockets.timeWait, server.sockets.memoryPages
            )
        }
        let clientChange = clientBefore.map { client.since($0).tellingChanges } ?? [:]
        clientBefore = client
        // The client closes first: its side has the connections in TIME_WAIT.
        return (serverChange, clientChange, client.sockets.timeWait, server.sockets.memoryPages)
    }
}

// Gathering what a verdict needs, at the moment a climb ends.

import ConnectionEngine
import Glibc

extension Run {
    /// Reads everything that may tell why it ended. What cannot be read stays unknown.
    func gather(_ group: ProcessGroup, target: Int) -> Evidence {
        var evidence = Evidence(backend: group.layout.backend)
        evidence.clientOpen = group.board.sum(.open, rows: group.clientRows)
        evidence.serverOpen = group.board.sum(.open, rows: group.serverRows)
        evidence.opening = group.board.sum(.opening, rows: group.clientRows)
        evidence.target = target
        gatherProcesses(&evidence, group)
        gatherNetwork(&evidence)
        evidence.memoryUsableBytes = watch.sampler.usableBytes
        evidence.memoryFloorBytes = result.preflight?.floorBytes ?? 0
        evidence.bytesPerConnection = bytesPerConnection(at: evidence.clientOpen)
        let files = HostFiles(root: "")
        let groups = ControlGroup(files: files)
        evidence.controlGroupMemory = groups.memory()
        evidence.controlGroupPids = groups.pids()
        evidence.controlGroupMemoryEvents = groups.memoryEvents().map {
            max(0, $0 - (watch.sampler.before.controlGroupMemory ?? 0))
        }
        evidence.controlGroupPidEvents = groups.pidEvents().map {
            max(0, $0 - (controlGroupPidEventsBefore ?? 0))
        }
        evidence.threadsUsed = files.value("/proc/loadavg")
            .flatMap { HostFacts.threads(inLoadAverage: $0) }
        evidence.userThreadsUsed = HostFacts.threads(
            ofUser: UInt32(result.hostOfChildren.effectiveUser ?? Int(getuid())), files)
        evidence.systemFilesUsed = files.integers("/proc/sys/fs/file-nr", count: 3)?[0]
        return evidence
    }

    private func gatherProcesses(_ evidence: inout Evidence, _ group: ProcessGroup) {
        evidence.stoppedServers = group.servers.filter(\.isStopped).map(\.name)
        evidence.stoppedClients = group.clients.filter(\.isStopped).map(\.name)
        evidence.serverDescriptors = group.servers.compactMap(\.descriptorCount).max()
        evidence.clientDescriptors = group.clients.compactMap(\.descriptorCount).max()
        if group.layout.backend == .threads {
            evidence.serverMaps = group.servers.compactMap(\.mapCount).max()
            evidence.clientMaps = group.clients.compactMap(\.mapCount).max()
        }
        // A stopped process answers nothing.
        guard evidence.stoppedServers.isEmpty, evidence.stoppedClients.isEmpty,
            let sums = try? group.counters()
        else { return }
        evidence.server = sums.server
        evidence.client = sums.client
    }

    private func gatherNetwork(_ evidence: inout Evidence) {
        if let changes = networkChanges() {
            evidence.serverNetwork = changes.server
            evidence.clientNetwork = changes.client
        }
        network.asClient {
            if let sockets = try? SocketStatistics.read() {
                evidence.timeWait = sockets.timeWait
                evidence.tcpMemoryPages = sockets.memoryPages
            }
        }
        network.asServer {
            let files = HostFiles(root: "")
            evidence.conntrackCount = Conntrack.count()
            evidence.conntrackMax = files.integer("/proc/sys/net/netfilter/nf_conntrack_max")
            evidence.conntrackDrops = Conntrack.drops(files).map {
                max(0, $0 - (watch.sampler.before.conntrackDrops ?? 0))
            }
        }
    }

    /// By how much less memory there is, for each connection; `nil` for too few to tell.
    private func bytesPerConnection(at connections: Int) -> Int? {
        guard let baseline, connections >= 1_000, let memory = try? UsableMemory.read() else {
            return nil
        }
        let left = memory.usableBytes(since: baseline.memory, connections: connections)
        return max(0, baseline.memory.availableBytes - left) / connections
    }
}

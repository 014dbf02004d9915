// How many connections one process can hold under its limit of open files.

import ConnectionEngine

/// Exact where the engine's layout is known, see `Configuration.connectionCapacity`.
public struct ProcessCapacity: Codable, Hashable, Sendable {
    /// The hard limit of open files, to which a run raises the soft one; `nil`: unknown.
    let descriptorLimit: Int?
    /// Connections that one process holds; `nil`: unknown.
    let connections: Int?
    let formula: String

    public init(descriptorLimit: Int?, connections: Int?, formula: String) {
        self.descriptorLimit = descriptorLimit
        self.connections = connections
        self.formula = formula
    }

    /// A rule of thumb, without an engine.
    init(_ facts: HostFacts, _ backend: BackendKind) {
        descriptorLimit = Self.openFiles(facts)
        guard let hard = descriptorLimit else {
            connections = nil
            formula = "unknown"
            return
        }
        let usable = max(0, hard - Preflight.spareDescriptors)
        let table = min(hard, Preflight.ringTableMax)
        let kept = "\(Count.format(hard)) - \(Preflight.spareDescriptors) spare"
        if backend == .uring {
            connections = usable * table
            formula = "(\(kept)) rings x \(Count.format(table)) direct descriptors"
        } else {
            connections = usable
            formula = "(\(kept)) sockets"
        }
    }

    /// What the engine of one process can hold, with `workers` workers that share evenly.
    init(_ plan: RunPlan, _ facts: HostFacts, _ backend: BackendKind, workers: Int) {
        self.init(facts, backend)
    }

    /// The hard limit of open files; the kernel allows none above fs.nr_open.
    static func openFiles(_ facts: HostFacts) -> Int? {
        switch facts.openFilesHard {
        case nil: nil
        case .at(let limit): limit
        case .unlimited: facts.openFilesPerProcessMax
        }
    }

    func wall(_ facts: HostFacts, processesMax: Int) -> [Wall] {
        guard let descriptorLimit, let connections else { return [] }
        return [
            Wall(
                resource: .descriptors, connectionsMax: connections * processesMax,
                limit: descriptorLimit, origin: "RLIMIT_NOFILE (hard)",
                formula: "\(formula) x \(processesMax) processes per side")
        ]
    }

    /// Connections of one process, by mappings too where each has a thread.
    func bounds(_ facts: HostFacts, _ backend: BackendKind) -> Int? {
        var bounds = [connections].compactMap { $0 }
        if backend == .threads, let maps = facts.mapsPerProcessMax {
            bounds.append(Preflight.threadsPerProcess(maps: maps))
        }
        return bounds.min()
    }
}

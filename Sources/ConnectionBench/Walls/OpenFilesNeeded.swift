// The limit of open files that a number of connections needs. A run cannot raise it: whoever starts
// it must.

extension Preflight {
    /// RLIMIT_NOFILE for each process.
    func openFilesNeeded(for connections: Int) -> Int {
        if let demand = walls.first(where: { $0.resource == .descriptors })?.demand {
            return demand.limit(for: connections)
        }
        // With r descriptors for rings and r slots in each there is room for r x r connections.
        let perProcess = (connections + processesMax - 1) / processesMax
        return Int(Double(perProcess).squareRoot().rounded(.up)) + Self.spareDescriptors
    }

    /// What a fix script says about open files, and fs.nr_open where it has to be raised for that;
    /// `nil` where they are no wall.
    func openFiles(
        for connections: Int, facts: HostFacts
    ) -> (limit: FixScript.OpenFiles, change: HostChange?)? {
        guard let wall = refusing(connections).first(where: { $0.resource == .descriptors }),
            let ceiling = facts.openFilesPerProcessMax
        else { return nil }
        let wanted = openFilesNeeded(for: connections)
        let reason =
            "\(backend.rawValue) needs \(wanted) open files in each process for"
            + " \(Count.format(connections)) connections; \(wall.limit) allow"
            + " \(Count.format(wall.connectionsMax)) (\(wall.formula))"
        let change =
            wanted <= ceiling
            ? nil
            : HostChange(
                name: "fs.nr_open", present: "\(ceiling)", wanted: "\(wanted)",
                reason: "no limit of open files can be above it; \(reason)")
        return (
            FixScript.OpenFiles(
                wanted: wanted, perProcessMax: max(wanted, ceiling),
                // In limits.conf the star is everyone but root.
                user: facts.effectiveUser == 0 ? "root" : "*", reason: reason),
            change
        )
    }
}

// What a connection costs in memory at each step.

import ConnectionBench

struct MemorySection {
    private let candidates: [Candidate]

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
    }

    /// Caches with a layer of their own; the rest share one.
    private static let cachesMax = 6

    private struct Step {
        var connections: Int
        var shares: MemoryShares
    }

    var section: SectionModel? {
        let stacks = candidates.map { candidate in
            candidate.steps.compactMap { connections in
                MemoryShares.mean(
                    candidate.records(at: connections).compactMap { MemoryShares($0) }
                ).map { Step(connections: connections, shares: $0) }
            }
        }
        let names = stacks.map { largestCaches($0) }
        let charts = candidates.indices.map { chart(candidates[$0], stacks[$0], names[$0]) }
        let highest = charts.flatMap(\.totals).max() ?? 0
        var section = SectionModel(anchor: "memory", heading: "Memory per connection")
        for (index, chart) in charts.enumerated() where !chart.isEmpty {
            var chart = chart
            chart.yAxis.includes = [highest]
            section.figures.append(
                FigureModel(
                    chart, key: charts.count == 1 ? "memory" : "memory-\(index)",
                    legendTitle: "Bytes per connection at"
                        + " \(Count.format(stacks[index].last?.connections ?? 0)) connections",
                    note: source(candidates[index])))
        }
        guard !section.figures.isEmpty else { return nil }
        if section.figures.count > 2 { section.gridStyle = "panels" }
        section.paragraphs = [explanation] + candidates.compactMap { slope($0) }
        return section
    }

    private var explanation: String {
        var text =
            "A connection has both its ends on this machine, so two sockets. Kernel memory is what"
            + " its slab caches grew by since the start of the run; user memory is all that the"
            + " server and client processes hold. Both are divided by the connections, so a"
            + " process's fixed costs stand out at small steps."
        if candidates.contains(where: { $0.runs.count > 1 }) { text += " Mean of the runs." }
        return text
    }

    private func slope(_ candidate: Candidate) -> String? {
        let kernel = Samples(candidate.runs.compactMap { $0.memory?.kernelBytesPerConnection })
        let user = Samples(candidate.runs.compactMap { $0.memory?.userBytesPerConnection })
        guard let kernel = kernel.median, let user = user.median else { return nil }
        let which = candidate.runs.count > 1 ? ", in the median run" : ""
        return "\(candidate.name): each further connection costs \(NumberText.whole(kernel)) B of"
            + " kernel memory and \(NumberText.whole(user)) B of user memory (the slope over the"
            + " steps\(which))."
    }

    private func source(_ candidate: Candidate) -> String? {
        let sources = candidate.runs.flatMap { $0.steps.compactMap { $0.kernelMemory?.source } }
        guard sources.contains(.meminfo) else { return nil }
        return
            "The kernel's caches were not readable (/proc/slabinfo needs root), so their sums from"
            + " /proc/meminfo stand for them."
    }

    /// By their bytes at the last step.
    private func largestCaches(_ steps: [Step]) -> [String] {
        guard let last = steps.last(where: { !$0.shares.caches.isEmpty }) else { return [] }
        return last.shares.caches.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .prefix(Self.cachesMax).map(\.key)
    }

    private func chart(_ candidate: Candidate, _ steps: [Step], _ caches: [String]) -> StackChart {
        var layers = caches.enumerated().map { index, name in
            StackChart.Layer(
                name: name, style: "k\(index)", values: steps.map { $0.shares.caches[name] ?? 0 })
        }
        layers.append(
            StackChart.Layer(
                name: "other caches", style: "ko",
                values: steps.map { step in
                    let unlisted = step.shares.caches.filter { !caches.contains($0.key) }.values
                    guard let rest = step.shares.otherCaches else { return nil }
                    return rest + unlisted.reduce(0, +)
                }))
        layers.append(
            StackChart.Layer(
                name: "server process", style: "us", values: steps.map(\.shares.server)))
        layers.append(
            StackChart.Layer(
                name: "client process", style: "uc", values: steps.map(\.shares.client)))
        layers.removeAll { layer in layer.values.allSatisfy { $0 == nil } }
        return StackChart(
            title: "Bytes per connection, \(candidate.name)",
            description: "Stacked bars by step. At the last one: "
                + layers.map { layer in
                    "\(layer.name) "
                        + ((layer.values.last ?? nil).map { NumberText.whole($0) + " B" }
                            ?? "unknown")
                }.joined(separator: ", ") + ".",
            categories: steps.map { NumberText.compact(Double($0.connections)) },
            xAxisTitle: "connections", yAxis: Axis(title: "bytes", format: .bytes),
            layers: layers)
    }
}

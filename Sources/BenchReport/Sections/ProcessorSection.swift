// Who used the processors at each step.

import ConnectionBench

struct ProcessorSection {
    private let candidates: [Candidate]
    /// The probe's load where there was one, else the connecting.
    private let isOfProbe: Bool

    init(_ candidates: [Candidate]) {
        self.candidates = candidates
        isOfProbe = candidates.contains { candidate in
            candidate.runs.contains { $0.steps.contains { $0.probe != nil } }
        }
    }

    var section: SectionModel? {
        let stacks = candidates.map { shares(of: $0) }
        let highest =
            stacks.flatMap {
                $0.flatMap { [$0.shares.sum, Double($0.shares.processorCount ?? 0)] }
            }
            .max() ?? 1
        var section = SectionModel(
            anchor: "processor",
            heading: isOfProbe
                ? "Processor time under load" : "Processor time while connecting")
        section.figures = zip(candidates, stacks).enumerated().compactMap { index, pair in
            figure(pair.0, pair.1, highest: highest, number: index)
        }
        guard !section.figures.isEmpty else { return nil }
        if section.figures.count > 2 { section.gridStyle = "panels" }
        section.paragraphs = [explanation]
        return section
    }

    private var explanation: String {
        let phase = isOfProbe ? "the probe of each step" : "the connecting of each step"
        var text =
            "Processors in use on average during \(phase). Server and client are the time of their"
            + " processes, with what they do inside the kernel. Softirq is the kernel's network"
            + " work that neither is charged for: a kernel may charge part of it to the process"
            + " that it interrupts, and it is counted once here. The bars end at what the whole"
            + " machine was busy with, or at the processes' time where that is more: the machine's"
            + " is sampled by ticks, the processes' is measured."
        if candidates.contains(where: { $0.runs.count > 1 }) {
            text += " Mean of the runs."
        }
        return text
    }

    private struct Step {
        var connections: Int
        var shares: ProcessorShares
    }

    private func shares(of candidate: Candidate) -> [Step] {
        candidate.steps.compactMap { connections in
            let uses = candidate.records(at: connections).compactMap {
                isOfProbe ? $0.probe?.processor : $0.rampProcessor
            }
            return ProcessorShares.mean(uses.compactMap { ProcessorShares($0) })
                .map { Step(connections: connections, shares: $0) }
        }
    }

    private static let layers:
        [(path: KeyPath<ProcessorShares, Double> & Sendable, name: String, style: String)] = [
            (\.server, "server", "server"), (\.client, "client", "client"),
            (\.softirq, "softirq, charged to neither", "softirq"),
            (\.other, "all else on the machine", "other"),
            (\.steal, "taken by the hypervisor (steal)", "steal"),
        ]

    private func figure(
        _ candidate: Candidate, _ steps: [Step], highest: Double, number: Int
    ) -> FigureModel? {
        let count = steps.compactMap(\.shares.processorCount).max()
        let hasMachine = count != nil
        let layers = Self.layers.filter { layer in
            hasMachine
                ? layer.style != "steal" || steps.contains { $0.shares.steal > 0.005 }
                : ["server", "client"].contains(layer.style)
        }
        let last = steps.last
        let chart = StackChart(
            title: "Processors in use, \(candidate.name)",
            description: "Stacked bars by step. At the last one: "
                + layers.map { layer in
                    "\(layer.name) "
                        + NumberText.decimal(last?.shares[keyPath: layer.path] ?? 0, places: 2)
                }.joined(separator: ", ") + ".",
            categories: steps.map { NumberText.compact(Double($0.connections)) },
            xAxisTitle: "connections",
            yAxis: Axis(title: "processors", format: .processors, includes: [highest]),
            layers: layers.map { layer in
                StackChart.Layer(
                    name: layer.name, style: layer.style,
                    values: steps.map { $0.shares[keyPath: layer.path] })
            },
            notes: steps.map { step in
                step.shares.softirqInAll.map {
                    "softirq as the kernel counted it: \(NumberText.decimal($0, places: 2))"
                }
            },
            bound: count.map {
                StackChart.Bound(
                    value: Double($0), label: $0 == 1 ? "the one processor" : "all \($0) processors"
                )
            })
        guard !chart.isEmpty, let last else { return nil }
        return FigureModel(
            chart, key: candidates.count == 1 ? "processor" : "processor-\(number)",
            legendTitle: "Processors at \(Count.format(last.connections)) connections",
            note: hasMachine ? nil : "What the machine as a whole did was not readable.")
    }
}

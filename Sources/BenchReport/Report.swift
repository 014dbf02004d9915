// Results as one page that needs nothing else.

import ConnectionBench

/// One self-contained HTML page over one or several results.
public struct Report: Sendable {
    private let inputs: [ReportInput]
    private let madeBy: String

    /// - Parameters:
    ///   - inputs: at least one; several are shown together, in this order.
    ///   - madeBy: name and version of the tool, for the page's foot.
    public init(_ inputs: [ReportInput], madeBy: String) {
        precondition(!inputs.isEmpty, "a report of nothing")
        self.inputs = inputs
        self.madeBy = madeBy
    }

    public var html: String { PageTemplate.render(page) }

    var page: PageModel {
        let candidates = Candidate.all(of: inputs)
        let sets = inputs.compactMap { input -> RunSet? in
            if case .set(let set) = input.content { set } else { nil }
        }
        let stories = inputs.compactMap { input -> PortSection.Story? in
            guard case .ports(let result) = input.content else { return nil }
            return PortSection.Story(name: input.name, result: result)
        }
        let headlines = inputs.map { Headline.model(of: $0) }
        var sections: [SectionModel] = []
        sections += sets.enumerated().compactMap { index, set in
            ComparisonSection(set, candidates, number: index).section
        }
        if !candidates.isEmpty {
            sections += [
                LatencySection(candidates).section, RampSection(candidates).section,
                ProcessorSection(candidates).section, MemorySection(candidates).section,
            ].compactMap(\.self)
        }
        if !stories.isEmpty { sections.append(PortSection(stories).section) }
        sections += [
            WarningSection.section(inputs, candidates), EnvironmentSection(inputs).section,
            StepTable.section(candidates),
        ].compactMap(\.self)
        for index in sections.indices where sections[index].figures.count == 1 {
            sections[index].layout = "split"
        }
        return PageModel(
            title: headlines.count == 1
                ? headlines[0].sentence : "\(headlines.count) results of uring-bench side by side",
            styleSheet: PageTemplate.styleSheet, script: PageTemplate.script,
            headline: headlines, cautions: cautions(candidates), sections: sections,
            madeBy: madeBy)
    }

    /// What spoils a comparison by eye.
    private func cautions(_ candidates: [Candidate]) -> [String] {
        var cautions: [String] = []
        let sources = Set(candidates.map(\.source))
        let files = inputs.count { if case .ports = $0.content { false } else { true } }
        if files > 1 {
            cautions.append(
                "These results were not measured in turns, so part of what differs between them may"
                    + " be the machine's mood and not the candidates. For a verdict, measure them"
                    + " together: uring-bench run --backend all --repeats 5.")
        }
        if sources.count < files {
            cautions.append(
                "Two of the files have the same name; they are told apart by order only.")
        }
        return cautions
    }
}

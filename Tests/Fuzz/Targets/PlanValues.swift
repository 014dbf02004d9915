// The values of a plan that people type: counts, sizes, steps.

@testable import ConnectionBench

extension FuzzTarget {
    /// `Count`, and both of its printed forms.
    public static let counts = FuzzTarget(
        "counts",
        text: { text in
            if let count = try? Count(parsing: text) {
                promise((0...Count.largest).contains(count.value), "\(count.value) from '\(text)'")
                // Printed and read again, with separators and without.
                for again in [count.formatted, "\(count.value)"] {
                    promise(
                        (try? Count(parsing: again)) == count, "'\(again)' is not \(count.value)")
                }
            }
            // Numbers of any kind can be printed: take the bytes as one.
            let number = text.utf8.prefix(8).reduce(Int(text.utf8.count)) { $0 << 8 ^ Int($1) }
            for extreme in [number, -number, .max, .min] {
                promise(Count.format(extreme).utf8.count { $0 == 0x2c } <= 6, "separators")
                promise(Count.format(bytes: extreme).hasSuffix("B"), "a unit")
            }
        })

    public static let messageSizes = FuzzTarget(
        "message-sizes",
        text: { text in
            guard let sizes = try? MessageSizes(parsing: text) else { return }
            let allowed = 1...MessageSizes.byteCountMax
            let again: String
            switch sizes {
            case .uniform(let low, let high):
                promise(low <= high && allowed.contains(low) && allowed.contains(high), text)
                again = "\(low)-\(high)"
            case .weighted(let list):
                promise(1...MessageSizes.weightedMax ~= list.count, "\(list.count) sizes")
                promise(list.allSatisfy { allowed.contains($0.byteCount) }, text)
                promise(list.allSatisfy { 1...MessageSizes.weightMax ~= $0.weight }, text)
                promise(Set(list.map(\.byteCount)).count == list.count, "a size twice in \(text)")
                again = list.map { "\($0.byteCount):\($0.weight)" }.joined(separator: ",")
            }
            promise((try? MessageSizes(parsing: again)) == sizes, "'\(again)' is not \(sizes)")
            promise(allowed.contains(sizes.largest) && !sizes.words.isEmpty, "\(sizes)")
            promise(sizes.single == nil || sizes.single == sizes.largest, "\(sizes)")
            // What a request's size is drawn from: every draw is one of the sizes.
            let sizer = MessageSizer(sizes, fixed: 64)
            for draw: UInt32 in 0..<32 {
                let size = sizer.byteCount(MessagePattern(connection: draw, sequence: draw &* 7))
                promise(size >= 1 && size <= sizes.largest, "a size of \(size) from \(sizes)")
            }
        })

    /// `--steps`, with the target that an upper bound of the same text gives.
    public static let steps = FuzzTarget(
        "steps",
        text: { text in
            let target = text.utf8.last.map { 1 + Int($0) * Int($0) * 4_000 } ?? 1
            promise((try? StepLadder(upTo: target))?.steps.last == target, "steps up to \(target)")
            guard let ladder = try? StepLadder(parsing: text, upTo: target) else { return }
            promise(ladder.steps.last == target, "\(ladder.steps) does not end at \(target)")
            promise(ladder.steps.allSatisfy { $0 >= 1 }, "\(ladder.steps)")
            promise(zip(ladder.steps, ladder.steps.dropFirst()).allSatisfy(<), "\(ladder.steps)")
            let again = ladder.steps.map { "\($0)" }.joined(separator: ",")
            promise(
                (try? StepLadder(parsing: again, upTo: target))?.steps == ladder.steps, "'\(again)'"
            )
        })

    /// `--fail-if` and `--fail-on`.
    public static let thresholds = FuzzTarget(
        "thresholds",
        text: { text in
            if let threshold = try? Threshold(parsing: text) {
                promise(threshold.bound.isFinite && threshold.bound >= 0, "a bound of \(threshold)")
                promise(threshold.expression == text, "the expression is what was typed")
                let unit =
                    switch threshold.metric.unit {
                    case .nanoseconds: "ns"
                    case .microseconds: "us"
                    case .bytes, .perSecond: ""
                    }
                let again = Threshold.text(
                    threshold.metric, threshold.step, threshold.relation.rawValue, threshold.bound,
                    unit)
                if let again {
                    let read = try? Threshold(parsing: again)
                    promise(
                        read?.bound == threshold.bound && read?.step == threshold.step
                            && read?.metric == threshold.metric
                            && read?.relation == threshold.relation,
                        "'\(again)' is not \(threshold)")
                }
                promise(!threshold.outcome(of: []).passed, "passed without a run")
            }
            if let threshold = try? RelativeThreshold(parsing: text) {
                promise((0...100).contains(threshold.bound), "a bound of \(threshold)")
            }
        })

    public static let savedPlan = FuzzTarget(
        "saved-plan",
        text: { text in
            guard let plan = try? SavedPlan(path: "p", text: text) else { return }
            promise(
                zip(plan.lines, plan.lines.dropFirst()).allSatisfy { $0.number < $1.number }, text)
            for line in plan.lines {
                promise(1...2 ~= line.arguments.count, "\(line)")
                promise(line.arguments[0].hasPrefix("-"), "\(line)")
                promise(
                    !line.arguments.contains { $0.unicodeScalars.contains("\n") },
                    "a value over several lines: \(line)")
                let value = line.arguments.count == 2 ? " \"\(line.arguments[1])\"" : ""
                let again = line.arguments[0] + value
                promise(
                    (try? SavedPlan(path: "p", text: again))?.arguments == line.arguments,
                    "'\(again)' is not \(line.arguments)")
            }
        })
}

extension Threshold {
    /// As it is typed; `nil` where the bound is so large or small that it would have an exponent.
    fileprivate static func text(
        _ metric: Metric, _ step: Int?, _ relation: String, _ bound: Double, _ unit: String
    ) -> String? {
        let number = "\(bound)"
        guard !number.contains("e") else { return nil }
        return "\(metric.rawValue)\(step.map { "@\($0)" } ?? "")\(relation)\(number)\(unit)"
    }
}

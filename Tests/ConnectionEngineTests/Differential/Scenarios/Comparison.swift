// Compares a scenario's outcomes on two places, entry by entry.

#if !SIMULATION
    import ConnectionEngine
#endif

/// The first entry of a trace, or a counter, in which two places differ.
struct Difference: Sendable {
    enum Where: Hashable, Sendable {
        case trace(number: Int, position: Int)
        case counter(String)
    }

    let side: Side
    let place: Where
    /// What the one and the other have; `nil`: its trace is at its end.
    let left: Found?
    let right: Found?

    enum Found: Hashable, Sendable, CustomStringConvertible {
        case entry(Entry)
        case count(UInt64)

        var description: String {
            switch self {
            case .entry(let entry): "\(entry)"
            case .count(let count): "\(count)"
            }
        }
    }

    func description(_ leftPlace: String, _ rightPlace: String) -> String {
        let what =
            switch place {
            case .trace(let number, let position): "connection \(number), entry \(position)"
            case .counter(let name): "counter \(name)"
            }
        let (left, right) = (left?.description ?? "nothing", right?.description ?? "nothing")
        return "\(side) \(what): \(leftPlace) has \(left), \(rightPlace) has \(right)"
    }
}

extension Scenario {
    /// What differs between two outcomes of this scenario with the same seed.
    func differences(_ left: Outcome, _ right: Outcome) -> [Difference] {
        Side.allCases.filter { !freedom(of: $0).everything }.flatMap { side in
            let (leftTraces, rightTraces) = (traces(of: left, side), traces(of: right, side))
            let entries = zip(leftTraces, rightTraces).enumerated().compactMap { number, pair in
                firstDifference(side, number, pair.0, pair.1)
            }
            return entries + counterDifferences(side, left, right)
        }
    }

    /// A side's traces without what this scenario leaves to chance; where nobody knows which
    /// connection is which, in an order of their own.
    func traces(of outcome: Outcome, _ side: Side) -> [[Entry]] {
        let traces = outcome.traces[side, default: []].map { trace in
            trace.map { $0.normalised(freedom(of: side)) }
        }
        return opening.isUniform ? traces.sorted { "\($0)" < "\($1)" } : traces
    }

    private func firstDifference(
        _ side: Side, _ number: Int, _ left: [Entry], _ right: [Entry]
    ) -> Difference? {
        for position in 0..<max(left.count, right.count) {
            let found = position < left.count ? left[position] : nil
            let other = position < right.count ? right[position] : nil
            if found == other { continue }
            return Difference(
                side: side, place: .trace(number: number, position: position),
                left: found.map { .entry($0) }, right: other.map { .entry($0) })
        }
        return nil
    }

    private func counterDifferences(
        _ side: Side, _ left: Outcome, _ right: Outcome
    ) -> [Difference] {
        guard let left = left.counters[side], let right = right.counters[side] else { return [] }
        return comparedCounters(side).compactMap { name, path in
            if left[keyPath: path] == right[keyPath: path] { return nil }
            return Difference(
                side: side, place: .counter(name), left: .count(left[keyPath: path]),
                right: .count(right[keyPath: path]))
        }
    }

    private func comparedCounters(_ side: Side) -> [(String, KeyPath<Counters, UInt64>)] {
        var paths: [(String, KeyPath<Counters, UInt64>)] = [
            ("accepted", \.accepted), ("connected", \.connected), ("closed", \.closed),
        ]
        if !freedom(of: side).received { paths.append(("bytesReceived", \.bytesReceived)) }
        // A broken connection's last send may have gone into the socket, or not.
        if !freedom(of: side).sent { paths.append(("bytesSent", \.bytesSent)) }
        return paths
    }
}

// A scenario's outcome as words, for comparing places that are compiled into different modules.

extension Scenario {
    /// What `differences` compares of the traces: a line for each side and connection.
    func lines(_ outcome: Outcome) -> [String] {
        Side.allCases.filter { !freedom(of: $0).everything }.flatMap { side in
            traces(of: outcome, side).enumerated().map { number, trace in
                "\(side) \(number): " + trace.map(\.description).joined(separator: "; ")
            }
        }
    }
}

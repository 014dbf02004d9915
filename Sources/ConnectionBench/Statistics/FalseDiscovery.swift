// Many figures compared at once: p-values after Benjamini and Hochberg.

enum FalseDiscovery {
    /// Adjusted p-values in the order of `pValues`: below 5 % at most 5 % of what is found is chance.
    static func adjusted(_ pValues: [Double]) -> [Double] {
        let order = pValues.indices.sorted { pValues[$0] < pValues[$1] }
        var adjusted = pValues
        var smallest = 1.0
        for rank in order.indices.reversed() {
            let scaled = pValues[order[rank]] * Double(order.count) / Double(rank + 1)
            smallest = min(smallest, scaled)
            adjusted[order[rank]] = smallest
        }
        return adjusted
    }
}

// The connect rate at the beginning and at the end of a run: is it flat?

import ConnectionEngine

extension RampTimeline {
    /// Adds one step's ramp.
    ///
    /// - Parameters:
    ///   - marks: when each further `interval` connections of some worker existed, sorted.
    ///   - base: connections before this step.
    mutating func add(
        _ marks: [UInt64], every interval: Int, from base: Int, startedAt: MonotonicTime,
        secondsBefore: Double,
        end: (connections: Int, seconds: Double)
    ) {
        if points.isEmpty { points.append(Point(connections: 0, seconds: 0)) }
        var lastPoint = base
        for (position, mark) in marks.enumerated() {
            let connections = base + (position + 1) * interval
            guard connections < end.connections else { break }
            guard connections - lastPoint >= 1_000 else { continue }
            lastPoint = connections
            let seconds = MonotonicTime(nanoseconds: mark).seconds(since: startedAt)
            points.append(Point(connections: connections, seconds: secondsBefore + seconds))
        }
        points.append(
            Point(connections: end.connections, seconds: secondsBefore + end.seconds))
    }

    /// Compares the first with the last 100,000 connections, or the first and last fifth.
    mutating func finish() {
        guard let last = points.last, last.connections >= 5_000 else { return }
        partConnections = min(100_000, last.connections / 5)
        firstPartPerSecond = rate(from: 0, to: partConnections)
        lastPartPerSecond = rate(from: last.connections - partConnections, to: last.connections)
        if let first = firstPartPerSecond, let end = lastPartPerSecond {
            lastToFirstRatio = end / first
        }
    }

    private func rate(from: Int, to: Int) -> Double? {
        let seconds = time(at: to) - time(at: from)
        return seconds > 0 ? Double(to - from) / seconds : nil
    }

    /// When there were so many connections, interpolated between the points.
    private func time(at connections: Int) -> Double {
        guard let after = points.firstIndex(where: { $0.connections >= connections }), after > 0
        else { return 0 }
        let (low, high) = (points[after - 1], points[after])
        let part =
            Double(connections - low.connections)
            / Double(max(1, high.connections - low.connections))
        return low.seconds + part * (high.seconds - low.seconds)
    }
}

extension MemorySlope {
    /// The least-squares line through the steps; absent with fewer than two.
    init(_ steps: [StepResult]) {
        kernelBytesPerConnection = MemorySlope.slope(
            steps.compactMap { step in
                step.kernelMemory.map { (Double(step.connections), Double($0.totalBytes)) }
            })
        userBytesPerConnection = MemorySlope.slope(
            steps.compactMap { step in
                guard let server = step.serverUserBytes, let client = step.clientUserBytes
                else { return nil }
                return (Double(step.connections), Double(server + client))
            })
        kernelSource = steps.compactMap { $0.kernelMemory?.source.rawValue }.first
    }

    private static func slope(_ points: [(x: Double, y: Double)]) -> Double? {
        guard points.count >= 2 else { return nil }
        let count = Double(points.count)
        let meanX = points.reduce(0) { $0 + $1.x } / count
        let meanY = points.reduce(0) { $0 + $1.y } / count
        let square = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
        guard square > 0 else { return nil }
        return points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / square
    }
}

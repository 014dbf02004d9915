// Connections over the time spent connecting, and how fast they came in equal parts of it.

import ConnectionBench

struct RampCurve {
    /// Ascending in both; of times that are finite.
    let points: [RampTimeline.Point]

    init(_ timeline: RampTimeline?) {
        var kept: [RampTimeline.Point] = []
        for point in timeline?.points ?? [] where point.seconds.isFinite && point.seconds >= 0 {
            guard let last = kept.last else {
                kept.append(point)
                continue
            }
            // Several workers write their marks: equal times are one point, the higher one.
            if point.seconds <= last.seconds {
                if point.connections > last.connections {
                    kept[kept.count - 1].connections = point.connections
                }
            } else if point.connections >= last.connections {
                kept.append(point)
            }
        }
        points = kept
    }

    var seconds: Double { points.last?.seconds ?? 0 }

    struct Bucket: Equatable {
        var from: Double
        var to: Double
        var perSecond: Double
    }

    /// Parts of equal length, no more than there are points, since between two nothing is known.
    func rates(count: Int) -> [Bucket] {
        let count = min(count, points.count - 1)
        guard count > 0, seconds > 0 else { return [] }
        let begin = points[0].seconds
        let width = (seconds - begin) / Double(count)
        guard width > 0 else { return [] }
        return (0..<count).map { index in
            let from = begin + width * Double(index)
            let added = connections(at: from + width) - connections(at: from)
            return Bucket(from: from, to: from + width, perSecond: added / width)
        }
    }

    /// At most `count` of the points, the last among them.
    func thinned(to count: Int) -> [RampTimeline.Point] {
        guard points.count > count, count > 1 else { return points }
        return (0..<count).map { points[$0 * (points.count - 1) / (count - 1)] }
    }

    func connections(at time: Double) -> Double {
        interpolate(time, from: \.seconds) { Double($0.connections) }
    }

    func seconds(at connections: Double) -> Double {
        interpolate(connections, from: { Double($0.connections) }, to: \.seconds)
    }

    private func interpolate(
        _ value: Double, from: (RampTimeline.Point) -> Double, to: (RampTimeline.Point) -> Double
    ) -> Double {
        guard let first = points.first, let last = points.last else { return 0 }
        guard value > from(first) else { return to(first) }
        guard value < from(last), let after = points.firstIndex(where: { from($0) >= value })
        else { return to(last) }
        let (low, high) = (points[after - 1], points[after])
        let length = from(high) - from(low)
        guard length > 0 else { return to(high) }
        return to(low) + (value - from(low)) / length * (to(high) - to(low))
    }
}

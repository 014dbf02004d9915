// What a person at a terminal sees of a run: the figures of the last second, and fresh counts.

import ConnectionEngine
import Synchronization

/// Keeps the newest interval for the thread that draws.
final class LatestInterval: RunObserver {
    private let interval = Mutex<RunInterval?>(nil)

    var value: RunInterval? { interval.withLock { $0 } }

    func observe(_ event: RunEvent) {
        if case .interval(let newest) = event { interval.withLock { $0 = newest } }
    }
}

extension Run {
    /// Shows how far a phase is: the table's living row on a terminal, `text` alone elsewhere.
    ///
    /// - Parameters:
    ///   - part: of the phase that is done, 0 to 1.
    ///   - secondsLeft: until the phase ends, where somebody knows.
    ///   - perSecond: connects, of a ramp.
    func show(
        _ text: @autoclosure () -> String, part: Double? = nil, secondsLeft: Double? = nil,
        perSecond: Double? = nil
    ) {
        progress.update(text(), part: part) {
            var row = liveRow()
            row.secondsLeft = secondsLeft
            row.perSecond = perSecond
            return row
        }
    }

    /// A step is done: its row stays.
    func show(_ step: StepResult) {
        progress.say(StepLine.text(step)) {
            var row = LiveRow()
            row.connections = step.connections
            row.perSecond = step.connectsPerSecond
            row.p50Nanoseconds = step.probe?.latency.p50Nanoseconds
            row.p99Nanoseconds = step.probe?.latency.p99Nanoseconds
            row.processorShare = (step.probe?.processor.machine ?? step.rampProcessor.machine)
                .map { $0.busySeconds / max($0.totalSeconds, 1e-9) }
            addRoom(&row)
            return row
        }
    }

    private func liveRow() -> LiveRow {
        var row = LiveRow()
        if let group { row.connections = group.board.sum(.open, rows: group.clientRows) }
        if let interval = latestInterval.value {
            row.p50Nanoseconds = interval.p50Nanoseconds
            row.p99Nanoseconds = interval.p99Nanoseconds
            row.processorShare = interval.machineBusyShare
        }
        addRoom(&row)
        return row
    }

    /// Memory above the floor, and the connections that are left until the nearest wall.
    private func addRoom(_ row: inout LiveRow) {
        let usable = watch.sampler.usableBytes
        guard usable != .max else { return }
        let limits = watch.sampler.limits
        let left = usable - limits.floorBytes
        row.memoryLeftBytes = left
        let wall = result.preflight.map { $0.binding.connectionsMax - row.connections } ?? .max
        row.connectionsLeft = min(left / max(1, limits.bytesPerConnection), wall)
    }
}

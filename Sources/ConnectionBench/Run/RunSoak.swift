// A soak: the load goes on and on, in slices with a pause between any two, in which all must add up.

import ConnectionEngine
import Glibc

extension Run {
    /// Between two slices every request is answered and every replacement done, so that what is held
    /// can be counted exactly. The load is off for some milliseconds then.
    func soak(_ state: SoakState) throws {
        guard let group, let step = result.steps.last?.connections else { return }
        let shape = state.shape
        // What a first echo touches belongs to the warm-up, and what does not echo is no soak.
        if plan.sweeps { try sweep(of: step) }
        begin(shape.closesPerSecond > 0 ? .churn : .hold, target: step)
        let meter = SoakMeter(self, group, state)
        let start = MonotonicTime.now
        let end = start.advanced(byNanoseconds: UInt64(shape.seconds * 1e9))
        // What was seen counts, whatever interrupts it.
        defer { meter.noteTotals() }
        while end.seconds(since: .now) > shape.sampleSeconds / 2 || state.samples == 0 {
            let load = try slice(state, group, step, from: start, meter)
            state.seconds = MonotonicTime.now.seconds(since: start)
            try meter.look(load, held: step)
        }
        if plan.sweeps {
            try sweep(of: step)
            try meter.lookAtCounts(held: step, when: "after an echo on every connection")
        }
    }

    /// One stretch of load.
    private func slice(
        _ state: SoakState, _ group: ProcessGroup, _ step: Int, from start: MonotonicTime,
        _ meter: SoakMeter
    ) throws -> SliceLoad {
        let shape = state.shape
        let times = ProbeTimes(warmupSeconds: 0, seconds: shape.sampleSeconds)
        // A connect that met a full queue comes back after 1, 3 and 7 s.
        let deadline = times.end.advanced(byNanoseconds: 30_000_000_000)
        let isInOrder = shape.closing.isInOrder(sample: state.samples)
        let reports = try group.load({ worker in
            let share = Double(Run.share(of: step, worker, group.workersPerSide)) / Double(step)
            return .churn(
                order(worker, of: step, times, group),
                closesPerSecond: shape.closesPerSecond * share, inOrder: isInOrder)
        }) {
            showSoak(state, from: start)
            if MonotonicTime.now > deadline {
                throw RunStop(
                    .stalled,
                    "\(Int(30 + shape.sampleSeconds)) s after its start a slice of"
                        + " \(Decimal1.text(shape.sampleSeconds)) s had not ended", exitCode: 1)
            }
        }
        return state.add(reports, seconds: shape.sampleSeconds, loop: plan.load.loop)
    }

    private func showSoak(_ state: SoakState, from start: MonotonicTime) {
        let seconds = MonotonicTime.now.seconds(since: start)
        let total = state.shape.seconds
        let broken = state.checks.values.filter { !$0.holds }.map(\.kind.rawValue).sorted()
        show(
            "soak \(LiveTable.seconds(seconds)) of \(LiveTable.seconds(total)),"
                + " \(Count.format(state.load.replaced)) replaced, lag at most"
                + " \(DurationText.of(state.lag.maxNanoseconds)), "
                + (broken.isEmpty
                    ? "all checks hold" : "BROKEN: \(broken.joined(separator: ", "))"),
            part: seconds / total, secondsLeft: max(0, total - seconds))
    }

    // MARK: Around the soak

    /// What the processes have open before the first connection.
    func noteSoakBase(_ group: ProcessGroup) throws {
        guard let soak else { return }
        soak.base = try SoakMeter(self, group, soak).counts(held: 0)
    }

    /// All is closed, and the processes are still there: everything must be back.
    func lookAfterClose(_ group: ProcessGroup) {
        guard let soak, soak.base != nil, !group.children.contains(where: \.hasEnded) else {
            return
        }
        let meter = SoakMeter(self, group, soak)
        do {
            try meter.lookAtCounts(held: 0, when: "after the last close")
        } catch {
            warn("no-last-look", "what is left after the last close could not be read: \(error)")
        }
    }

    /// The processes have ended.
    func lookAfterEnd(_ group: ProcessGroup) {
        guard let soak, soak.base != nil else { return }
        SoakMeter(self, group, soak).lookAtSockets()
    }
}

// Who has the next turn, and when: the part of a scheduler that the simulation needs.

extension SimulatedKernel {
    /// A worker that Linux would let run; the clock goes on to the next event when all sleep.
    ///
    /// - Returns: `nil` when nothing would ever happen again.
    func nextToRun(of workers: [AnyWorker]) -> AnyWorker? {
        while true {
            deliverDue()
            let runnable = workers.filter { wakeTime(of: $0.process) <= clock }
            if !runnable.isEmpty { return chance.pick(runnable) }
            let wakes = workers.map { wakeTime(of: $0.process) }
            let next = min(wakes.min() ?? .max, arrivals.nextTime ?? .max)
            if next == .max { return nil }
            clock = max(clock, next)
        }
    }

    func turn(_ worker: AnyWorker) throws(SystemError) {
        process = worker.process
        sleeps[worker.process] = nil
        try worker.turn()
        // A turn that Linux would still be sleeping in has given the handler a call of its own.
        if worker.hasOperations {
            sleeps[worker.process] = nil
        } else if let due = worker.nextDue, let sleep = sleeps[worker.process] {
            sleeps[worker.process]?.deadline = min(sleep.deadline, due.nanoseconds)
        }
    }

    /// - Returns: `false` when nothing would ever happen again.
    func turnNext(of workers: [AnyWorker]) throws(SystemError) -> Bool {
        guard let worker = nextToRun(of: workers) else { return false }
        try turn(worker)
        return true
    }
}

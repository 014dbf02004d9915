// Who has the next turn, and when: the part of a scheduler that the simulation needs.

extension SimulatedKernel {
    /// A process that Linux would let run; the clock goes on to the next event when all sleep.
    ///
    /// - Returns: `nil` when nothing would ever happen again.
    func nextProcess() -> Int? {
        while true {
            deliverDue()
            let runnable = processes.indices.filter { wakeTime(of: $0) <= clock }
            if !runnable.isEmpty { return chance.pick(runnable) }
            let wakes = processes.indices.map { wakeTime(of: $0) }
            let next = min(wakes.min() ?? .max, arrivals.nextTime ?? .max)
            if next == .max { return nil }
            clock = max(clock, next)
        }
    }

    func turn(_ worker: any TurnedProcess) throws(SystemError) {
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
}

// Every call and request fails once, at each place where it is made (after SQLite's test loops).

import Testing

@testable import Simulation

extension SimulationTests {
    @Suite struct NthFault {
        /// Small runs of all kinds: each backend on each side, each way to wait, few of everything.
        static func scenario(_ number: Int) -> SimulationSettings {
            var settings = SimulationSettings(seed: UInt64(9_000 + number))
            settings.faults = .none
            settings.clientBackend = number % 4 < 2 ? .uring : .epoll
            settings.serverBackend = number % 2 == 0 ? .uring : .epoll
            settings.connections = 2 + number % 4
            settings.atOnce = 1 + number % 3
            settings.messagesMax = 1 + number % 3
            settings.descriptors = 512
            settings.isOdd = number % 5 == 0
            // Two of them need further rings, and one works by descriptors that it installs itself.
            if number < 3 {
                settings.clientBackend = .uring
                settings.maskedFeatures = number == 2 ? .bind : []
                settings.idleMode = .receive
                settings.clientLimits.connections = 40
                settings.clientLimits.buffers = 64
                settings.clientLimits.ringSlots = 16
                settings.directLimit = 16
                settings.connections = 20
                settings.atOnce = 20
            }
            return settings
        }

        @Test("forty scenarios survive the failure of every call at every use")
        func everyUse() {
            var runs = 0
            var unfit = 0
            var covered = Set<OperationKind>()
            for number in 0..<40 {
                let settings = Self.scenario(number)
                let calm = Simulation.run(settings)
                #expect(calm.violations == [], "scenario \(number)")
                for kind in OperationKind.allCases {
                    for n in 0..<calm.faults.uses[kind.rawValue] {
                        for code in kind.codes {
                            var failing = settings
                            failing.faults.nth = NthFaultPlan(
                                kind: kind, n: n + 1, code: code)
                            let outcome = Simulation.run(failing)
                            runs += 1
                            covered.insert(kind)
                            if outcome.wasUnfit { unfit += 1 }
                            if !outcome.faults.nthFired {
                                Issue.record(
                                    "scenario \(number): use \(n + 1) of \(kind) was not made")
                            }
                            if !outcome.violations.isEmpty {
                                Issue.record(
                                    """
                                    scenario \(number), use \(n + 1) of \(kind) fails with \
                                    \(Errno(code).name): \(outcome.violations)
                                    """)
                            }
                        }
                    }
                }
            }
            print("n-th fault: \(runs) runs, \(unfit) of them refused at the start")
            let expected = OperationKind.allCases.filter { !$0.codes.isEmpty }
            for kind in expected where !covered.contains(kind) {
                Issue.record("\(kind) was never used")
            }
            #expect(unfit > 0)
        }
    }
}

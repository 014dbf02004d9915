// Peers that mean harm, beside honest clients: nothing of what they do may reach the honest ones.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

extension ToolTests {
    /// They need root, as CI has it: a network namespace, and a firewall's rules in it.
    @Suite(.enabled(if: geteuid() == 0 && Firewall.isPresent, "hostile peers need root and nft"))
    struct Hostile {
        /// Where `make hostile` wants the verdicts; without it the attacks are small.
        private static let reportPath = getenv("HOSTILE_REPORT").map { String(cString: $0) }

        private static var figures: HostileFigures {
            guard reportPath != nil else { return .small }
            var figures = HostileFigures.full
            if let rate = getenv("HOSTILE_RATE").flatMap({ Double(String(cString: $0)) }) {
                figures.rate = rate
            }
            return figures
        }

        @Test("a server survives all attacks, and honest clients see none of them")
        func attacks() throws {
            var verdicts: [AttackVerdict] = []
            for backend in Self.backends {
                let run = try HostileRun(backend, Self.figures)
                let earlier = verdicts
                run.hasJudged = { run in
                    guard let path = Self.reportPath else { return }
                    try HostileReport.write(earlier + run.verdicts, to: path)
                }
                do {
                    try Self.allAttacks(run)
                } catch {
                    Issue.record(
                        "\(backend.rawValue), after \(run.verdicts.count) attacks: \(error)")
                }
                verdicts += run.verdicts
                try run.end()
                for verdict in run.verdicts {
                    for failure in verdict.failures {
                        Issue.record("\(verdict.attack) on \(backend.rawValue): \(failure)")
                    }
                }
            }
            #expect(verdicts.count == 9 * Self.backends.count)
        }

        private static var backends: [BackendKind] {
            guard let names = getenv("HOSTILE_BACKENDS") else { return BackendKind.tested }
            return String(cString: names).split(separator: ",").compactMap {
                BackendKind(rawValue: String($0))
            }
        }

        private static func allAttacks(_ run: HostileRun) throws {
            let figures = run.figures
            let rate = figures.rate
            let firewall = try Firewall(run.namespace)
            for kind in [AttackPlan.Kind.garbage, .oversize, .resets, .storm, .slowloris, .silent] {
                try run.attack(kind)
            }
            try run.attackWithSockets(
                "half-close", wanted: figures.halfCloses, perSecond: 1_000 * rate
            ) { $0.halfClose(count: figures.halfCloses, perSecond: 1_000 * rate) }
            try run.attackWithSockets(
                "half-open", wanted: figures.halfOpen, perSecond: 1_000 * rate
            ) {
                try $0.halfOpen(
                    count: figures.halfOpen, perSecond: 1_000 * rate, firewall: firewall,
                    holdSeconds: figures.isFull ? 5 : 0.2)
            }
            try run.attackWithSockets(
                "vanished", wanted: figures.vanished, perSecond: 1_000 * rate
            ) {
                try $0.vanish(
                    count: figures.vanished, perSecond: 1_000 * rate, firewall: firewall,
                    comeBack: !figures.isFull)
            }
            try firewall.dropNothing()
        }

        @Test(
            "silent and idle connections are reset when their time is over",
            arguments: BackendKind.tested)
        func quietOnesGo(backend: BackendKind) throws {
            let namespace = try NetworkNamespace()
            let server = try HostileServer(
                backend, in: namespace, connections: 400,
                quietLimits: QuietLimits(idleSeconds: 0.5, firstByteSeconds: 0.2))
            let peers = try namespace.inside {
                try (0..<200).map { number in
                    let peer = try #require(RawPeer())
                    #expect(peer.connect(to: server.address) == 0)
                    if number % 2 == 0 { #expect(peer.send([1])) }
                    return peer
                }
            }
            try eventually("all are reset") { try server.reading().evicted == 200 }
            try eventually("all are gone") { server.openConnections == 0 }
            for (number, peer) in peers.enumerated() {
                // The echo first, where there is one; a reset may overtake it.
                if number % 2 == 1 { #expect(peer.receive(1) == nil) }
            }
            #expect(!server.end())
        }
    }
}

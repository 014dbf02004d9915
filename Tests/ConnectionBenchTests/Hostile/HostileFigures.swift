// How large the attacks are and how fast they go: in full, and small enough for every test run.

import ConnectionEngine

@testable import ConnectionBench

/// How large attacks are, how fast they go, and how long a calm window takes.
struct HostileFigures: Sendable {
    var isFull: Bool
    var garbage: Int
    var oversizePeers: Int
    var slowloris: Int
    var silent: Int
    var resets: Int
    var storm: Int
    var halfCloses: Int
    var halfOpen: Int
    var vanished: Int
    var calmSeconds: Double
    var honestClients: Int
    var honestIntervalSeconds: Double
    /// All rates are multiplied with it: HOSTILE_RATE.
    var rate = 1.0
    var quietLimits: QuietLimits

    /// In every run of the tests: the same attacks, and no figure that depends on time.
    static let small = HostileFigures(
        isFull: false, garbage: 4_000, oversizePeers: 48, slowloris: 500, silent: 300, resets: 500,
        storm: 500, halfCloses: 200, halfOpen: 200, vanished: 100, calmSeconds: 0.2,
        honestClients: 16, honestIntervalSeconds: 0.02,
        quietLimits: QuietLimits(idleSeconds: 600, firstByteSeconds: 600))

    /// `make hostile`.
    static let full = HostileFigures(
        isFull: true, garbage: 1_000_000, oversizePeers: 512, slowloris: 19_000, silent: 10_000,
        resets: 100_000, storm: 50_000, halfCloses: 10_000, halfOpen: 10_000, vanished: 10_000,
        calmSeconds: 4, honestClients: 64, honestIntervalSeconds: 0.05,
        quietLimits: QuietLimits(idleSeconds: 12, firstByteSeconds: 12))

    /// The most connections at once, with room for those that have not been closed yet.
    var connectionsMax: Int {
        [slowloris, silent, vanished, 2_000].max()! + honestClients + 600
    }

    func plan(_ kind: AttackPlan.Kind) -> AttackPlan {
        switch kind {
        case .garbage:
            AttackPlan(kind: kind, count: garbage, perSecond: 10_000 * rate, atOnce: 64)
        case .oversize:
            AttackPlan(
                kind: kind, count: oversizePeers, perSecond: 200 * rate, atOnce: oversizePeers,
                holdSeconds: isFull ? 15 : 2, bytesPerSecond: 64e6 * rate)
        case .slowloris:
            AttackPlan(
                kind: kind, count: slowloris, perSecond: 2_000 * rate, atOnce: slowloris,
                holdSeconds: isFull ? 20 : 0.5, byteEverySeconds: isFull ? 5 : 1)
        case .silent:
            AttackPlan(
                kind: kind, count: silent, perSecond: 2_000 * rate, atOnce: silent,
                holdSeconds: isFull ? 16 : 0.3)
        case .resets: AttackPlan(kind: kind, count: resets, perSecond: 2_000 * rate, atOnce: 200)
        case .storm: AttackPlan(kind: kind, count: storm, perSecond: 2_000 * rate, atOnce: 200)
        }
    }
}

// Each strategy up to the last port, in namespaces of their own.

import ConnectionEngine
import Glibc
import Testing

@testable import ConnectionBench

@Suite(.enabled(if: NetworkNamespace.isPermitted, NetworkNamespace.refusal))
struct PortClimbTests {
    private func climb(
        _ strategy: PortStrategy, ports: Int = 400, seconds: Double = 60,
        isInterrupted: () -> Bool = { false }
    ) throws -> PortClimbResult {
        let plan = PortStoryPlan(ports: ports, secondsPerStrategy: seconds)
        return try PortClimb(plan, strategy).perform(isInterrupted: isInterrupted) { _ in }
    }

    @Test("every port is used once, then the kernel refuses", arguments: PortStrategy.allCases)
    func exhaustion(strategy: PortStrategy) throws {
        try #require(try strategy.missingFeature(kernelRelease: nil) == nil)
        let result = try climb(strategy)
        #expect(result.end == .exhausted && result.errno == "EADDRNOTAVAIL")
        #expect(result.connections == 400 && result.distinctPorts == 400)
        #expect(result.points.count == 20)
        #expect(result.points.allSatisfy { $0.isWhole })
        #expect(result.points.map(\.connectionsTo) == (1...20).map { 20 * $0 })
        #expect(result.points.last?.occupancyPercent == 100)
        for point in result.points {
            #expect(point.medianNanoseconds > 0)
            #expect(point.medianNanoseconds <= point.p99Nanoseconds)
        }
    }

    @Test("a range that does not divide by twenty is covered as a whole")
    func unevenRange() throws {
        let result = try climb(.planner, ports: 233)
        #expect(result.connections == 233 && result.points.last?.connectionsTo == 233)
        #expect(result.points.count == 20)
    }

    @Test("when the time is over, the rest is absent")
    func outOfTime() throws {
        let result = try climb(.kernel, seconds: 0)
        #expect(result.end == .outOfTime && result.errno == nil)
        #expect(result.connections == 1)
        #expect(result.points.map(\.connectionsTo) == [1] && result.points[0].isWhole == false)
    }

    @Test("an interruption keeps what was measured")
    func interrupted() throws {
        let result = try climb(.planner, isInterrupted: { true })
        #expect(result.end == .interrupted && result.connections >= 1)
        #expect(result.connections < 400 && result.points.last?.isWhole == false)
    }

    @Test("no descriptor is left", arguments: [60.0, 0])
    func descriptors(seconds: Double) throws {
        func count() throws -> Int { try TextFile.names(in: "/proc/self/fd").count }
        let before = try count()
        _ = try climb(.planner, seconds: seconds)
        #expect(try count() == before)
    }
}

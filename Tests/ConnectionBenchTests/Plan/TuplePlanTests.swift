// The planner: no tuple twice, every prefix even, slices that cover all.

import ConnectionEngine
import Testing

@testable import ConnectionBench

private func servers(_ count: Int) -> [SocketAddress] {
    (0..<count).map { SocketAddress.loopback(port: 7_000 + UInt16($0)) }
}

/// Address and port as one number, for IPv4.
private func pair(_ address: SocketAddress) -> Int { Int(address.low) << 16 | Int(address.port) }

@Suite struct TuplePlanTests {
    @Test("3,000,000 connections have 3,000,000 different sources")
    func unique() throws {
        let plan = try TuplePlan(
            connections: 3_000_000, sources: SourceRange(seed: 42), destinations: servers(4))
        var pairs = (0..<plan.count).map { pair(plan[$0].source) }
        pairs.sort()
        let repeated = zip(pairs, pairs.dropFirst()).count { $0 == $1 }
        #expect(repeated == 0)
        #expect(pairs.count == 3_000_000)
    }

    @Test("successive connections walk the ports of one address, then take the next")
    func order() throws {
        let plan = try TuplePlan(
            connections: 5, sources: SourceRange(seed: 0, ports: 2_000...2_001),
            destinations: servers(3))
        let tuples = (0..<5).map { plan[$0] }
        #expect(
            tuples.map { "\($0.source)" } == [
                "127.1.0.1:2000", "127.1.0.1:2001", "127.1.0.2:2000", "127.1.0.2:2001",
                "127.1.0.3:2000",
            ])
        #expect(tuples.map(\.destination.port) == [7_000, 7_001, 7_002, 7_000, 7_001])
    }

    @Test("a destination's port and an excluded port are never a source port")
    func takenPorts() throws {
        let plan = try TuplePlan(
            connections: 12,
            sources: SourceRange(seed: 9, ports: 6_999...7_005, excluding: [7_005]),
            destinations: servers(3))
        #expect((0..<12).map { plan[$0].source.port }.prefix(4) == [6_999, 7_003, 7_004, 6_999])
        #expect(plan.capacity == 3 * SourceNetwork.loopback.addressCount)
    }

    @Test("the whole default range is used, but for the destinations")
    func allPorts() throws {
        let plan = try TuplePlan(
            connections: 64_512, sources: SourceRange(seed: 1), destinations: servers(1))
        #expect(plan[0].source.port == 1_024)
        #expect(plan[64_510].source.port == 65_535)
        #expect(plan[64_511].source.low == plan[0].source.low + 1)
        #expect(plan.capacity == 64_511 * 16_581_120)
    }

    @Test("loopback addresses never end in 0 or 255, and stay in 127.1.0.0 and up")
    func addressRow() {
        var previous: UInt32 = 0
        var wrong = 0
        for index in 0..<SourceNetwork.loopback.addressCount {
            let address = SourceNetwork.loopback.address(at: index)
            let last = address & 0xff
            if last == 0 || last == 255 || address < 0x7f01_0000 || address <= previous {
                wrong += 1
            }
            previous = address
        }
        #expect(wrong == 0)
        let last = SourceNetwork.loopback.addressCount - 1
        #expect(SourceNetwork.loopback.address(at: last) == 0x7fff_fffe)
    }

    @Test("the row of addresses is a circle")
    func wrapping() throws {
        // The seed whose first address is among the last ones.
        let seed = try #require(
            (0..<UInt64(1_000_000)).first { seed in
                SourceRange(seed: seed).address(at: 0, port: 1).low >= 0x7fff_ff00
            })
        let range = SourceRange(seed: seed)
        let addresses = (0..<300).map { range.address(at: $0, port: 1).low }
        #expect(Set(addresses).count == 300)
        #expect(addresses.contains(0x7f01_0001))
    }

    @Test("a seed gives the same plan again, and 32,768 successive seeds start far apart")
    func seeds() {
        #expect(SourceRange(seed: 77) == SourceRange(seed: 77))
        for base: UInt64 in [0, 1_000_000, .max - 20_000] {
            let firsts = (0..<UInt64(32_768)).map { offset -> Int in
                guard
                    case .network(.loopback, let first) = SourceRange(seed: base &+ offset)
                        .addresses
                else { return -1 }
                return first
            }.sorted()
            let gaps = zip(firsts, firsts.dropFirst()).map { $1 - $0 }
            let around = firsts[0] + SourceNetwork.loopback.addressCount - firsts[32_767]
            #expect(min(gaps.min() ?? 0, around) >= 200)
        }
    }

    @Test("slices are contiguous, nearly equal, and together the whole plan")
    func slices() throws {
        let whole = try TuplePlan(
            connections: 1_003, sources: SourceRange(seed: 5, ports: 2_000...2_009),
            destinations: servers(7))
        for parts in [1, 2, 7, 26, 1_003, 1_500] {
            let slices = (0..<parts).map { whole.slice($0, of: parts) }
            let tuples = slices.flatMap { slice in (0..<slice.count).map { slice[$0] } }
            #expect(tuples == (0..<whole.count).map { whole[$0] })
            let counts = slices.map(\.count)
            #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
        }
    }

    @Test("a slice of a slice keeps the round robin over all destinations")
    func nestedSlices() throws {
        let whole = try TuplePlan(
            connections: 1_000, sources: SourceRange(seed: 5), destinations: servers(7))
        let process = whole.slice(1, of: 3)
        let worker = process.slice(1, of: 2)
        #expect(process.range == 333..<666)
        #expect(worker.range == 499..<666)
        #expect(worker[0] == whole[499])
        #expect(worker[0].destination == servers(7)[499 % 7])
    }

    @Test("every prefix is spread evenly over the destinations")
    func evenPrefixes() throws {
        let plan = try TuplePlan(
            connections: 100, sources: SourceRange(seed: 5), destinations: servers(7))
        var counts: [UInt16: Int] = [:]
        for index in 0..<plan.count {
            counts[plan[index].destination.port, default: 0] += 1
            if index >= 7 {
                #expect((counts.values.max() ?? 0) - (counts.values.min() ?? 0) <= 1)
            }
        }
    }

    @Test("listed addresses are used once each, also IPv6")
    func listedAddresses() throws {
        let one = SocketAddress(ipv6High: 0, ipv6Low: 1, port: 9)
        let two = SocketAddress(ipv6High: 0, ipv6Low: 2, port: 0)
        let sources = SourceRange(addresses: [one, two, one], ports: 2_000...2_004)
        let destination = SocketAddress(ipv6High: 0, ipv6Low: 1, port: 2_002)
        let plan = try TuplePlan(connections: 8, sources: sources, destinations: [destination])
        #expect(plan.capacity == 8)
        #expect(Set((0..<8).map { plan[$0].source }).count == 8)
        #expect(plan[4].source == SocketAddress(ipv6High: 0, ipv6Low: 2, port: 2_000))
    }

    @Test("an impossible plan is refused with its numbers")
    func refused() {
        let range = SourceRange(seed: 1, ports: 7_000...7_001)
        let v6 = SocketAddress(ipv6High: 0, ipv6Low: 1, port: 7_000)
        func plan(_ connections: Int, _ sources: SourceRange, _ to: [SocketAddress]) throws {
            _ = try TuplePlan(connections: connections, sources: sources, destinations: to)
        }
        #expect(throws: TuplePlanError.noDestination) { try plan(1, range, []) }
        #expect(throws: TuplePlanError.noSource) { try plan(1, range, servers(2)) }
        #expect(throws: TuplePlanError.noSource) {
            try plan(1, SourceRange(addresses: []), servers(1))
        }
        #expect(throws: TuplePlanError.mixedFamilies) { try plan(1, range, [v6]) }
        #expect(throws: TuplePlanError.mixedFamilies) {
            try plan(1, SourceRange(addresses: [v6, .loopback(port: 1)]), [v6])
        }
        #expect(throws: TuplePlanError.destinationWithoutPort(.loopback(port: 0))) {
            try plan(1, range, [.loopback(port: 0)])
        }
        #expect(throws: TuplePlanError.tooManyConnections(wanted: 3, capacity: 2)) {
            let sources = SourceRange(addresses: [.loopback(port: 0)], ports: 2_000...2_001)
            try plan(3, sources, servers(1))
        }
    }
}

@Suite struct SourcePortTests {
    @Test("source ports lie outside of the range that the kernel chooses from")
    func outsideOfEphemeral() {
        #expect(SourceRange.ports(outsideOf: 32_768...60_999) == 24_576...32_767)
        #expect(SourceRange.ports(outsideOf: 1_024...40_000) == 57_344...65_535)
    }

    @Test("a stretch shorter than the wanted ports is taken whole")
    func shortStretch() {
        #expect(SourceRange.ports(outsideOf: 3_024...65_535) == 1_024...3_023)
    }

    @Test("where the kernel may choose nearly everything, its range is used all the same")
    func noRoom() {
        #expect(SourceRange.ports(outsideOf: 1_024...65_535) == 57_344...65_535)
        #expect(SourceRange.ports(outsideOf: nil) == 57_344...65_535)
    }
}

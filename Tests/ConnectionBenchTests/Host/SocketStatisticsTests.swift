// The kernel's network counters.

import Testing

@testable import ConnectionBench

private let sockstat = """
    sockets: used 11
    TCP: inuse 1 orphan 2 tw 3 alloc 4 mem 285
    UDP: inuse 9 mem 0
    """

@Suite struct SocketStatisticsTests {
    @Test("sockstat is read by name")
    func sockstatLines() throws {
        let sockets = try SocketStatistics(sockstat: sockstat, sockstat6: "TCP6: inuse 8\n")
        #expect(sockets.tcpInUse == 1)
        #expect(sockets.orphans == 2)
        #expect(sockets.timeWait == 3)
        #expect(sockets.allocated == 4)
        #expect(sockets.memoryPages == 285)
        #expect(sockets.tcp6InUse == 8)
    }

    @Test("a kernel without IPv6 has no IPv6 count")
    func withoutIPv6() throws {
        #expect(try SocketStatistics(sockstat: sockstat, sockstat6: nil).tcp6InUse == nil)
    }

    @Test(
        "a truncated sockstat is an error",
        arguments: ["", "TCP: inuse", "TCP: inuse 1 orphan 0 tw 0 alloc 1 mem", "UDP: inuse 1"])
    func truncated(text: String) {
        #expect(throws: FileError.self) { try SocketStatistics(sockstat: text, sockstat6: nil) }
    }

    @Test("counters have nstat's names, and unsigned ones wrap")
    func table() throws {
        let values = try NetworkCounters.parseTable(
            """
            Tcp: MaxConn RetransSegs
            Tcp: -1 12
            TcpExt: ListenDrops Huge
            TcpExt: 3 18446744073709551615
            """, path: "p")
        #expect(
            values == [
                "TcpMaxConn": -1, "TcpRetransSegs": 12, "TcpExtListenDrops": 3, "TcpExtHuge": -1,
            ])
    }

    @Test(
        "a table whose lines do not pair up is an error",
        arguments: ["Tcp: A B\nTcp: 1\n", "Tcp: A\n", "Tcp: A\nUdp: 1", "Tcp: A\nTcp: x", "A\nA"])
    func brokenTable(text: String) {
        #expect(throws: FileError.self) { try NetworkCounters.parseTable(text, path: "p") }
    }

    @Test("softnet columns are hexadecimal and summed over the processors")
    func softnet() throws {
        let sum = try NetworkCounters.parseSoftnet(
            "0000000f 00001786 00000002 00000000\n000000fa 0000000a 00000010 00000000\n")
        #expect(sum.dropped == 6_032)
        #expect(sum.squeezed == 18)
        #expect(throws: FileError.self) { try NetworkCounters.parseSoftnet("0000000f 00001786") }
        #expect(throws: FileError.self) { try NetworkCounters.parseSoftnet("f xyz 1") }
    }

    @Test("a difference names what spoils a run")
    func difference() throws {
        let sockets = try SocketStatistics(sockstat: sockstat, sockstat6: nil)
        let before = NetworkCounters(
            sockets: sockets, values: ["TcpExtListenDrops": 3, "TcpInSegs": 5], softnet: (1, 1))
        let after = NetworkCounters(
            sockets: sockets,
            values: ["TcpExtListenDrops": 10, "TcpInSegs": 50, "TcpOutRsts": 0], softnet: (4, 1))
        let difference = after.since(before)
        #expect(difference["TcpInSegs"] == 45)
        #expect(difference["TcpNoSuchCounter"] == nil)
        #expect(difference.tellingChanges == ["TcpExtListenDrops": 7, "SoftnetDropped": 3])
    }

    @Test("this machine's counters can be read, and have the most important names")
    func smoke() throws {
        let counters = try NetworkCounters.read()
        for name in [
            "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPTimeWaitOverflow",
            "TcpExtTCPAbortOnMemory", "TcpExtTCPMemoryPressures", "TcpExtTCPSynRetrans",
            "TcpRetransSegs", "TcpOutRsts", "TcpAttemptFails", "TcpEstabResets",
        ] {
            #expect(counters[name] != nil, "\(name)")
        }
        #expect(counters.since(counters).values.values.allSatisfy { $0 == 0 })
    }

    @Test("listening ports are those in state 0A, of both families")
    func listening() throws {
        let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
        let ports = try ListeningPorts.parse(
            header + "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n"
                + "   1: 0100007F:1F91 0100007F:D431 01 00000000:00000000 00:00000000 00000000\n"
                + "   2: 00000000000000000000000000000000:0016 "
                + "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000\n",
            path: "p")
        #expect(ports == [8_080, 22])
        #expect(throws: FileError.self) { try ListeningPorts.parse(header + "0: x", path: "p") }
        #expect(throws: Never.self) { try ListeningPorts.read() }
    }
}

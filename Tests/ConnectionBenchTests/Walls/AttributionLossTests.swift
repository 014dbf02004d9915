// Why connections ended though nobody asked.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct AttributionLossTests {
    private func lost(
        _ losses: [String: Int], server: String? = nil, _ counters: [String: Int] = [:],
        _ change: (inout Evidence) -> Void = { _ in }
    ) -> Verdict {
        seen {
            $0.clientLosses = losses
            $0.serverLost = 5_000
            $0.serverLossErrno = server
            $0.clientOpen = 5_000
            $0.serverOpen = 5_000
            $0.counted(counters)
            change(&$0)
        }.loss()
    }

    @Test("ECONNABORTED is somebody's doing: ss -K")
    func killed() {
        let verdict = lost(["ECONNABORTED": 5_000], server: "ECONNABORTED")
        #expect(verdict.wall == .outside && verdict.confidence == .high)
        #expect(verdict.proof[0] == "5,000 connections lost with ECONNABORTED")
        #expect(verdict.proof[1] == "neither side closed one: client 5,000, server 5,000 left")
    }

    @Test("a reset is probably somebody's doing")
    func reset() {
        let verdict = lost([:], server: "ECONNRESET")
        #expect(verdict.wall == .outside && verdict.confidence == .medium)
    }

    @Test("resets of clients that the server refused itself are not somebody else's")
    func refused() {
        let verdict = lost(["ECONNRESET": 5_000]) { $0.server.acceptFailuresNoThread = 5_000 }
        #expect(verdict.wall == .unknown)
        #expect(lost(["ECONNRESET": 9]) { $0.server.acceptFailuresNoWatch = 9 }.wall == .unknown)
    }

    @Test("an orderly end, a mixture, or aborts by timeout are unknown")
    func unknown() {
        #expect(lost([:]).wall == .unknown)
        #expect(lost([:]).proof == ["5,000 connections lost with an orderly end"])
        #expect(lost(["end of stream": 5_000]).wall == .unknown)
        #expect(lost(["ECONNRESET": 10, "ETIMEDOUT": 4_990]).wall == .unknown)
        #expect(lost(["EPIPE": 5_000]).wall == .unknown)
        #expect(
            lost(["ECONNABORTED": 5_000], ["TcpExtTCPAbortOnTimeout": 1]).wall == .unknown)
    }

    @Test("aborts for lack of memory are TCP's memory where its pages are used up")
    func tcpMemory() {
        let verdict = lost(["ECONNRESET": 5_000], ["TcpExtTCPAbortOnMemory": 4_000]) {
            $0.tcpMemoryPages = 575_000
        }
        #expect(verdict.wall == .tcpMemory)
        #expect(verdict.proof[2] == "575,000 pages of unread data of tcp_mem 575,796")
    }

    @Test("aborts for lack of memory with few pages are too many orphans, of any program")
    func orphans() {
        let few = lost(["ECONNRESET": 5_000], ["TcpExtTCPAbortOnMemory": 4_000]) {
            $0.tcpMemoryPages = 1_200
        }
        #expect(few.wall == .unknown)
        let one = lost(["ECONNRESET": 5_000], ["TcpExtTCPAbortOnMemory": 1]) {
            $0.tcpMemoryPages = 575_000
        }
        #expect(one.wall == .unknown)
    }

    @Test("a stopped process explains connections that timed out, and no resets")
    func frozen() {
        let timedOut = lost(["ETIMEDOUT": 5_000]) { $0.stoppedServers = ["server 1"] }
        #expect(timedOut.wall == .frozenPeer && timedOut.side == .server)
        let reset = lost(["ECONNABORTED": 5_000]) { $0.stoppedServers = ["server 1"] }
        #expect(reset.wall == .outside)
    }
}

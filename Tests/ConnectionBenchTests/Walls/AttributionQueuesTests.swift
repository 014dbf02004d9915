// Queues that drop in silence, and counters that other programs have moved.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct AttributionQueuesTests {
    private func stalled(
        _ counters: [String: Int], preflight: Preflight? = nil,
        _ change: (inout Evidence) -> Void = { _ in }
    ) -> Verdict {
        seen {
            $0.stalledSeconds = 6
            $0.serverOpen = 9_000
            $0.counted(counters)
            change(&$0)
        }.stop(roomyMachine(), preflight)
    }

    private func conntrack(
        count: Int = 10_000, drops: Int?, sentAgain: Int, _ preflight: Preflight? = nil
    ) -> Verdict {
        stalled(["TcpExtTCPSynRetrans": sentAgain], preflight: preflight) {
            $0.conntrackCount = count
            $0.conntrackMax = 10_000
            $0.conntrackDrops = drops
        }
    }

    @Test("a full accept queue that explains the SYNs sent again is the wall")
    func acceptQueue() {
        let verdict = stalled(["TcpExtListenOverflows": 120, "TcpExtTCPSynRetrans": 200])
        #expect(verdict.wall == .acceptQueue && verdict.side == .server)
        #expect(verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "120 times an accept queue was full (ListenOverflows)", "200 SYNs sent again",
                "1,000 connections wait to be accepted",
            ])
    }

    @Test("a few overflows, of other programs, do not explain many SYNs sent again")
    func fewOverflows() {
        let verdict = stalled(["TcpExtListenOverflows": 3, "TcpExtTCPSynRetrans": 500])
        #expect(verdict.wall == .unknown)
    }

    @Test("overflows without a SYN sent again, or without one of ours waiting, are others'")
    func othersOverflows() {
        #expect(stalled(["TcpExtListenOverflows": 500]).wall == .unknown)
        let none = stalled(["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500]) {
            $0.serverOpen = 10_000
        }
        #expect(none.wall == .unknown)
    }

    @Test("without the servers' counters an accept queue is less certain")
    func silentServer() {
        let verdict = stalled(["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500]) {
            $0.server = Counters()
        }
        #expect(verdict.wall == .acceptQueue && verdict.confidence == .medium)
    }

    @Test("overflows in the clients' namespace are none of the server's")
    func clientNamespace() {
        let verdict = stalled([:]) {
            $0.clientNetwork = ["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500]
        }
        #expect(verdict.wall == .unknown)
    }

    @Test("connects that timed out are asked the same, and without a counter unknown")
    func timedOut() {
        func stop(_ counters: [String: Int]) -> Verdict {
            seen {
                $0.failed("ETIMEDOUT", 30)
                $0.serverOpen = 9_000
                $0.counted(counters)
            }.stop()
        }
        let full = stop(["TcpExtListenOverflows": 120, "TcpExtTCPSynRetrans": 200])
        #expect(full.wall == .acceptQueue)
        let unknown = stop(["TcpExtTCPSynRetrans": 200])
        #expect(unknown.wall == .unknown)
        #expect(unknown.proof[1] == "connects failed: 30 with ETIMEDOUT")
    }

    @Test("a full table that dropped, while SYNs were sent again, is conntrack")
    func conntrackFull() {
        let verdict = conntrack(drops: 70, sentAgain: 60)
        #expect(verdict.wall == .conntrack && verdict.confidence == .high)
        #expect(
            verdict.proof == [
                "10,000 entries of nf_conntrack_max 10,000",
                "70 packets dropped (/proc/net/stat/nf_conntrack)", "60 SYNs sent again",
            ])
    }

    @Test("a table that others have filled is not conntrack: nothing was dropped or sent again")
    func conntrackOfOthers() {
        #expect(conntrack(drops: 0, sentAgain: 0).wall == .unknown)
        #expect(conntrack(drops: 0, sentAgain: 60).wall == .unknown)
        #expect(conntrack(drops: 70, sentAgain: 0).wall == .unknown)
        #expect(conntrack(drops: nil, sentAgain: 0).wall == .unknown)
    }

    @Test("drops of a table with room are not for lack of room")
    func conntrackWithRoom() {
        #expect(conntrack(count: 9_499, drops: 70, sentAgain: 60).wall == .unknown)
        #expect(conntrack(count: 9_500, drops: 70, sentAgain: 60).wall == .conntrack)
    }

    @Test("where the kernel does not count drops, conntrack is less certain")
    func conntrackUncounted() {
        let verdict = conntrack(drops: nil, sentAgain: 60)
        #expect(verdict.wall == .conntrack && verdict.confidence == .medium)
    }

    @Test("connections that left no entry when it was tried are not in conntrack's way")
    func conntrackNotInPath() {
        func preflight(_ entries: Double?) -> Preflight {
            Preflight(
                facts: roomyMachine(), memoryAvailableBytes: 20 * gibibyte, backend: .epoll,
                ports: PortCapacity(connections: 1, limit: 1, origin: "made up", formula: ""),
                calibration: calibration(conntrack: entries))
        }
        #expect(conntrack(drops: 70, sentAgain: 60, preflight(0)).wall == .unknown)
        #expect(conntrack(drops: 70, sentAgain: 60, preflight(1)).wall == .conntrack)
        #expect(conntrack(drops: 70, sentAgain: 60, preflight(nil)).wall == .conntrack)
    }

    @Test("packets dropped by a processor's queue explain as many SYNs sent again")
    func packetQueue() {
        let verdict = stalled(["SoftnetDropped": 60, "TcpExtTCPSynRetrans": 60])
        #expect(verdict.wall == .packetQueue && verdict.confidence == .medium)
        #expect(verdict.remedy == "sysctl -w net.core.netdev_max_backlog=10000")
        #expect(stalled(["SoftnetDropped": 59, "TcpExtTCPSynRetrans": 60]).wall == .unknown)
        #expect(stalled(["SoftnetDropped": 60]).wall == .unknown)
    }

    @Test("of two queues that both dropped enough, neither is called the wall")
    func two() {
        let verdict = stalled([
            "SoftnetDropped": 300, "TcpExtListenOverflows": 300, "TcpExtTCPSynRetrans": 60,
        ])
        #expect(verdict.wall == .unknown)
        #expect(
            verdict.proof == [
                "300 times an accept queue was full (ListenOverflows)",
                "300 packets dropped (softnet_stat)",
            ])
    }

    @Test("queues explain nothing where clients gave up for an errno of their own")
    func ownErrno() {
        let verdict = seen {
            $0.failed("EADDRINUSE")
            $0.serverOpen = 9_000
            $0.counted(["TcpExtListenOverflows": 500, "TcpExtTCPSynRetrans": 500])
        }.stop()
        #expect(verdict.wall == .ports)
    }
}

func calibration(
    kernel: Int = 8_000, user: Int = 250, charged: Int? = nil, fixed: Int = 0,
    conntrack: Double? = nil
) -> Calibration {
    Calibration(
        backend: .epoll, connections: 6_000, kernelBytesPerConnection: kernel,
        userBytesPerConnection: user, chargedBytesPerConnection: charged, fixedBytes: fixed,
        connectsPerSecond: 20_000, connectMicroseconds: 60, echoMicroseconds: 25,
        conntrackEntriesPerConnection: conntrack, seconds: 0.8)
}

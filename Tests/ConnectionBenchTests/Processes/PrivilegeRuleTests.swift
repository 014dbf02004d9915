// Which children stay root, which capabilities are kept, and why.

import ConnectionEngine
import Testing

@testable import ConnectionBench

@Suite struct PrivilegeRuleTests {
    /// Started as root with all capabilities on a machine with room for 1,000,000 files.
    private func question(
        _ backend: BackendKind = .uring, connections: Int = 10_000,
        _ change: (inout PrivilegeRule.Question) -> Void = { _ in }
    ) -> PrivilegeRule.Question {
        var host = HostFacts()
        host.effectiveUser = 0
        host.capabilities = 0x1ff_ffff_ffff
        host.systemFilesMax = 1_000_000
        host.systemFilesUsed = 2_000
        host.openFilesHard = .at(20_000)
        host.ioUringDisabled = 0
        var question = PrivilegeRule.Question(
            host: host, backend: backend, target: connections, workersPerSide: 2,
            account: UserAccount(name: "nobody", userID: 65_534, groupID: 65_534))
        question.lockedBytesMax = 8 << 20
        question.userThreadsMax = 90_000
        change(&question)
        return question
    }

    @Test("root's children become nobody and keep nothing", arguments: BackendKind.allCases)
    func dropped(backend: BackendKind) throws {
        let rule = PrivilegeRule(question(backend))
        let nobody = PrivilegeDrop(userID: 65_534, groupID: 65_534, kept: 0)
        #expect(rule.server == nobody)
        #expect(rule.client == nobody)
        #expect(
            rule.record
                == ChildPrivileges(user: "nobody", userID: 65_534, dropped: true, kept: []))
        #expect(rule.record.words == nil)
    }

    @Test("another user's children stay that user's")
    func notRoot() {
        let rule = PrivilegeRule(question { $0.host.effectiveUser = 65_534 })
        #expect(rule.server == nil && rule.client == nil)
        #expect(rule.record.userID == 65_534 && !rule.record.dropped)
        #expect(rule.record.reasons == [] && rule.record.words == nil)
    }

    /// Each is a reason to stay root, and what it must say.
    static let reasons: [(change: @Sendable (inout PrivilegeRule.Question) -> Void, says: String)] =
        [
            ({ $0.keepsPrivileges = true }, "--keep-privileges"),
            ({ $0.host.capabilities! &= ~(1 << 7) }, "without CAP_SETUID"),
            ({ $0.host.capabilities! &= ~(1 << 6) }, "without CAP_SETGID"),
            ({ $0.host.capabilities! &= ~(1 << 19) }, "without CAP_SYS_PTRACE"),
            ({ $0.host.capabilities! &= ~(1 << 5) }, "without CAP_KILL"),
            ({ $0.isMapped = false }, "user 65534 does not exist in this user namespace"),
            ({ $0.host.ioUringDisabled = 1 }, "kernel.io_uring_disabled is 1"),
            ({ $0.target = 480_000 }, "fs.file-max (1,000,000)"),
        ]

    @Test(
        "what the kernel gives to root alone is a reason to stay root", arguments: reasons.indices)
    func stays(index: Int) {
        let rule = PrivilegeRule(question { PrivilegeRuleTests.reasons[index].change(&$0) })
        #expect(rule.server == nil && rule.client == nil)
        #expect(rule.record.user == "root" && !rule.record.dropped)
        #expect(rule.record.reasons.count == 1)
        #expect(rule.record.reasons.first?.contains(Self.reasons[index].says) == true)
        #expect(rule.record.words?.hasPrefix("the processes stay root: ") == true)
    }

    @Test("up to fs.file-max less what is left to others nobody is enough")
    func filesFit() {
        // 2,000 in use, 50,000 left to others, 2 for each connection.
        #expect(PrivilegeRule(question(connections: 474_000)).record.dropped)
        #expect(!PrivilegeRule(question(connections: 474_001)).record.dropped)
    }

    @Test("root without CAP_SYS_ADMIN cannot pass fs.file-max either, so it gives all up")
    func boundRoot() {
        let rule = PrivilegeRule(
            question(connections: 480_000) {
                $0.host.capabilities! &= ~(1 << 21)
                $0.lockedBytesMax = nil
            })
        #expect(rule.record.dropped)
    }

    @Test("a thread per connection must fit into RLIMIT_NPROC, which does not bind root")
    func userThreads() {
        func stays(_ connections: Int, used: Int, _ backend: BackendKind = .threads) -> Bool {
            !PrivilegeRule(
                question(backend, connections: connections) { $0.userThreadsUsed = used }
            ).record.dropped
        }
        #expect(!stays(44_000, used: 1_000))
        #expect(stays(44_001, used: 1_000))
        #expect(!stays(44_001, used: 1_000, .epoll))
        let unlimited = question(.threads, connections: 44_001) {
            $0.userThreadsUsed = 1_000
            $0.userThreadsMax = nil
        }
        #expect(PrivilegeRule(unlimited).record.dropped)
    }

    @Test("rings that outgrow RLIMIT_MEMLOCK keep CAP_IPC_LOCK, and nothing else")
    func lockedMemory() {
        let rule = PrivilegeRule(question(connections: 400_000))
        #expect(rule.server?.kept == 1 << 14)
        #expect(rule.client?.kept == 1 << 14)
        #expect(rule.record.dropped && rule.record.kept == ["CAP_IPC_LOCK"])
        #expect(rule.record.reasons.first?.contains("RLIMIT_MEMLOCK") == true)
        #expect(rule.record.words?.contains("nobody, and keep CAP_IPC_LOCK") == true)
        let epoll = PrivilegeRule(question(.epoll, connections: 400_000))
        #expect(epoll.server?.kept == 0 && epoll.record.kept == [])
    }

    @Test("a port for root alone keeps CAP_NET_BIND_SERVICE, of the servers only")
    func lowPort() {
        let rule = PrivilegeRule(question { $0.port = 80 })
        #expect(rule.server?.kept == 1 << 10)
        #expect(rule.client?.kept == 0)
        #expect(rule.record.reasons == ["--port 80 is below 1,024"])
        let allowed = PrivilegeRule(
            question {
                $0.port = 80
                $0.portFirstFree = 80
            })
        #expect(allowed.server?.kept == 0)
    }

    @Test("a user namespace maps some ids only")
    func mapping() {
        typealias Question = PrivilegeRule.Question
        #expect(Question.maps("         0          0 4294967295\n", 65_534))
        #expect(!Question.maps("         0       1000          1\n", 65_534))
        #expect(Question.maps("0 1000 1\n1 100000 65536\n", 65_534))
        #expect(Question.maps("65534 7 1\n", 65_534) && !Question.maps("65535 7 1\n", 65_534))
        #expect(!Question.maps("", 65_534))
    }

    @Test("a user is a name or a number, and not root")
    func accounts() throws {
        #expect(try UserAccount(parsing: "nobody").userID == 65_534)
        #expect(try UserAccount(parsing: "65534").userID == 65_534)
        let unnamed = try UserAccount(parsing: "54321")
        #expect(unnamed == UserAccount(name: "54321", userID: 54_321, groupID: 54_321))
        for wrong in ["root", "0", "", "no such", "-1", "4294967295", "4294967296"] {
            #expect(throws: UserAccountError.self) { _ = try UserAccount(parsing: wrong) }
        }
    }
}

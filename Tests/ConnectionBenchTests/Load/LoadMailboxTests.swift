// Commands and reports between a control thread and a worker.

import Testing

@testable import ConnectionBench

@Suite struct LoadMailboxTests {
    @Test("a command is taken once, with its number")
    func command() throws {
        let mailbox = LoadMailbox()
        #expect(mailbox.newest == 0 && mailbox.takeCommand() == nil)
        mailbox.post(.sweep)
        #expect(mailbox.newest == 1)
        #expect(mailbox.takeCommand()?.number == 1)
        #expect(mailbox.takeCommand() == nil)
    }

    @Test("a newer command takes the place of one that was not taken")
    func replaced() throws {
        let mailbox = LoadMailbox()
        mailbox.post(.sweep)
        mailbox.post(.close(reset: true))
        let (number, command, unread) = try #require(mailbox.takeCommand())
        #expect(number == 2 && unread == nil)
        guard case .close(reset: true) = command else { Issue.record("\(command)"); return }
    }

    @Test("a report that nobody took is handed to the worker with the next command, once")
    func unread() throws {
        let mailbox = LoadMailbox()
        var report = LoadReport()
        report.failures = [24: 3]
        mailbox.post(.ramp(target: 1))
        _ = mailbox.takeCommand()
        mailbox.deliver(report)
        mailbox.post(.shed(target: 0))
        #expect(try #require(mailbox.takeCommand()).unread?.failures == [24: 3])
        mailbox.post(.sweep)
        #expect(try #require(mailbox.takeCommand()).unread == nil)
        mailbox.deliver(report)
        #expect(mailbox.takeReport()?.failures == [24: 3])
        mailbox.post(.sweep)
        #expect(try #require(mailbox.takeCommand()).unread == nil, "it was taken")
    }

    @Test("a report that belongs to an earlier command does not answer the next one")
    func staleReport() {
        let mailbox = LoadMailbox()
        mailbox.deliver(LoadReport())
        mailbox.post(.sweep)
        #expect(mailbox.takeReport() == nil)
        mailbox.deliver(LoadReport())
        #expect(mailbox.takeReport() != nil)
        #expect(mailbox.takeReport() == nil)
    }
}

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
        let (number, command) = try #require(mailbox.takeCommand())
        #expect(number == 2)
        guard case .close(reset: true) = command else { Issue.record("\(command)"); return }
    }

    @Test("a report that belongs to an earlier command is dropped by the next one")
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

// Counters that can be printed and added, every one of them.

import Glibc
import Testing

@testable import ConnectionEngine

@Suite struct CountersTests {
    @Test("every stored counter has a name and is added")
    func fields() {
        let stored = Mirror(reflecting: Counters()).children.compactMap(\.label)
        #expect(Counters.fields.map(\.name) == stored)
        var left = Counters()
        var right = Counters()
        for (position, field) in Counters.fields.enumerated() {
            left[keyPath: field.path] = UInt64(position)
            right[keyPath: field.path] = 1_000
        }
        left += right
        for (position, field) in Counters.fields.enumerated() {
            #expect(left[keyPath: field.path] == UInt64(position) + 1_000)
        }
    }

    @Test("a client that could not be taken is counted by what was lacking")
    func acceptFailures() {
        var counters = Counters()
        counters.acceptFailed(EMFILE, at: .accept)
        counters.acceptFailed(EMFILE, at: .ring)
        counters.acceptFailed(ENFILE, at: .accept)
        counters.acceptFailed(ENOMEM, at: .accept)
        counters.acceptFailed(ENOBUFS, at: .accept)
        counters.acceptFailed(ENOMEM, at: .ring)
        counters.acceptFailed(ENOMEM, at: .watch)
        counters.acceptFailed(EAGAIN, at: .thread)
        counters.acceptFailed(ENOMEM, at: .thread)
        counters.acceptFailed(ENOSPC, at: .watch)
        counters.acceptFailed(EPERM, at: .accept)
        var expected = Counters()
        expected.acceptFailures = 11
        expected.acceptFailuresNoDescriptor = 2
        expected.acceptFailuresNoFile = 1
        expected.acceptFailuresNoMemory = 4
        expected.acceptFailuresNoThread = 2
        expected.acceptFailuresNoWatch = 1
        #expect(counters == expected)
    }

    @Test("every feature has a name of its own")
    func features() {
        #expect(URingFeatures.all.names.count == 7)
        #expect(URingFeatures.all.names.count == URingFeatures.all.rawValue.nonzeroBitCount)
        #expect(URingFeatures.bind.names == ["bind"])
        #expect(URingFeatures([]).names == [])
    }

    @Test("time never runs backwards in a duration")
    func time() {
        let early = MonotonicTime(nanoseconds: 10)
        let late = early.advanced(byNanoseconds: 5)
        #expect(late.nanoseconds(since: early) == 5)
        #expect(early.nanoseconds(since: late) == 0)
        #expect(early < late)
        #expect(MonotonicTime.now <= MonotonicTime.now)
        #expect(late.seconds(since: early) == 5e-9)
    }
}

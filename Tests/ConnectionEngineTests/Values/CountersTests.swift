// Counters that can be printed and added, every one of them.

import ConnectionEngine
import Testing

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

    @Test("every feature has a name of its own")
    func features() {
        #expect(URingFeatures.all.names.count == 6)
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

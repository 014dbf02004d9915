import Testing

@testable import ConnectionBench

@Suite("Live table")
struct LiveTableTests {
    @Test("every row has the columns of the header, and fits a terminal of 80")
    func columns() {
        let row = LiveRow(
            connections: 312_480, perSecond: 41_200, p50Nanoseconds: 94_000,
            p99Nanoseconds: 396_000, processorShare: 0.976, memoryLeftBytes: 18 << 30,
            connectionsLeft: 2_317_000, secondsLeft: 4.6)
        let text = LiveTable.text(row)
        #expect(
            text
                == "    312,480   41,200   94.0 µs  396.0 µs  98 %  18.0 GiB   2,317,000   4.6 s")
        #expect(text.count == LiveTable.header.count)
        #expect(LiveTable.text(LiveRow()).count == LiveTable.width)
        #expect(LiveTable.width < 80)
    }

    @Test("a bar is full at its end, and never beyond")
    func bar() {
        #expect(LiveTable.bar(0.5, width: 18) == "[=====     ]  50 %")
        #expect(LiveTable.bar(1.7, width: 18) == "[==========] 100 %")
        #expect(LiveTable.bar(-1, width: 18) == "[          ]   0 %")
    }

    @Test(
        "the time left is short",
        arguments: [(4.63, "4.6 s"), (125, "2:05"), (3_725, "1:02:05"), (1e9, "> 99 h")])
    func seconds(seconds: Double, text: String) {
        #expect(LiveTable.seconds(seconds) == text)
    }

    @Test("a ramp knows its part, its rate and its end")
    func ramp() {
        let line = RampLine(open: 3_000, target: 5_000, before: 1_000, seconds: 0.5)
        #expect(line.part == 0.5)
        #expect(line.perSecond == 4_000)
        #expect(line.secondsLeft == 0.5)
        #expect(
            line.text(Governor.Judgement()) == "connect 3,000 of 5,000  4,000/s  ETA 0.5 s")
    }
}

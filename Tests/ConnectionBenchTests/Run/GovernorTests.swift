// The governor's levels by each criterion, with literal readings.

import Testing

@testable import ConnectionBench

private let mebibyte = 1 << 20

/// A floor of 2,000 MiB, connections of 8,000 B.
private func governor(group: Int = 0) -> Governor {
    Governor(
        GovernorLimits(
            floorBytes: 2_000 * mebibyte, controlGroupFloorBytes: group, bytesPerConnection: 8_000,
            chargedBytesPerConnection: 4_000))
}

private func reading(
    _ usable: Int = 10_000 * mebibyte, group: Int? = nil, pressure: Double? = nil,
    delay: Double = 0
) -> GovernorReading {
    GovernorReading(
        usableBytes: usable, controlGroupLeft: group, memoryPressure: pressure, delaySeconds: delay)
}

@Suite struct GovernorTests {
    @Test("a host with room is green, without a pace or a cause")
    func green() {
        var judge = governor()
        #expect(judge.judge(reading()) == Governor.Judgement())
        #expect(judge.judge(reading(2_512 * mebibyte)) == Governor.Judgement())
    }

    @Test(
        "memory: slow 512 MiB above the floor, held at it, red and black below",
        arguments: [
            (2_512 * 1_048_576 - 1, GovernorLevel.amber, 67_108, false),
            (2_100 * 1_048_576, .amber, 13_107, false),
            // 4,000 per second at least, so that the climb ends.
            (2_030 * 1_048_576, .amber, 4_000, false),
            (2_000 * 1_048_576 + 1, .amber, 4_000, false),
            (2_000 * 1_048_576, .amber, -1, true), (1_500 * 1_048_576, .amber, -1, true),
            (1_500 * 1_048_576 - 1, .red, -1, true), (800 * 1_048_576, .red, -1, true),
            (800 * 1_048_576 - 1, .black, -1, true), (0, .black, -1, true),
        ])
    func memory(usable: Int, level: GovernorLevel, pace: Int, isAtFloor: Bool) {
        var judge = governor()
        let judgement = judge.judge(reading(usable))
        #expect(judgement.level == level)
        #expect(judgement.pace == pace)
        #expect(judgement.isAtFloor == isAtFloor)
        #expect(judgement.trigger == .memory)
    }

    @Test("the text has the figure and its bound")
    func text() {
        var judge = governor()
        #expect(
            judge.judge(reading(1_000 * mebibyte)).text
                == "1,000.0 MiB of memory left to use, the floor is 2.0 GiB")
        #expect(
            judge.judge(reading(pressure: 6.25)).text
                == "all tasks waited for memory for 6.3 % of 10 s (full avg10 of"
                + " /proc/pressure/memory)")
        #expect(
            judge.judge(reading(delay: 0.75)).text == "the watching thread woke 750.0 ms late")
    }

    @Test("a control group is slow up to three times its floor, by what is charged to it")
    func controlGroup() {
        var judge = governor(group: 24 * mebibyte)
        #expect(judge.judge(reading(group: 72 * mebibyte)).level == .green)
        let slow = judge.judge(reading(group: 60 * mebibyte))
        #expect(slow.level == .amber && slow.trigger == .controlGroupMemory)
        #expect(slow.pace == 36 * mebibyte / 4_000)
        let held = judge.judge(reading(group: 24 * mebibyte))
        #expect(held.isAtFloor && held.pace == -1 && held.level == .amber)
        #expect(judge.judge(reading(group: 18 * mebibyte - 1)).level == .red)
        #expect(judge.judge(reading(group: 8 * mebibyte)).level == .black)
    }

    @Test("a control group keeps 8 % of its limit, at least 16 MiB")
    func controlGroupFloor() {
        #expect(GovernorLimits.controlGroupFloor(limit: 300 * mebibyte) == 25_165_824)
        #expect(GovernorLimits.controlGroupFloor(limit: 100 * mebibyte) == 16 * mebibyte)
        #expect(GovernorLimits.controlGroupFloor(limit: 1_000_000_000_000) == 80_000_000_000)
    }

    @Test("memory pressure is amber from 5 %, from 20 % a hold, and red where memory is short")
    func pressure() {
        var judge = governor()
        #expect(judge.judge(reading(pressure: 4.99)).level == .green)
        let amber = judge.judge(reading(pressure: 5))
        #expect(amber.level == .amber && amber.pace == 4_000 && amber.trigger == .memoryPressure)
        #expect(judge.judge(reading(pressure: 19.9)).level == .amber)
        let hold = judge.judge(reading(pressure: 20))
        #expect(hold.level == .amber && hold.pace == -1 && !hold.isAtFloor)
        let red = judge.judge(reading(3_999 * mebibyte, pressure: 20))
        #expect(red.level == .red && red.pace == -1 && !red.isAtFloor)
    }

    @Test("a single late reading is a hiccup, three in a row are red, far too late black")
    func delay() {
        var judge = governor()
        #expect(judge.judge(reading(delay: 0.49)).level == .green)
        let amber = judge.judge(reading(delay: 0.5))
        #expect(amber.level == .amber && amber.pace == 4_000 && amber.trigger == .schedulingDelay)
        #expect(judge.judge(reading(delay: 9)).level == .amber)
        #expect(judge.judge(reading(delay: 9)).level == .amber)
        let red = judge.judge(reading(delay: 1.6))
        #expect(red.level == .red && red.pace == -1)
        #expect(judge.judge(reading(delay: 4.9)).level == .red)
        #expect(judge.judge(reading(delay: 5)).level == .black)
    }

    @Test("a reading in time begins the row of late ones again")
    func row() {
        var judge = governor()
        for delay in [2.0, 2, 1.5, 2, 2] {
            #expect(judge.judge(reading(delay: delay)).level == .amber)
        }
        #expect(judge.judge(reading(delay: 2)).level == .red)
        #expect(judge.judge(reading(delay: 0)).level == .green)
        #expect(judge.judge(reading(delay: 2)).level == .amber)
    }

    @Test("the worst of several criteria is the cause, and the slowest pace counts")
    func worst() {
        var judge = governor(group: 24 * mebibyte)
        let red = judge.judge(reading(2_100 * mebibyte, pressure: 30))
        #expect(red.level == .red && red.trigger == .memoryPressure && red.pace == -1)
        #expect(!red.isAtFloor)
        let slow = judge.judge(reading(2_100 * mebibyte, pressure: 6))
        #expect(slow.level == .amber && slow.trigger == .memory && slow.pace == 4_000)
        // A hold is not lifted by another one's slow pace.
        let held = judge.judge(reading(2_000 * mebibyte, pressure: 6))
        #expect(held.pace == -1 && held.trigger == .memory && held.isAtFloor)
        let group = judge.judge(reading(2_100 * mebibyte, group: 60 * mebibyte))
        #expect(group.pace == 9_437 && group.trigger == .memory)
    }

    @Test("of equal levels the one at its floor is the cause")
    func floorFirst() {
        var judge = governor(group: 24 * mebibyte)
        let judgement = judge.judge(reading(2_100 * mebibyte, group: 20 * mebibyte))
        #expect(judgement.level == .amber && judgement.isAtFloor && judgement.pace == -1)
        #expect(judgement.trigger == .controlGroupMemory)
        #expect(judgement.text == "20.0 MiB left in the control group, the floor is 24.0 MiB")
    }

    @Test("a floor of 0 never ends a climb before the last byte")
    func noFloor() {
        var judge = Governor(
            GovernorLimits(
                floorBytes: 0, bytesPerConnection: 8_000, chargedBytesPerConnection: 4_000))
        #expect(judge.judge(reading(1)).level == .amber)
        #expect(judge.judge(reading(1)).pace == 4_000)
        #expect(judge.judge(reading(0)).isAtFloor)
    }

    @Test("levels have an order and a name")
    func levels() {
        #expect(
            GovernorLevel.green < .amber && .amber < GovernorLevel.red && .red < GovernorLevel.black
        )
        #expect(GovernorLevel.red.name == "red" && GovernorLevel.black.name == "black")
    }
}

@Suite struct SamplerFilesTests {
    private let text = """
        some avg10=1.50 avg60=0.70 avg300=0.10 total=123
        full avg10=0.25 avg60=0.00 avg300=0.00 total=45
        """

    @Test("a pressure file has an average of 10 s in each line")
    func average() {
        #expect(SamplerFiles.average("some", in: text) == 1.5)
        #expect(SamplerFiles.average("full", in: text) == 0.25)
    }

    @Test("without the line, or the word, the figure is unknown")
    func missing() {
        #expect(SamplerFiles.average("full", in: "some avg10=1.50 avg60=0.70\n") == nil)
        #expect(SamplerFiles.average("some", in: "some avg60=0.70\n") == nil)
        #expect(SamplerFiles.average("some", in: "some avg10=many\n") == nil)
        #expect(SamplerFiles.average("some", in: "") == nil)
    }

    @Test("this machine's memory can be read again and again")
    func smoke() throws {
        let files = SamplerFiles(controlGroup: nil)
        for _ in 0..<3 { #expect(try #require(files.memory()).totalBytes > 0) }
        #expect(try #require(files.threads()) > 0)
        #expect(try #require(files.systemFiles()) > 0)
        #expect(files.controlGroupLeft() == nil)
    }

    @Test("a group's memory is its limit less its use without the file cache")
    func controlGroup() throws {
        let root = try FixtureDirectory([
            "/g/memory.current": "700\n", "/g/memory.stat": "anon 5\ninactive_file 100\n",
            "/old/memory.usage_in_bytes": "700\n",
            "/old/memory.stat": "inactive_file 7\ntotal_inactive_file 200\n",
        ])
        let unified = SamplerFiles(
            controlGroup: ControlGroupLimit(
                limit: .at(1_000), used: nil, path: root.path + "/g/memory.max"))
        #expect(unified.controlGroupLeft() == 400)
        let old = SamplerFiles(
            controlGroup: ControlGroupLimit(
                limit: .at(1_000), used: nil, path: root.path + "/old/memory.limit_in_bytes"))
        #expect(old.controlGroupLeft() == 500)
    }
}

// Charts: what is stacked, what is left out, and what their markup is.

import Testing

@testable import BenchReport
@testable import ConnectionBench

@Suite("Charts")
struct ChartTests {
    @Test("processor shares add up to what the machine was busy with, softirq counted once")
    func sharesAddUp() throws {
        var use = ProcessorUse()
        use.elapsedSeconds = 2
        use.serverSeconds = 0.6
        use.clientSeconds = 0.8
        use.machine = Made.machine(user: 0.4, system: 1.0, soft: 0.6, steal: 0.2)
        let shares = try #require(ProcessorShares(use))
        #expect(abs(shares.sum - (2.0 + 0.2) / 2) < 1e-9)
        // 2.0 busy, 1.4 of it the processes': of 0.6 softirq all can be beside them.
        #expect(abs(shares.softirq - 0.3) < 1e-9)
        #expect(abs(shares.other) < 1e-9)
        #expect(abs((shares.softirqInAll ?? 0) - 0.3) < 1e-9)
    }

    @Test("softirq that lies within the processes' time is not added to it")
    func softirqWithinProcesses() throws {
        var use = ProcessorUse()
        use.elapsedSeconds = 1
        use.serverSeconds = 0.7
        use.clientSeconds = 0.5
        use.machine = Made.machine(user: 0.3, system: 0.5, soft: 0.4)
        let shares = try #require(ProcessorShares(use))
        #expect(shares.softirq < 1e-9)
        #expect(abs(shares.sum - 1.2) < 1e-9)
    }

    @Test("without the machine's figures the processes are shown alone; without time nothing")
    func sharesWithoutMachine() throws {
        var use = ProcessorUse()
        #expect(ProcessorShares(use) == nil)
        use.elapsedSeconds = 1
        use.serverSeconds = 0.5
        let shares = try #require(ProcessorShares(use))
        #expect(shares.processorCount == nil)
        #expect(shares.sum == 0.5)
    }

    @Test("memory by cache adds up to the whole growth and the processes' memory")
    func memoryAddsUp() throws {
        let step = Made.step(10_000)
        let shares = try #require(MemoryShares(step))
        let kernel = shares.caches.values.reduce(0, +) + (shares.otherCaches ?? 0)
        #expect(abs(kernel - 8_000) < 1e-6)
        #expect(shares.caches["TCP"] == 5_000)
        #expect(shares.server == 100 && shares.client == 60)
        #expect(MemoryShares(StepResult(connections: 0)) == nil)
    }

    @Test("the tops of a stack are the sums of what can be stacked")
    func stackedTotals() {
        let chart = StackChart(
            title: "t", description: "d", categories: ["1k", "2k", "5k"],
            xAxisTitle: "connections", yAxis: Axis(title: "bytes", format: .bytes),
            layers: [
                StackChart.Layer(name: "a", style: "k0", values: [1, nil, .nan]),
                StackChart.Layer(name: "b", style: "k1", values: [2, 5, -3]),
            ])
        #expect(chart.totals == [3, 5, 0])
        #expect(!chart.isEmpty)
        let drawing = chart.drawing(id: "x", .wide)
        #expect(drawing.components(of: "class=\"layer") == 3)
        #expect(!drawing.contains("nan"))
    }

    @Test("the rate of each part of a ramp follows from the points")
    func rampRates() {
        var timeline = RampTimeline()
        timeline.points = [(0, 0), (1_000, 0.1), (2_000, 0.3), (3_000, 0.4)].map {
            RampTimeline.Point(connections: $0.0, seconds: $0.1)
        }
        let curve = RampCurve(timeline)
        let rates = curve.rates(count: 2).map(\.perSecond)
        #expect(rates.count == 2)
        #expect(abs(rates[0] - 7_500) < 1e-6 && abs(rates[1] - 7_500) < 1e-6)
        let fine = curve.rates(count: 60)
        #expect(fine.count == 3)
        let whole = fine.reduce(0) { $0 + $1.perSecond * ($1.to - $1.from) }
        #expect(abs(whole - 3_000) < 1e-6)
        #expect(abs(curve.seconds(at: 1_500) - 0.2) < 1e-9)
    }

    @Test("a ramp with equal, backward or infinite times makes no infinite rate")
    func oddRamp() {
        var timeline = RampTimeline()
        timeline.points = [(0, 0), (0, 0), (500, 0.1), (900, 0.1), (800, 0.05), (1_000, .infinity)]
            .map { RampTimeline.Point(connections: $0.0, seconds: $0.1) }
        let curve = RampCurve(timeline)
        #expect(curve.points.map(\.connections) == [0, 900])
        #expect(curve.rates(count: 10).allSatisfy { $0.perSecond.isFinite })
        #expect(RampCurve(nil).rates(count: 10).isEmpty)
    }

    @Test("what the governor did while connections were closed is not drawn on their making")
    func governorAfterPeak() {
        var run = Made.run(.uring, steps: [1_000, 2_000])
        var late = Made.transition("back within bounds")
        late.connections = 300
        late.seconds = 9
        run.governor = [Made.transition("20 GiB left"), late]
        #expect(RampSection.whileConnecting(run).map(\.text) == ["20 GiB left"])
    }

    @Test("a percentile beyond which no request lies is left out")
    func percentiles() {
        var run = Made.run(.uring, steps: [1_000])
        run.steps[0].probe?.latency.count = 999
        let candidate = Candidate.all(of: [ReportInput(name: "a.json", .run(run))])[0]
        let points = PercentileChart.points(candidate, at: 1_000)
        #expect(points.map(\.x) == [2, 10, 100])
        #expect(points.last?.y == 300_000)
        #expect(Axis.Format.percentile.tick(1_000) == "99.9 %")
        #expect(Axis.Format.percentile.tick(2) == "50 %")
    }

    @Test("a label that was asked for beyond the values of an axis is not drawn at its end")
    func labelBeyondAxis() {
        let chart = LineChart(
            title: "t", description: "d",
            xAxis: Axis(
                title: "x", format: .percentile, kind: .log, fit: .tight, labelled: [2, 10_000]),
            yAxis: Axis(title: "y", format: .count),
            series: [
                LineChart.Series(
                    name: "s", style: 0,
                    points: [2.0, 100].map { LineChart.Point(x: $0, y: 1, tip: "") })
            ])
        let drawing = chart.drawing(id: "x", .wide)
        #expect(drawing.contains(">50 %<"))
        #expect(!drawing.contains("99.99 %"))
    }

    @Test("the last step has a label where not all have room")
    func thinnedCategories() {
        let categories = (1...30).map { "\($0)00k" }
        let chart = StackChart(
            title: "t", description: "d", categories: categories, xAxisTitle: "connections",
            yAxis: Axis(title: "bytes", format: .bytes),
            layers: [
                StackChart.Layer(name: "a", style: "k0", values: categories.map { _ in 1.0 })
            ])
        let drawing = chart.drawing(id: "x", .narrow)
        let labels = drawing.components(of: "00k</text>")
        #expect(labels > 2 && labels < 15)
        #expect(drawing.contains(">3000k</text>"))
    }

    @Test("a line leaves out what a logarithmic axis cannot show")
    func unshowablePoints() {
        let chart = LineChart(
            title: "t", description: "d",
            xAxis: Axis(title: "x", format: .count, kind: .log, fit: .tight),
            yAxis: Axis(title: "y", format: .duration, kind: .log, fit: .round),
            series: [
                LineChart.Series(
                    name: "s", style: 0,
                    points: [(1.0, 0.0), (2, 5), (.infinity, 3), (3, .nan)].map {
                        LineChart.Point(x: $0.0, y: $0.1, tip: "")
                    })
            ])
        #expect(!chart.isEmpty)
        #expect(chart.drawing(id: "x", .narrow).components(of: "<circle") == 1)
    }

    @Test("a drawing names itself, can be focused, and escapes its texts")
    func drawing() {
        let chart = LineChart(
            title: "a < b & c", description: "d", xAxis: Axis(title: "x", format: .count),
            yAxis: Axis(title: "\"y\"", format: .count),
            series: [
                LineChart.Series(
                    name: "s", style: 0, points: [LineChart.Point(x: 1, y: 1, tip: "<i>")])
            ])
        let text = chart.drawing(id: "x", .wide)
        #expect(text.contains("role=\"img\""))
        #expect(text.contains("tabindex=\"0\""))
        #expect(text.contains("<title id=\"x-t\">a &lt; b &amp; c</title>"))
        #expect(text.contains("<title>&lt;i&gt;</title>"))
        #expect(text.contains("&quot;y&quot;"))
    }

    @Test("control characters do not reach the page")
    func controlCharacters() {
        #expect(Markup.escape("a\u{0}b\u{1B}[31m\u{7F}c\nd") == "ab[31mc\nd")
    }

    @Test("medians are of the sorted values, ranges need two of them")
    func samples() {
        #expect(Samples([3, 1, 2]).median == 2)
        #expect(Samples([4, 1]).median == 2.5)
        #expect(Samples([]).median == nil)
        #expect(Samples([5, .nan]).range == nil)
        #expect(Samples([5, 1]).range == 1...5)
    }
}

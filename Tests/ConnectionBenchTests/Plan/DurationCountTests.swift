// Lengths of time as people write them.

import Testing

@testable import ConnectionBench

@Suite struct DurationCountTests {
    @Test(
        "a length of time is read with its units",
        arguments: [
            ("90s", 90.0), ("30m", 1_800), ("2h", 7_200), ("1h30m", 5_400), ("500ms", 0.5),
            ("1.5h", 5_400), ("1m30s", 90), ("2m500ms", 120.5), ("0s", 0),
        ])
    func read(text: String, seconds: Double) throws {
        #expect(try DurationCount(parsing: text).seconds == seconds)
    }

    @Test(
        "what is none is refused with what is allowed",
        arguments: [
            "", "30", "m", "-5m", "30 m", "5d", "1s1m", "1m1m", "1..5s", "1e3s", "½h", "5ms2",
        ])
    func refuse(text: String) {
        let error = #expect(throws: DurationError.self) { try DurationCount(parsing: text) }
        #expect(error?.description.contains("for example 90s, 30m, 2h or 1h30m") == true)
    }

    @Test(
        "it is told in the unit that suits it",
        arguments: [
            (0.25, "250 ms"), (45, "45 s"), (6.53, "6.5 s"), (1_800, "30:00 min"),
            (7_500, "2:05:00 h"), (2_678_400, "31.0 days"),
        ])
    func told(seconds: Double, text: String) {
        #expect(DurationCount.text(seconds) == text)
    }
}

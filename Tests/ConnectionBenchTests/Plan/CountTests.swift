// Counts and step ladders as people write them.

import Testing

@testable import ConnectionBench

@Suite struct CountTests {
    @Test(
        "a count is read with its suffix, separators and fraction",
        arguments: [
            ("0", 0), ("500000", 500_000), ("500k", 500_000), ("500K", 500_000),
            ("1.5M", 1_500_000), ("1.5m", 1_500_000), ("2G", 2_000_000_000), ("1_000", 1_000),
            ("1,000", 1_000), ("1,000,000", 1_000_000), ("1,000.5k", 1_000_500), ("1.0", 1),
            ("2.50", nil), ("0.001k", 1), ("1.250000000k", 1_250), ("100G", 100_000_000_000),
            ("007", 7),
        ] as [(String, Int?)])
    func good(text: String, expected: Int?) throws {
        guard let expected else {
            #expect(throws: CountError.notWhole(text)) { try Count(parsing: text) }
            return
        }
        #expect(try Count(parsing: text).value == expected)
    }

    @Test(
        "what is no number is refused",
        arguments: [
            "", " ", "k", "-5", "+5", "1e6", "1.", ".5k", "1.5.0", "1,5M", "1,00", ",100", "1,,000",
            "1000,000", "1_", "5kk", "5 k", "500kB", "0x10", "\u{0665}", "five", "1.x",
            "1.1_0k",
        ])
    func notANumber(text: String) {
        #expect(throws: CountError.notANumber(text)) { try Count(parsing: text) }
    }

    @Test(
        "a fraction that leaves no whole number is refused",
        arguments: ["1.5", "1.2345k", "0.0001k"])
    func notWhole(text: String) {
        #expect(throws: CountError.notWhole(text)) { try Count(parsing: text) }
    }

    @Test(
        "what exceeds 10^11 is refused, without overflow",
        arguments: [
            "100000000001", "101G", "100.000000001G", "99999999999999999999",
            "9223372036854775807k",
        ])
    func tooLarge(text: String) {
        #expect(throws: CountError.tooLarge(text)) { try Count(parsing: text) }
    }

    @Test("errors are one line with an example", arguments: ["x", "1.5", "101G"])
    func errorText(text: String) throws {
        let error = try #require(#expect(throws: CountError.self) { try Count(parsing: text) })
        #expect(error.description.hasPrefix("'\(text)' is "))
        #expect(error.description.contains("for example"))
        #expect(!error.description.contains("\n"))
    }

    @Test(
        "numbers are written with thousands separators",
        arguments: [
            (0, "0"), (999, "999"), (1_000, "1,000"), (500_000, "500,000"),
            (-1_234_567, "-1,234,567"), (-999, "-999"), (Int.min, "-9,223,372,036,854,775,808"),
        ])
    func formatting(number: Int, text: String) throws {
        #expect(Count.format(number) == text)
        if number == 500_000 { #expect(try Count(parsing: "500k").formatted == text) }
    }

    @Test(
        "bytes are exact while small, then in the largest unit that fits",
        arguments: [
            (0, "0 B"), (8_122, "8,122 B"), (10_239, "10,239 B"), (10_240, "10.0 KiB"),
            (1_048_575, "1.0 MiB"), (4_080_218_931, "3.8 GiB"), (1 << 40, "1.0 TiB"),
            (5_000 << 40, "5,000.0 TiB"), (-20_480, "-20.0 KiB"),
        ])
    func byteFormatting(bytes: Int, text: String) {
        #expect(Count.format(bytes: bytes) == text)
    }
}

@Suite struct StepLadderTests {
    @Test(
        "the default ladder climbs 1-2-5 and ends at the target",
        arguments: [
            (1, [1]), (999, [999]), (1_000, [1_000]), (1_001, [1_000, 1_001]),
            (5_000, [1_000, 2_000, 5_000]),
            (500_000, [1, 2, 5, 10, 20, 50, 100, 200, 500].map { $0 * 1_000 }),
            (30_000, [1_000, 2_000, 5_000, 10_000, 20_000, 30_000]),
        ])
    func defaultLadder(target: Int, steps: [Int]) throws {
        #expect(try StepLadder(upTo: target).steps == steps)
    }

    @Test("the largest count has a ladder")
    func largest() throws {
        let steps = try StepLadder(upTo: Count.largest).steps
        #expect(steps.last == Count.largest)
        #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test(
        "a list is taken as it is, and the target appended where it is missing",
        arguments: [
            ("1k,10k,100k", 100_000, [1_000, 10_000, 100_000]),
            ("1k, 10k ,100k", 500_000, [1_000, 10_000, 100_000, 500_000]),
            ("7", 7, [7]),
        ])
    func list(text: String, target: Int, steps: [Int]) throws {
        #expect(try StepLadder(parsing: text, upTo: target).steps == steps)
    }

    @Test(
        "a list that does not climb to the target is refused",
        arguments: [
            ("", StepLadderError.notACount(.notANumber(""))),
            ("1k,,2k", .notACount(.notANumber(""))),
            ("1k,x", .notACount(.notANumber("x"))),
            ("0,1k", .stepTooSmall(0)),
            ("1k,1k", .notIncreasing(1_000, after: 1_000)),
            ("10k,2k", .notIncreasing(2_000, after: 10_000)),
            ("1k,1M", .aboveTarget(1_000_000, target: 500_000)),
            ("1,000", .stepTooSmall(0)),
        ])
    func refused(text: String, expected: StepLadderError) {
        let error = #expect(throws: expected) { try StepLadder(parsing: text, upTo: 500_000) }
        #expect(error?.description.contains("\n") == false)
        #expect(error?.description.contains("for example") == true)
    }

    @Test("no ladder leads to zero")
    func zero() {
        #expect(throws: StepLadderError.targetTooSmall(0)) { try StepLadder(upTo: 0) }
        #expect(throws: StepLadderError.targetTooSmall(-1)) {
            try StepLadder(parsing: "1", upTo: -1)
        }
    }
}

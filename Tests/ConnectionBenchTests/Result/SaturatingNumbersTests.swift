// Figures of unknown origin become whole numbers without a trap.

import Testing

@testable import ConnectionBench

@Suite struct SaturatingNumbersTests {
    @Test(
        "a figure becomes the whole number towards zero, or the nearest there is",
        arguments: [
            (0.0, 0), (-0.9, 0), (1.9, 1), (-7.5, -7), (9e15, 9_000_000_000_000_000),
            (1e300, Int.max), (-1e300, Int.min), (9.3e18, Int.max), (.infinity, Int.max),
            (-.infinity, Int.min), (.nan, 0),
        ])
    func signed(figure: Double, expected: Int) {
        #expect(Int(saturating: figure) == expected)
    }

    @Test(
        "a negative figure is no unsigned number",
        arguments: [
            (2.5, UInt64(2)), (-0.5, 0), (-1e300, 0), (1e300, .max), (1.9e19, .max), (.nan, 0),
        ])
    func unsigned(figure: Double, expected: UInt64) {
        #expect(UInt64(saturating: figure) == expected)
    }
}

// Words in lines of a given width.

import Testing

@testable import ConnectionBench

@Suite struct TextLayoutTests {
    @Test("lines break at spaces, and later ones have an indent of their own")
    func wrap() {
        #expect(
            TextLayout.wrap("one two three four", first: "- ", rest: "  ", width: 10)
                == ["- one two", "  three", "  four"])
    }

    @Test("a word that ends at the width stays on its line")
    func exact() {
        #expect(TextLayout.wrap("12345 7890", first: "", rest: "", width: 10) == ["12345 7890"])
        #expect(
            TextLayout.wrap("12345 78901", first: "", rest: "", width: 10) == ["12345", "78901"])
    }

    @Test("a word longer than a line is broken where the line is full")
    func longWord() {
        #expect(
            TextLayout.wrap("see /a/long/path/here now", first: "- ", rest: "  ", width: 10)
                == ["- see", "  /a/long/", "  path/her", "  e now"])
        #expect(TextLayout.wrap("1234567890", first: "", rest: "", width: 5) == ["12345", "67890"])
    }

    @Test("no text is one line, and a width that the indent fills breaks nothing")
    func edges() {
        #expect(TextLayout.wrap("", first: "- ", rest: "  ", width: 10) == ["- "])
        #expect(
            TextLayout.wrap("a b", first: "----", rest: "----", width: 4) == ["----a", "----b"])
    }

    @Test("padding fills up and cuts nothing")
    func padding() {
        #expect(TextLayout.pad("ab", 4) == "ab  " && TextLayout.padLeft("ab", 4) == "  ab")
        #expect(TextLayout.pad("abcde", 4) == "abcde" && TextLayout.padLeft("abcde", 4) == "abcde")
        // Characters count, not bytes.
        #expect(TextLayout.padLeft("µs", 4) == "  µs")
    }
}

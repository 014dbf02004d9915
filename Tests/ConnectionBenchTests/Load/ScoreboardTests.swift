// Figures of one process are seen by another one.

import Glibc
import Testing

@testable import ConnectionBench

@Suite struct ScoreboardTests {
    @Test("what one mapping writes the other one reads")
    func shared() throws {
        let ours = try Scoreboard(rowCount: 3)
        let theirs = try Scoreboard(fd: dup(ours.fd), rowCount: 3)
        for row in 0..<3 {
            for figure in Scoreboard.Figure.allCases {
                theirs.row(row)[figure] = 100 * row + figure.rawValue
            }
        }
        for row in 0..<3 {
            for figure in Scoreboard.Figure.allCases {
                #expect(ours.row(row)[figure] == 100 * row + figure.rawValue)
            }
        }
    }

    @Test("sums and maxima are those of the rows asked for")
    func sums() throws {
        let board = try Scoreboard(rowCount: 4)
        for row in 0..<4 { board.row(row)[.open] = 10 + row }
        #expect(board.sum(.open, rows: 1..<3) == 23)
        #expect(board.max(.open, rows: 0..<3) == 12)
        #expect(board.sum(.open, rows: 2..<2) == 0)
        #expect(board.sum(.closed, rows: 0..<4) == 0)
    }

    @Test("the control word lies beyond all rows, and is the same for everyone")
    func control() throws {
        let ours = try Scoreboard(rowCount: 2)
        let theirs = try Scoreboard(fd: dup(ours.fd), rowCount: 2)
        #expect(theirs[.connectsPerSecond] == 0)
        ours[.connectsPerSecond] = -1
        #expect(theirs[.connectsPerSecond] == -1)
        for row in 0..<2 {
            for figure in Scoreboard.Figure.allCases {
                #expect(ours.row(row)[figure] == 0)
                theirs.row(row)[figure] = 7
            }
        }
        #expect(ours[.connectsPerSecond] == -1)
    }

    @Test("a row keeps its memory mapped")
    func lifetime() throws {
        let row = try Scoreboard(rowCount: 1).row(0)
        row[.open] = 7
        #expect(row[.open] == 7)
    }
}

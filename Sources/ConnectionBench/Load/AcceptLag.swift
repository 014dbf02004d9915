// How far the clients' connects are ahead of the servers' accepts.

/// Keeps a ramp from overflowing the accept queues: on loopback a connect succeeds as soon as there
/// is room in the queue, whether or not the server keeps up. A client that meets a full queue
/// waits a second for the kernel's next SYN.
struct AcceptLag {
    private let board: Scoreboard
    private let serverRows: Range<Int>
    private let clientRows: Range<Int>
    /// Connections that may wait in all accept queues together.
    private let lagMax: Int

    /// - Parameter board: rows of servers first, then as many of clients.
    init(board: Scoreboard, lagMax: Int) {
        self.board = board
        self.lagMax = lagMax
        serverRows = 0..<board.rowCount / 2
        clientRows = board.rowCount / 2..<board.rowCount
    }

    /// Connects that the accept queues have room for now, all clients together; those that are on
    /// their way take some of it.
    var room: Int {
        let accepted = board.sum(.opened, rows: serverRows)
        return lagMax - (board.sum(.opened, rows: clientRows) - accepted)
    }
}

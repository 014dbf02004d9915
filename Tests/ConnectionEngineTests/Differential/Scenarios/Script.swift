// What one side of a connection does, as values: a script is a list of steps.

/// The two sides of a connection.
enum Side: String, CaseIterable, Sendable {
    case client, server
}

/// One step of one connection's side. A step that has nothing to wait for is followed by the next
/// one in the same turn; therefore `[.send(9), .close]` is a close with a send queued.
enum Step: Hashable, Sendable {
    case arm
    case armOnce
    /// Queues the next `n` bytes of the connection's own stream, in as many buffers as they need;
    /// waits while the pool has none.
    case send(Int)
    /// The same in sends of `piece` bytes.
    case sendPieces(Int, of: Int)
    /// Waits until `n` further bytes have come.
    case expect(Int)
    /// The same, arming once for each arrival.
    case receive(Int)
    /// Sends back what comes, in the buffers that it came in, until `n` bytes went back.
    case echo(Int)
    /// Waits until every send so far was answered.
    case sent
    /// Waits for so many milliseconds of the engine's clock; 0 waits for the next turn.
    case pause(Int)
    /// Lets the other side pass its `await` of the same mark; noted in the trace.
    case reach(Mark)
    /// Waits until the other side has reached the mark, or has ended.
    case await(Mark)
    /// Buffers that come from here on are kept …
    case keep
    /// … until here.
    case releaseKept
    case close
    case abort
    /// Waits for `.closed`. A script ends with it whether it says so or not.
    case untilClosed
    /// Asks for everything once more, with the id of the connection that has ended.
    case useAgain
}

/// A place in a script that the other side can wait for.
enum Mark: String, Sendable {
    case ready, sent, heard, done
    /// Reached by itself when the connection's `.closed` has come.
    case closed
}

/// What both sides of one connection do.
struct Scripts: Sendable {
    /// From `connect` on, in the same turn.
    var opening: [Step] = []
    /// From `.connected` on.
    var client: [Step]
    /// From `.accepted` on.
    var server: [Step]
    /// The client hears its own stream coming back, not the server's.
    var hearsEcho = false

    func steps(of side: Side) -> [Step] { side == .client ? client : server }
}

extension [Step] {
    /// The steps of `body`, so many times.
    static func repeated(_ count: Int, _ body: () -> [Step]) -> [Step] {
        (0..<count).flatMap { _ in body() }
    }
}

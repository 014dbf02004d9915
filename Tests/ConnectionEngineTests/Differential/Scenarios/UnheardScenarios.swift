// Scenarios in which something happens while a side does not listen, or cannot send.

extension Scenario {
    static let unheard: [Scenario] = [
        Scenario(name: "bytes and an end that came before the server was armed") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .close],
                server: [.await(.closed), .pause(1), .reach(.ready), .arm, .expect(size)])
        },
        Scenario(name: "bytes and an end are received once by once") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .close],
                server: [.await(.closed), .pause(1), .receive(size), .reach(.heard), .armOnce])
        },
        Scenario(name: "an end is not noticed before the server is armed") { _ in
            Scripts(
                client: [.close],
                server: [.await(.closed), .pause(2), .reach(.ready), .arm])
        },
        Scenario(name: "an end is not noticed after the server was armed once") { draw in
            let size = draw.size(upTo: 64)
            return Scripts(
                client: [.send(size), .sent, .await(.heard), .close],
                server: [
                    .receive(size), .reach(.heard), .await(.closed), .pause(2), .reach(.ready),
                    .arm,
                ])
        },
        Scenario(name: "a reset is not noticed before the server is armed") { _ in
            Scripts(
                client: [.abort],
                server: [.await(.closed), .pause(2), .reach(.ready), .arm])
        },
        Scenario(name: "bytes before a reset, to a server that is not armed") { draw in
            // A reset takes with it what the sender's socket still has: no more than one segment.
            let size = draw.size(upTo: 60)
            return Scripts(
                client: [.send(size), .sent, .abort],
                server: [.await(.closed), .pause(1), .reach(.ready), .arm, .expect(size)])
        },
        Scenario(name: "an end is not noticed, but the server closes") { _ in
            Scripts(
                client: [.close], server: [.await(.closed), .pause(2), .reach(.ready), .close])
        },
        Scenario(name: "a reset is not noticed, but the server aborts") { _ in
            Scripts(
                client: [.abort], server: [.await(.closed), .pause(2), .reach(.ready), .abort])
        },
        Scenario(name: "sends after the peer's end, not armed") { draw in
            // The first one is answered with a reset, the second one hears of it.
            let size = draw.size(upTo: 60)
            return Scripts(
                client: [.close],
                server: [
                    .await(.closed), .pause(1), .send(size), .sent, .pause(2), .reach(.ready),
                    .send(size),
                ])
        },
        Scenario(name: "a send after the peer's reset, not armed") { draw in
            Scripts(
                client: [.abort],
                server: [
                    .await(.closed), .pause(1), .reach(.ready), .send(draw.size(upTo: 60)),
                ])
        },
        Scenario(name: "many sends after the peer's reset, not armed") { draw in
            Scripts(
                client: [.abort],
                server: [.await(.closed), .pause(1), .reach(.ready), .sendPieces(20, of: 1)])
        },
        Scenario(name: "a close with bytes that nobody has read") { draw in
            // TCP answers a close that throws bytes away with a reset (RFC 2525, 2.17).
            let size = draw.size(upTo: 60)
            return Scripts(
                client: [.send(size), .sent, .reach(.sent), .arm],
                server: [.await(.sent), .pause(1), .close])
        },
        Scenario(name: "a close with more unread bytes than a buffer holds") { draw in
            let size = 2_049 + draw.size()
            return Scripts(
                client: [.send(size), .sent, .reach(.sent), .arm],
                server: [.await(.sent), .pause(1), .close])
        },
        Scenario(name: "an abort with bytes that nobody has read") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .reach(.sent), .arm],
                server: [.await(.sent), .pause(1), .abort])
        },
        Scenario(
            // Bytes that are under way when the server closes are answered with a reset.
            name: "the server closes in the middle of the client's message",
            client: Freedom(closes: [.endOfStream, .reset, .brokenPipe], sent: true),
            server: Freedom(received: true)
        ) { draw in
            let size = draw.size() + 100
            return Scripts(
                client: [.arm, .sendPieces(size, of: 50)],
                server: [.arm, .expect(draw.number(1...size / 2)), .close])
        },
        Scenario(
            name: "the server aborts in the middle of the client's message",
            client: Freedom(closes: [.reset, .brokenPipe], sent: true),
            server: Freedom(received: true)
        ) { draw in
            let size = draw.size() + 100
            return Scripts(
                client: [.arm, .sendPieces(size, of: 50)],
                server: [.arm, .expect(draw.number(1...size / 2)), .abort])
        },
        Scenario(
            name: "a close waits until a full socket has taken all", connections: 1...1, seeds: 3,
            bound: { $0.flood() }
        ) { _ in
            Scripts(
                client: [.send(floodByteCount), .close],
                server: [.pause(60), .reach(.ready), .arm, .expect(floodByteCount)])
        },
        Scenario(
            name: "an abort does not wait for a full socket", connections: 1...1,
            client: Freedom(sent: true), server: Freedom(received: true), seeds: 3,
            bound: { $0.flood() }
        ) { _ in
            Scripts(
                client: [.send(floodByteCount), .pause(60), .abort],
                server: [.await(.closed), .arm])
        },
        Scenario(
            name: "a close that waits for a full socket can be aborted", connections: 1...1,
            client: Freedom(sent: true), server: Freedom(received: true), seeds: 3,
            bound: { $0.flood() }
        ) { _ in
            Scripts(
                client: [.send(floodByteCount), .close, .pause(60), .reach(.ready), .abort],
                server: [.await(.closed), .arm])
        },
        Scenario(
            // The reset is heard by the send that waits for room, or by the receive.
            name: "a reset ends sends that wait for a full socket", connections: 1...1,
            client: Freedom(closes: [.reset, .brokenPipe], sent: true), seeds: 3,
            bound: { $0.flood() }
        ) { _ in
            Scripts(
                client: [.arm, .send(floodByteCount), .pause(60), .reach(.ready)],
                server: [.await(.ready), .abort])
        },
        Scenario(
            name: "the peer's end lets sends to a full socket go out", connections: 1...1,
            client: Freedom(received: true, sent: true),
            server: Freedom(closes: [.reset, .brokenPipe, .endOfStream], sent: true), seeds: 3,
            bound: { $0.flood() }
        ) { draw in
            Scripts(
                client: [.await(.ready), .arm, .expect(draw.number(1...20_000)), .close],
                server: [.arm, .send(floodByteCount), .pause(60), .reach(.ready)])
        },
    ]
}

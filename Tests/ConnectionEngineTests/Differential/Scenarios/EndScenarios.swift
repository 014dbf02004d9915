// Scenarios about the ends of connections: by close, by abort, on both sides, in the middle of work.

extension Scenario {
    static let ends: [Scenario] = [
        Scenario(name: "the client closes at once") { _ in
            Scripts(client: [.close], server: [.arm])
        },
        Scenario(name: "the server closes at once") { _ in
            Scripts(client: [.arm], server: [.close])
        },
        Scenario(name: "the client aborts at once") { _ in
            Scripts(client: [.abort], server: [.arm])
        },
        Scenario(name: "the server aborts at once") { _ in
            // Reset before its connect was seen to succeed, a connection may as well have failed.
            Scripts(client: [.arm, .reach(.ready)], server: [.await(.ready), .abort])
        },
        Scenario(name: "the client closes with sends queued") { draw in
            let size = draw.size()
            return Scripts(client: [.send(size), .close], server: [.arm, .expect(size)])
        },
        Scenario(name: "the server closes with sends queued") { draw in
            let size = draw.size()
            return Scripts(client: [.arm, .expect(size)], server: [.send(size), .close])
        },
        Scenario(
            name: "the client aborts with sends queued", client: Freedom(sent: true),
            server: Freedom(received: true)
        ) { draw in
            Scripts(client: [.send(draw.size()), .abort], server: [.arm])
        },
        Scenario(
            name: "the server aborts with sends queued", client: Freedom(received: true),
            server: Freedom(sent: true)
        ) { draw in
            Scripts(
                client: [.arm, .reach(.ready)],
                server: [.await(.ready), .send(draw.size()), .abort])
        },
        Scenario(name: "the server closes after an echo") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size)],
                server: [.arm, .echo(size), .sent, .close], hearsEcho: true)
        },
        Scenario(name: "the client aborts after an echo") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size), .sent, .await(.sent), .abort],
                server: [.arm, .echo(size), .sent, .reach(.sent)], hearsEcho: true)
        },
        Scenario(name: "the server aborts after an echo") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size), .sent, .reach(.heard)],
                server: [.arm, .echo(size), .sent, .await(.heard), .abort], hearsEcho: true)
        },
        Scenario(name: "close, close") { _ in
            Scripts(client: [.close, .close], server: [.arm])
        },
        Scenario(name: "abort, abort, armed") { _ in
            Scripts(client: [.arm, .abort, .abort], server: [.arm])
        },
        Scenario(name: "abort, close") { _ in
            Scripts(client: [.abort, .close], server: [.arm])
        },
        Scenario(name: "close, abort") { _ in
            Scripts(client: [.close, .abort], server: [.arm])
        },
        Scenario(name: "everything after a close is ignored") { draw in
            Scripts(
                client: [.close, .send(draw.size(upTo: 100)), .arm, .armOnce],
                server: [.arm])
        },
        Scenario(name: "everything after an abort is ignored") { draw in
            Scripts(
                client: [.arm, .abort, .send(draw.size(upTo: 100)), .arm, .close],
                server: [.arm])
        },
        Scenario(name: "an id that has ended is of no use") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .close, .untilClosed, .useAgain, .pause(1)],
                server: [.arm, .expect(size), .untilClosed, .useAgain, .pause(1)])
        },
        Scenario(name: "an id that has ended does not harm its slot's next one", opening: .afterEnd)
        { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size), .close, .untilClosed, .useAgain],
                server: [.arm, .echo(size), .untilClosed, .useAgain, .pause(1)], hearsEcho: true)
        },
        Scenario(name: "both close at once, not armed") { _ in
            Scripts(
                client: [.reach(.ready), .await(.ready), .close],
                server: [.reach(.ready), .await(.ready), .close])
        },
        Scenario(
            // Either may hear of the other's end before it has asked for its own.
            name: "both close at once, armed",
            client: Freedom(closes: [.requested, .endOfStream]),
            server: Freedom(closes: [.requested, .endOfStream])
        ) { _ in
            Scripts(
                client: [.arm, .reach(.ready), .await(.ready), .close],
                server: [.arm, .reach(.ready), .await(.ready), .close])
        },
        Scenario(
            name: "both abort at once, armed", client: Freedom(closes: [.requested, .reset]),
            server: Freedom(closes: [.requested, .reset])
        ) { _ in
            Scripts(
                client: [.arm, .reach(.ready), .await(.ready), .abort],
                server: [.arm, .reach(.ready), .await(.ready), .abort])
        },
        Scenario(
            name: "one closes and the other aborts, armed",
            client: Freedom(closes: [.requested, .reset]),
            server: Freedom(closes: [.requested, .endOfStream])
        ) { _ in
            Scripts(
                client: [.arm, .reach(.ready), .await(.ready), .close],
                server: [.arm, .reach(.ready), .await(.ready), .abort])
        },
        Scenario(name: "an idle client is closed by the server") { draw in
            Scripts(client: [.arm], server: [.arm, .pause(draw.moment()), .close])
        },
        Scenario(name: "a silent client is aborted in the middle of its request") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .sent],
                server: [.arm, .expect(size), .pause(draw.moment()), .abort])
        },
    ]
}

// Scenarios at the bounds of a worker: connections, buffers, queues; and about opening.

extension Scenario {
    static let bounds: [Scenario] = [
        Scenario(
            name: "more clients than the server takes at once", connections: 3...4,
            opening: .together, seeds: 5, bound: { $0.server.connections = 2 }
        ) { draw in
            echo(of: draw.size())
        },
        Scenario(
            name: "more connections than the client may hold", connections: 4...6,
            opening: .together, bound: { $0.client.connections = 2 }
        ) { draw in
            echo(of: draw.size())
        },
        Scenario(name: "two buffers on each side", bound: { $0.both { $0.buffers = 2 } }) { draw in
            echo(of: draw.size(upTo: 600))
        },
        Scenario(
            name: "two buffers of the server for many clients", connections: 8...12,
            bound: { $0.server.buffers = 2 }
        ) { draw in
            let size = draw.size(upTo: 600)
            return Scripts(
                client: [.send(size), .sent, .close], server: [.arm, .expect(size)])
        },
        Scenario(
            name: "a server that keeps all its buffers for a while", connections: 1...2,
            bound: { $0.server.buffers = 3 }
        ) { draw in
            let size = draw.size(upTo: 3_000)
            return Scripts(
                client: [.send(size), .sent, .await(.heard), .close],
                server: [.arm, .keep, .pause(2), .releaseKept, .expect(size), .reach(.heard)])
        },
        Scenario(name: "buffers of 16 bytes", bound: { $0.both { $0.bufferByteCount = 16 } }) {
            draw in
            echo(of: draw.size(upTo: 600))
        },
        Scenario(
            name: "two completions a turn", connections: 4...8,
            bound: { $0.both { $0.completionsPerTurn = 2 } }
        ) { draw in
            echo(of: draw.size())
        },
        Scenario(
            name: "queues of 4 and 8 entries", connections: 4...16,
            bound: {
                $0.both {
                    $0.submissionEntries = 4
                    $0.completionEntries = 8
                }
            }
        ) { draw in
            let size = draw.size(upTo: 2_000)
            return Scripts(
                client: [.arm, .sendPieces(size, of: 64), .expect(size), .close],
                server: [.arm, .echo(size)], hearsEcho: true)
        },
        Scenario(name: "a crowd that leaves at once", connections: 20...40, opening: .together) {
            _ in Scripts(client: [.close], server: [.arm])
        },
        Scenario(
            name: "a crowd that is reset at once", connections: 20...40, opening: .together
        ) { _ in
            Scripts(client: [.abort], server: [.arm])
        },
        Scenario(name: "a crowd that echoes", connections: 20...40, opening: .together, seeds: 10) {
            draw in
            echo(of: draw.size(upTo: 3_000))
        },
        Scenario(name: "a crowd in one turn after another", connections: 20...30, seeds: 5) {
            draw in
            echo(of: draw.size(upTo: 500))
        },
    ]

    static let openings: [Scenario] = [
        Scenario(
            name: "nobody listens", target: .nobody, server: Freedom(everything: true)
        ) { _ in
            Scripts(client: [], server: [])
        },
        Scenario(
            name: "nobody listens, and all ask at once", connections: 5...20, opening: .together,
            target: .nobody, server: Freedom(everything: true)
        ) { _ in
            Scripts(client: [], server: [])
        },
        Scenario(name: "IPv6", bound: { $0.isIPv6 = true }) { draw in
            echo(of: draw.size())
        },
        Scenario(name: "from a given address", bound: { $0.hasSource = true }) { draw in
            echo(of: draw.size())
        },
        Scenario(
            // Whether the server ever hears of it is a race with the close.
            name: "a close while it opens", opening: .together, server: Freedom(everything: true)
        ) { _ in
            Scripts(opening: [.close], client: [], server: [.arm])
        },
        Scenario(
            name: "an abort while it opens", opening: .together, server: Freedom(everything: true)
        ) { _ in
            Scripts(opening: [.abort], client: [], server: [.arm])
        },
        Scenario(
            name: "what is sent before it is open is dropped",
            bound: {
                // Enough buffers that the send is not late.
                $0.client.buffers = 256
                $0.both { $0.bufferByteCount = 2_048 }
            }
        ) { draw in
            let size = draw.size()
            return Scripts(
                opening: [.send(draw.size(upTo: 50))], client: [.send(size), .sent, .close],
                server: [.arm, .expect(size)])
        },
        Scenario(name: "an arm before it is open is dropped") { draw in
            let size = draw.size(upTo: 60)
            return Scripts(
                opening: [.arm, .armOnce],
                client: [.await(.sent), .pause(1), .reach(.ready), .arm, .expect(size), .close],
                server: [.send(size), .sent, .reach(.sent), .arm])
        },
        Scenario(name: "one connection after another", connections: 3...8, opening: .afterEnd) {
            draw in
            echo(of: draw.size())
        },
        Scenario(
            name: "a new connection in the turn in which the last one ended", connections: 3...8,
            opening: .afterClosed
        ) { draw in
            echo(of: draw.size())
        },
        Scenario(
            name: "a new connection after an abort", connections: 3...8, opening: .afterEnd
        ) { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size), .await(.sent), .abort],
                server: [.arm, .echo(size), .sent, .reach(.sent)], hearsEcho: true)
        },
        Scenario(name: "two listeners", connections: 2...6, listeners: 2) { draw in
            echo(of: draw.size())
        },
    ]

    static let all = streams + ends + unheard + bounds + openings

    private static func echo(of size: Int) -> Scripts {
        Scripts(
            client: [.arm, .send(size), .expect(size), .close],
            server: [.arm, .echo(size)], hearsEcho: true)
    }
}

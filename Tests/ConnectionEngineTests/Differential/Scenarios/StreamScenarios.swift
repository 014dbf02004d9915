// Scenarios in which bytes travel and both sides part in order.

extension Scenario {
    static let streams: [Scenario] = [
        Scenario(name: "one message to the server") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .close], server: [.arm, .expect(size)])
        },
        Scenario(name: "one message to the client") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .expect(size), .close], server: [.send(size), .sent, .arm])
        },
        Scenario(name: "an echo") { draw in
            let size = draw.size()
            return Scripts(
                client: [.arm, .send(size), .expect(size), .sent, .close],
                server: [.arm, .echo(size), .sent], hearsEcho: true)
        },
        Scenario(name: "echoes in turn") { draw in
            let sizes = (0..<draw.number(2...8)).map { _ in draw.size(upTo: 3_000) }
            return Scripts(
                client: [.arm] + sizes.flatMap { [.send($0), .expect($0)] } + [.close],
                server: [.arm, .echo(sizes.reduce(0, +)), .sent], hearsEcho: true)
        },
        Scenario(name: "pipelined echoes") { draw in
            let count = draw.number(2...40)
            let size = draw.size(upTo: 500)
            return Scripts(
                client: [
                    .arm, .sendPieces(count * size, of: size), .expect(count * size), .sent, .close,
                ],
                server: [.arm, .echo(count * size), .sent], hearsEcho: true)
        },
        Scenario(name: "both sides speak at once") { draw in
            let (mine, yours) = (draw.size(), draw.size())
            return Scripts(
                client: [.arm, .send(mine), .expect(yours), .sent, .await(.heard), .close],
                server: [.arm, .send(yours), .expect(mine), .sent, .reach(.heard)])
        },
        Scenario(name: "request and answer, the client armed once for each") { draw in
            let rounds = draw.number(1...6)
            let (request, answer) = (draw.size(upTo: 3_000), draw.size(upTo: 3_000))
            return Scripts(
                client: .repeated(rounds) { [.send(request), .receive(answer)] } + [.close],
                server: [.arm] + .repeated(rounds) { [.expect(request), .send(answer)] })
        },
        Scenario(name: "request and answer, both armed once for each") { draw in
            let rounds = draw.number(1...6)
            let (request, answer) = (draw.size(upTo: 3_000), draw.size(upTo: 3_000))
            return Scripts(
                client: .repeated(rounds) { [.send(request), .receive(answer)] } + [.close],
                server: .repeated(rounds) { [.receive(request), .send(answer)] } + [.arm])
        },
        Scenario(name: "the client arms once before it asks") { draw in
            let size = draw.size(upTo: 60)
            return Scripts(
                client: .repeated(3) { [.armOnce, .send(size), .expect(size)] } + [.close],
                server: [.arm, .echo(3 * size)], hearsEcho: true)
        },
        Scenario(name: "a server that is armed late") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .close],
                server: [.pause(draw.moment()), .arm, .expect(size)])
        },
        Scenario(name: "a server that is armed when its bytes have come") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .reach(.sent), .await(.heard), .close],
                server: [.await(.sent), .arm, .expect(size), .reach(.heard)])
        },
        Scenario(name: "single bytes") { draw in
            let size = draw.number(1...60)
            return Scripts(
                client: [.sendPieces(size, of: 1), .sent, .close], server: [.arm, .expect(size)])
        },
        Scenario(name: "a greeting, then echoes") { draw in
            let (greeting, size) = (draw.size(upTo: 200), draw.size())
            return Scripts(
                client: [.arm, .expect(greeting), .send(size), .sent, .await(.heard), .close],
                server: [.send(greeting), .arm, .expect(size), .reach(.heard)])
        },
        Scenario(name: "a greeting before the client is armed") { draw in
            let size = draw.size()
            return Scripts(
                client: [.await(.sent), .arm, .expect(size), .close],
                server: [.send(size), .sent, .reach(.sent), .arm])
        },
        Scenario(name: "messages with pauses between them") { draw in
            let (rounds, size) = (draw.number(2...5), draw.size(upTo: 2_000))
            let pause = draw.moment()
            return Scripts(
                client: [.arm] + .repeated(rounds) { [.send(size), .expect(size), .pause(pause)] }
                    + [.close],
                server: [.arm, .echo(rounds * size)], hearsEcho: true)
        },
        Scenario(name: "once, then for good") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .close], server: [.armOnce, .arm, .expect(size)])
        },
        Scenario(name: "for good, then once: it stays for good") { draw in
            let size = draw.size()
            return Scripts(
                client: [.send(size), .sent, .close], server: [.arm, .armOnce, .expect(size)])
        },
        Scenario(name: "messages of whole buffers") { draw in
            let size = 2_048 * draw.number(1...4)
            return Scripts(
                client: [.arm, .send(size), .expect(size), .close],
                server: [.arm, .echo(size)], hearsEcho: true)
        },
        Scenario(name: "received buffers are kept and released later") { draw in
            let (size, answer) = (draw.size(upTo: 300), draw.size(upTo: 300))
            return Scripts(
                client: [.arm, .send(size), .expect(answer), .close],
                server: [
                    .arm, .keep, .expect(size), .send(answer), .pause(draw.moment()), .releaseKept,
                ])
        },
        Scenario(
            name: "more than the sockets hold", connections: 1...1, seeds: 3,
            bound: { $0.flood() }
        ) { draw in
            let size = draw.number(floodByteCount...floodByteCount + 100_000)
            return Scripts(
                client: [.send(size), .sent, .close],
                server: [.pause(60), .arm, .expect(size)])
        },
    ]

    /// More bytes than two sockets take while nobody reads: net.ipv4.tcp_wmem is 4 MiB here.
    static let floodByteCount = 8_000_000
}

extension Setting {
    /// Room for a flood in one side's buffers.
    mutating func flood() {
        both {
            $0.bufferByteCount = 16_384
            $0.buffers = 512
        }
    }
}

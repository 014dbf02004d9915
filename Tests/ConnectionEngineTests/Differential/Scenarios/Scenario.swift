// One scenario: scripts from a seed, the bounds that they run in, and what they leave to chance.

#if !SIMULATION
    import ConnectionEngine
#endif

/// A name, a way to write scripts from a seed, and what of their trace is not determined.
struct Scenario: Sendable, CustomStringConvertible {
    let name: String
    /// The connections of a run, drawn from the seed.
    var connections = 1...5
    var opening = Opening.inTurn
    var target = Target.server
    /// Listening addresses of the server; the client takes turns.
    var listeners = 1
    var client = Freedom()
    var server = Freedom()
    /// Seeds of the suite; fewer where a scenario has to wait for something long.
    var seeds = 20
    /// Changes of the bounds that the seed has drawn.
    var bound: @Sendable (inout Setting) -> Void = { _ in }
    let scripts: @Sendable (inout Draw) -> Scripts

    var description: String { name }

    /// When the client opens its next connection.
    enum Opening: Sendable {
        /// When the one before was accepted: so both sides agree on a connection's number.
        case inTurn
        /// When the one before is over on both sides.
        case afterEnd
        /// When the client heard that the one before is over. All have the script of the first,
        /// since the server need not hear of them in their order.
        case afterClosed
        /// All at once. All have the script of the first.
        case together

        var isUniform: Bool { self == .afterClosed || self == .together }
    }

    /// What the client connects to.
    enum Target: Sendable {
        case server
        /// An address that nobody listens on.
        case nobody
    }

    /// What the scripts do not determine on a side. Everything else must be equal everywhere.
    struct Freedom: Sendable {
        /// Reasons of its end that are all right, when there is more than one.
        var closes: Set<Reason> = []
        /// How many bytes were received when it ended.
        var received = false
        /// How many bytes of its sends were answered when it ended.
        var sent = false
        /// Whether there is a connection at all: nothing of this side is compared.
        var everything = false
    }

    func freedom(of side: Side) -> Freedom { side == .client ? client : server }
}

/// The bounds of one run and what its seed has drawn beside the scripts.
struct Setting: Sendable {
    var client = Limits()
    var server = Limits()
    var idleMode = IdleMode.adaptive
    var isIPv6 = false
    /// The client's source address is given, its port is not.
    var hasSource = false
    /// io_uring only: features to do without.
    var masked: URingFeatures = []

    init(_ draw: inout Draw) {
        idleMode = draw.one(of: IdleMode.allCases)
        masked = draw.one(of: [[], [], .bind, .directDescriptors, .multishotReceive, .all])
        hasSource = draw.number(0...2) == 0
        let bufferByteCount = UInt32(draw.one(of: [64, 512, 2_048]))
        for side in [\Setting.client, \Setting.server] {
            self[keyPath: side].connections = 64
            self[keyPath: side].buffers = UInt32(draw.one(of: [32, 100, 256]))
            self[keyPath: side].bufferByteCount = bufferByteCount
            self[keyPath: side].submissionEntries = UInt32(draw.one(of: [4, 64]))
            self[keyPath: side].completionEntries = UInt32(draw.one(of: [128, 256]))
            self[keyPath: side].completionsPerTurn = UInt32(draw.one(of: [2, 5, 64]))
            self[keyPath: side].ringSlots = 512
            self[keyPath: side].ringBuffers = 16
            self[keyPath: side].backlog = 64
        }
    }

    /// Sets a bound of both sides.
    mutating func both(_ set: (inout Limits) -> Void) {
        set(&client)
        set(&server)
    }

    func limits(of side: Side) -> Limits { side == .client ? client : server }
}

/// A scenario with everything drawn: what a place performs.
struct Performance: Sendable {
    let scenario: Scenario
    let seed: UInt64
    let setting: Setting
    /// One for each connection.
    let scripts: [Scripts]

    init(_ scenario: Scenario, seed: UInt64) {
        self.scenario = scenario
        self.seed = seed
        var draw = Draw(seed: seed, part: -1)
        var setting = Setting(&draw)
        scenario.bound(&setting)
        self.setting = setting
        let count = draw.number(scenario.connections)
        scripts = (0..<count).map { number in
            var draw = Draw(seed: seed, part: scenario.opening.isUniform ? 0 : number)
            return scenario.scripts(&draw)
        }
    }

    /// The stream of bytes that a side sends on a connection.
    func stream(_ side: Side, of number: Int) -> Int {
        let number = scenario.opening.isUniform ? 0 : number
        return 2 * (number + 1) + Int(seed % 64) * 128 + (side == .client ? 0 : 1)
    }
}

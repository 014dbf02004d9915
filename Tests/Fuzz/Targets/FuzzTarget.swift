// What one fuzz target is: a name, and what it does with one input.

/// Fuzz targets are functions of bytes that trap where a promise is broken; libFuzzer calls them with
/// inputs that it makes up, and a test with those of the corpus.
public struct FuzzTarget: Sendable, CustomStringConvertible {
    /// Of its folder in the corpus.
    public let name: String
    public let run: @Sendable ([UInt8]) -> Void

    public init(_ name: String, bytes run: @escaping @Sendable ([UInt8]) -> Void) {
        self.name = name
        self.run = run
    }

    /// For inputs that are text; bytes that are not UTF-8 become U+FFFD, as in files that are read.
    public init(_ name: String, text run: @escaping @Sendable (String) -> Void) {
        self.init(name, bytes: { run(String(decoding: $0, as: UTF8.self)) })
    }

    public var description: String { name }

    /// Those that need the library only; the command line's are in ``FuzzToolTargets``.
    public static let library: [FuzzTarget] = [
        .counts, .messageSizes, .steps, .thresholds, .savedPlan, .socketAddress, .procFiles,
        .socketCounters, .slabinfo, .socketLines, .hostFiles, .sysctlJournal, .sockDiag,
        .controlChannel, .controlMessage, .metricsRequest, .histogram, .result,
    ]
}

/// A promise of a parser; what is broken is in the message.
public func promise(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { fatalError("broken promise: \(message())") }
}

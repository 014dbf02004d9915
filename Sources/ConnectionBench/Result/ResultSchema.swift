// The JSON Schemas of what the tool writes, for those who read it.

/// Draft 2020-12. A field that is added to a result is added there too; a test compares the two.
public enum ResultSchema: String, CaseIterable, Sendable {
    /// Of one run: `uring-bench.result`.
    case result
    /// Of several runs and their comparison, `uring-bench.set`; refers to the other one.
    case set
    /// Of `uring-bench soak`, `uring-bench.soak`; refers to the first one too.
    case soak

    public var text: String {
        switch self {
        case .result: String(decoding: PackageResources.result_schema_json, as: UTF8.self)
        case .set: String(decoding: PackageResources.set_schema_json, as: UTF8.self)
        case .soak: String(decoding: PackageResources.soak_schema_json, as: UTF8.self)
        }
    }
}

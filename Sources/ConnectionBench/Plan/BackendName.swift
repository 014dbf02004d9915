// The backends by the names they have on the command line and in results.

public enum BackendName: String, CaseIterable, Codable, Sendable {
    case uring
    case epoll
    case threads
}

// The calendar time of a run, for people and files.

import Glibc

enum WallClock {
    /// For example `2026-11-23T01:42:07Z`.
    static var now: String {
        var seconds = time(nil)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    /// Seconds since 1970 of such a time; `nil`: it is none.
    static func seconds(of text: String) -> Int? {
        let fields = text.split(whereSeparator: { "-T:Z".contains($0) }).map { CInt($0) }
        guard fields.count == 6, !fields.contains(nil) else { return nil }
        var parts = tm()
        parts.tm_year = (fields[0] ?? 0) - 1900
        parts.tm_mon = (fields[1] ?? 0) - 1
        parts.tm_mday = fields[2] ?? 0
        parts.tm_hour = fields[3] ?? 0
        parts.tm_min = fields[4] ?? 0
        parts.tm_sec = fields[5] ?? 0
        return timegm(&parts)
    }
}

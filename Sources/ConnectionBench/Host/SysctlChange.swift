// A value of the kernel that someone wants changed: its name, what it is, what it shall be.

/// One sysctl and its two values, white space normalised: `32768 60999`, never tabs.
public struct SysctlChange: Codable, Hashable, Sendable {
    /// As sysctl(8) writes it: `kernel.pid_max`, `net.ipv4.ip_local_port_range`.
    public let name: String
    public let old: String
    public let new: String

    public init(name: String, old: String, new: String) {
        self.name = name
        self.old = Self.normalised(old)
        self.new = Self.normalised(new)
    }

    /// The file of the value; `nil` for a name that is none, as it may come from a spoiled journal.
    public var path: String? { Self.path(of: name) }

    /// Whether the change only adds room: every number as before or higher, one at least higher. A
    /// port range adds room by beginning lower or by ending higher.
    public var raises: Bool {
        let before = old.split(separator: " ").map { Int($0) }
        let after = new.split(separator: " ").map { Int($0) }
        guard before.count == after.count, before != after else { return false }
        for (index, pair) in zip(before, after).enumerated() {
            guard let before = pair.0, let after = pair.1 else { return false }
            let beginsRange = index == 0 && name.hasSuffix(".ip_local_port_range")
            guard beginsRange ? after <= before : after >= before else { return false }
        }
        return true
    }

    /// The kernel separates with tabs what people separate with blanks.
    static func normalised(_ value: some StringProtocol) -> String {
        value.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Dots become slashes and slashes dots, as in sysctl(8): `net.ipv4.conf.eth0/7.forwarding`.
    static func path(of name: String) -> String? {
        var bytes: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case UInt8(ascii: "."): bytes.append(UInt8(ascii: "/"))
            case UInt8(ascii: "/"): bytes.append(UInt8(ascii: "."))
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                bytes.append(byte)
            default: return nil
            }
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty && $0.first != "." }) else {
            return nil
        }
        return "/proc/sys/\(text)"
    }
}

/// A change that the doctor proposes, with its reason.
public struct HostChange: Codable, Hashable, Sendable {
    /// The sysctl's name.
    public let name: String
    public let present: String
    public let wanted: String
    /// One sentence for people: what ends where without the change.
    public let reason: String
    /// The file that `present` was read from.
    public let origin: String

    /// - Parameter origin: `nil` for the value's own file below /proc/sys.
    public init(
        name: String, present: String, wanted: String, reason: String, origin: String? = nil
    ) {
        self.name = name
        self.present = SysctlChange.normalised(present)
        self.wanted = SysctlChange.normalised(wanted)
        self.reason = reason
        self.origin = origin ?? SysctlChange.path(of: name) ?? name
    }

    public var change: SysctlChange { SysctlChange(name: name, old: present, new: wanted) }
}

// A TCP endpoint as a plain value: IPv4 or IPv6 address and port.

import CLinux
import Glibc

/// One end of a TCP connection.
///
/// Plain bytes without references, so that operations which carry it never allocate.
@frozen
public struct SocketAddress: Hashable, Sendable {
    /// The first 8 bytes of an IPv6 address, host order; 0 for IPv4.
    public let high: UInt64
    /// The last 8 bytes of an IPv6 address, or the IPv4 address in the low 32 bits; host order.
    public let low: UInt64
    /// Host order. 0 asks the kernel to choose.
    public var port: UInt16
    public let isIPv6: Bool

    /// - Parameter ipv4: the address in host order, `0x7f000001` is 127.0.0.1.
    @inlinable
    public init(ipv4: UInt32, port: UInt16) {
        self.high = 0
        self.low = UInt64(ipv4)
        self.port = port
        self.isIPv6 = false
    }

    @inlinable
    public init(ipv6High: UInt64, ipv6Low: UInt64, port: UInt16) {
        self.high = ipv6High
        self.low = ipv6Low
        self.port = port
        self.isIPv6 = true
    }

    /// 127.0.0.1
    @inlinable
    public static func loopback(port: UInt16) -> SocketAddress {
        SocketAddress(ipv4: 0x7f00_0001, port: port)
    }

    /// Only this machine reaches it: 127.0.0.0/8, ::1, and the former written as IPv6.
    public var isLoopback: Bool {
        guard isIPv6 else { return low >> 24 == 127 }
        return high == 0 && (low == 1 || low >> 24 == 0xffff_7f)
    }

    /// Reads `127.0.0.1:7000` or `[::1]:7000`; `nil` when it is neither. Names are not resolved.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        // `UInt16` would read a sign too, and `inet_pton` would stop at a zero byte.
        let isNumber = digits.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        let host = text[..<colon]
        guard isNumber, let port = UInt16(digits), !host.utf8.contains(0) else { return nil }
        if host.hasPrefix("["), host.hasSuffix("]") {
            var bytes = in6_addr()
            guard unsafe inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &bytes) == 1
            else { return nil }
            let words = unsafe unsafeBitCast(bytes, to: (UInt64, UInt64).self)
            self.init(ipv6High: words.0.bigEndian, ipv6Low: words.1.bigEndian, port: port)
        } else {
            var bytes = in_addr()
            guard unsafe inet_pton(AF_INET, String(host), &bytes) == 1 else { return nil }
            self.init(ipv4: bytes.s_addr.bigEndian, port: port)
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    public var description: String {
        if isIPv6 {
            let groups = [high, low].flatMap { word in
                [48, 32, 16, 0].map { String((word >> UInt64($0)) & 0xffff, radix: 16) }
            }
            return "[\(groups.joined(separator: ":"))]:\(port)"
        }
        let bytes = [24, 16, 8, 0].map { String((low >> UInt64($0)) & 0xff) }
        return "\(bytes.joined(separator: ".")):\(port)"
    }
}

extension SocketAddress {
    /// Bytes of the kernel's form: `sockaddr_in` is 16, `sockaddr_in6` is 28.
    var kernelByteCount: UInt32 { isIPv6 ? 28 : 16 }

    /// Writes the kernel's form to `storage`.
    ///
    /// - Safety: `storage` has room for 28 bytes, aligned to 8, and is the caller's meanwhile.
    func write(to storage: UnsafeMutableRawPointer) {
        let family = UInt16(isIPv6 ? AF_INET6 : AF_INET)
        unsafe storage.storeBytes(of: family, as: UInt16.self)
        unsafe storage.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
        if isIPv6 {
            unsafe storage.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
            unsafe storage.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
            unsafe storage.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
            unsafe storage.storeBytes(of: 0, toByteOffset: 24, as: UInt32.self)
        } else {
            let address = UInt32(truncatingIfNeeded: low).bigEndian
            unsafe storage.storeBytes(of: address, toByteOffset: 4, as: UInt32.self)
            unsafe storage.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
        }
    }

    /// Reads the kernel's form back; `nil` for another family.
    ///
    /// - Safety: `storage` holds at least 28 readable bytes, aligned to 8.
    init?(readingFrom storage: UnsafeRawPointer) {
        let family = unsafe CInt(storage.load(as: UInt16.self))
        let port = unsafe UInt16(bigEndian: storage.load(fromByteOffset: 2, as: UInt16.self))
        switch family {
        case AF_INET:
            let address = unsafe storage.load(fromByteOffset: 4, as: UInt32.self)
            self.init(ipv4: UInt32(bigEndian: address), port: port)
        case AF_INET6:
            let high = unsafe storage.load(fromByteOffset: 8, as: UInt64.self)
            let low = unsafe storage.load(fromByteOffset: 16, as: UInt64.self)
            self.init(
                ipv6High: UInt64(bigEndian: high), ipv6Low: UInt64(bigEndian: low), port: port)
        default:
            return nil
        }
    }
}

// Addresses as text and in the kernel's form.

import Testing

@testable import ConnectionEngine

@Suite struct SocketAddressTests {
    @Test(
        "an address is read",
        arguments: [
            ("127.0.0.1:7000", SocketAddress.loopback(port: 7_000)),
            ("0.0.0.0:0", SocketAddress(ipv4: 0, port: 0)),
            ("255.255.255.255:65535", SocketAddress(ipv4: .max, port: .max)),
            ("10.1.2.3:80", SocketAddress(ipv4: 0x0a01_0203, port: 80)),
            ("[::1]:7000", SocketAddress(ipv6High: 0, ipv6Low: 1, port: 7_000)),
            (
                "[2001:db8::42]:443",
                SocketAddress(ipv6High: 0x2001_0db8_0000_0000, ipv6Low: 0x42, port: 443)
            ),
        ])
    func good(text: String, expected: SocketAddress) {
        #expect(SocketAddress(text) == expected)
        // What is printed is read back as the same.
        #expect(SocketAddress(expected.description) == expected)
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
            "127.0.0.1:+80", "127.0.0.1: 80", "127.0.0:80", "1.2.3.4.5:80", "256.0.0.1:80",
            "localhost:80", "::1:80", "[::1]", "[::1:80", "::1]:80", "[]:80", "[127.0.0.1]:80",
            "127.0.0.1:٣", "127.0.0.1:-0", "127.0.0.1\0.example:80", "[::1\0]:80",
        ])
    func bad(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test("the description is what people write")
    func description() {
        #expect("\(SocketAddress.loopback(port: 7_000))" == "127.0.0.1:7000")
        let address = SocketAddress(ipv6High: 0x2001_0db8_0000_0000, ipv6Low: 1, port: 1)
        #expect("\(address)" == "[2001:db8:0:0:0:0:0:1]:1")
    }

    @Test(
        "the kernel's form is read back",
        arguments: [
            SocketAddress.loopback(port: 7_000), SocketAddress(ipv4: 0x0102_0304, port: 0x1234),
            SocketAddress(ipv6High: 0x0102_0304_0506_0708, ipv6Low: 0x090a, port: 0xff00),
        ])
    func kernelForm(address: SocketAddress) {
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 8)
        defer { storage.deallocate() }
        address.write(to: storage)
        #expect(SocketAddress(readingFrom: UnsafeRawPointer(storage)) == address)
        // The port is in network order, right behind the family.
        #expect(storage.load(fromByteOffset: 2, as: UInt8.self) == UInt8(address.port >> 8))
    }

    @Test("another family is no address of ours")
    func otherFamily() {
        let storage = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 8)
        defer { storage.deallocate() }
        storage.initializeMemory(as: UInt8.self, repeating: 1, count: 32)
        #expect(SocketAddress(readingFrom: UnsafeRawPointer(storage)) == nil)
    }

    @Test(
        "a loopback address is reached from this machine only",
        arguments: [
            ("127.0.0.1:1", true), ("127.255.0.9:1", true), ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true), ("0.0.0.0:1", false), ("[::]:1", false),
            ("128.0.0.1:1", false), ("10.0.0.1:1", false), ("[::2]:1", false),
            ("[::ffff:10.0.0.1]:1", false), ("[::127.0.0.1]:1", false), ("[1::1]:1", false),
        ])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try #require(SocketAddress(text)).isLoopback == isLoopback)
    }
}

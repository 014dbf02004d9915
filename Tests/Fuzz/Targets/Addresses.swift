// Socket addresses as text and in the kernel's form.

import ConnectionEngine

extension FuzzTarget {
    public static let socketAddress = FuzzTarget(
        "socket-address",
        text: { text in
            guard let address = SocketAddress(text) else { return }
            let printed = address.description
            promise(
                SocketAddress(printed) == address, "'\(printed)' is not the address of '\(text)'")
            // What was read is all that was there: no sign, no zero byte, nothing after it.
            promise(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }, "'\(text)' was read")
            let port = text.utf8.suffix(while: { $0 != UInt8(ascii: ":") })
            promise(
                !port.isEmpty && port.allSatisfy { 0x30...0x39 ~= $0 }, "the port of '\(text)'")
            promise(address.isIPv6 == text.hasPrefix("["), "the family of '\(text)'")
            if !address.isIPv6 {
                promise(address.high == 0 && address.low <= UInt64(UInt32.max), printed)
                promise(
                    text.prefix { $0 != ":" } == printed.prefix { $0 != ":" },
                    "'\(text)': \(printed)")
            }
        })
}

extension Collection where Self: BidirectionalCollection {
    /// The longest end of which every element fulfils a condition.
    fileprivate func suffix(while holds: (Element) -> Bool) -> SubSequence {
        var start = endIndex
        while start > startIndex, holds(self[index(before: start)]) { start = index(before: start) }
        return self[start...]
    }
}

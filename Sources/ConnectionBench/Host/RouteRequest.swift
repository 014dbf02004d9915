// The bytes of one rtnetlink request: a header, the subject's own header, attributes.

import CLinux
import Glibc

/// Built front to back; the kernel wants every part to begin at a multiple of 4.
struct RouteRequest {
    /// struct nlmsghdr: length (32 bits), type, flags (16 each), sequence, port (32 each).
    private var bytes = [UInt8](repeating: 0, count: 16)

    /// - Parameter flags: beside NLM_F_REQUEST and NLM_F_ACK.
    init(_ type: Int, flags: CInt) {
        put(UInt16(type), at: 4)
        put(UInt16(NLM_F_REQUEST | NLM_F_ACK | flags), at: 6)
        put(UInt32(1), at: 8)
    }

    /// The request with its length filled in.
    var finished: [UInt8] {
        var whole = self
        whole.put(UInt32(bytes.count), at: 0)
        return whole.bytes
    }

    /// Appends one of the kernel's structures as it is.
    mutating func append<Header: BitwiseCopyable>(_ header: Header) {
        withUnsafeBytes(of: header) { bytes.append(contentsOf: $0) }
        pad()
    }

    mutating func attribute<Value: BitwiseCopyable>(_ type: Int, bytesOf value: Value) {
        nest(type) { $0.append(value) }
    }

    /// - Parameter text: gets a zero at its end.
    mutating func attribute(_ type: Int, _ text: String) {
        nest(type) { $0.bytes += Array(text.utf8) + [0] }
    }

    /// An attribute: its length without the padding after it (16 bits), its type, what `body` adds.
    mutating func nest(_ type: Int, _ body: (inout RouteRequest) -> Void) {
        let start = bytes.count
        bytes += [0, 0, 0, 0]
        put(UInt16(type), at: start + 2)
        body(&self)
        put(UInt16(bytes.count - start), at: start)
        pad()
    }

    private mutating func pad() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    /// In the machine's byte order, as netlink has it.
    private mutating func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
        withUnsafeBytes(of: value) { source in
            for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
        }
    }
}

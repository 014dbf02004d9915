// rtnetlink(7): the few requests that set up interfaces, addresses and routes of a namespace.

import CLinux
import ConnectionEngine
import Glibc

/// A netlink socket of the namespace that the calling thread was in when it was made.
///
/// Spoken directly, because ip(8) is missing in small containers, and because its errors would have
/// to be read from text.
struct RouteSocket: ~Copyable {
    private let fd: CInt

    init() throws(SystemError) {
        fd = CLinux_netlink_socket()
        guard fd >= 0 else { throw SystemError(Errno(-fd), call: "socket(AF_NETLINK)") }
    }

    deinit {
        close(fd)
    }

    /// ip link set `interface` up
    func raise(_ interface: String) throws(SystemError) {
        var request = RouteRequest(RTM_NEWLINK, flags: 0)
        var header = ifinfomsg()
        header.ifi_index = CInt(if_nametoindex(interface))
        header.ifi_flags = UInt32(IFF_UP)
        header.ifi_change = UInt32(IFF_UP)
        request.append(header)
        try perform(request, "ip link set \(interface) up")
    }

    /// ip link add `name` type veth peer `peer`, the peer in the namespace of the descriptor
    /// `namespace`. Both are down: veth refuses to raise an end whose peer is not there yet.
    func addVeth(_ name: String, peer: String, in namespace: CInt) throws(SystemError) {
        var request = RouteRequest(RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL)
        request.append(ifinfomsg())
        request.attribute(IFLA_IFNAME, name)
        request.nest(IFLA_LINKINFO) { information in
            information.attribute(IFLA_INFO_KIND, "veth")
            information.nest(IFLA_INFO_DATA) { data in
                data.nest(VETH_INFO_PEER) { other in
                    other.append(ifinfomsg())
                    other.attribute(IFLA_IFNAME, peer)
                    other.attribute(IFLA_NET_NS_FD, bytesOf: namespace)
                }
            }
        }
        try perform(request, "ip link add \(name) type veth peer \(peer)") { code in
            switch code {
            case EEXIST: "there is one already: two namespaces are joined once"
            case EOPNOTSUPP: "this kernel has no veth: modprobe veth, or CONFIG_VETH"
            default: ""
            }
        }
    }

    /// ip address add `address`/`prefix` dev `interface`
    func addAddress(
        _ address: UInt32, prefix: UInt8, interface: String
    ) throws(SystemError) {
        var request = RouteRequest(RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL)
        var header = ifaddrmsg()
        header.ifa_family = UInt8(AF_INET)
        header.ifa_prefixlen = prefix
        header.ifa_index = if_nametoindex(interface)
        request.append(header)
        request.attribute(IFA_LOCAL, bytesOf: address.bigEndian)
        request.attribute(IFA_ADDRESS, bytesOf: address.bigEndian)
        try perform(request, "ip address add \(Self.text(address))/\(prefix) dev \(interface)")
    }

    /// ip route add `network`/`prefix` via `gateway`
    func addRoute(to network: UInt32, prefix: UInt8, via gateway: UInt32) throws(SystemError) {
        var request = RouteSocket.route(
            to: network, prefix: prefix, type: RTN_UNICAST, scope: RT_SCOPE_UNIVERSE,
            table: RT_TABLE_MAIN)
        request.attribute(Int(RTA_GATEWAY.rawValue), bytesOf: gateway.bigEndian)
        try perform(
            request, "ip route add \(Self.text(network))/\(prefix) via \(Self.text(gateway))")
    }

    /// ip route add local `network`/`prefix` dev lo: every address of it is the namespace's own.
    func addLocalNetwork(_ network: UInt32, prefix: UInt8) throws(SystemError) {
        var request = RouteSocket.route(
            to: network, prefix: prefix, type: RTN_LOCAL, scope: RT_SCOPE_HOST,
            table: RT_TABLE_LOCAL)
        request.attribute(Int(RTA_OIF.rawValue), bytesOf: if_nametoindex("lo"))
        try perform(request, "ip route add local \(Self.text(network))/\(prefix) dev lo")
    }
}

extension RouteSocket {
    private static func route(
        to network: UInt32, prefix: UInt8, type: Int, scope: rt_scope_t, table: rt_class_t
    ) -> RouteRequest {
        var header = rtmsg()
        header.rtm_family = UInt8(AF_INET)
        header.rtm_dst_len = prefix
        header.rtm_table = UInt8(table.rawValue)
        header.rtm_protocol = UInt8(RTPROT_BOOT)
        header.rtm_scope = UInt8(scope.rawValue)
        header.rtm_type = UInt8(type)
        var request = RouteRequest(RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL)
        request.append(header)
        request.attribute(Int(RTA_DST.rawValue), bytesOf: network.bigEndian)
        return request
    }

    private static func text(_ address: UInt32) -> String {
        [24, 16, 8, 0].map { String(address >> UInt32($0) & 0xff) }.joined(separator: ".")
    }

    /// Sends one request and waits for its acknowledgement.
    ///
    /// - Parameter command: what a person would type for it.
    private func perform(
        _ request: RouteRequest, _ command: String,
        remedy: (CInt) -> String = { _ in "" }
    ) throws(SystemError) {
        let bytes = request.finished
        let sent = bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) }
        guard sent == bytes.count else { throw SystemError(Errno(errno), call: command) }
        var answer = [UInt8](repeating: 0, count: 4_096)
        var count = 0
        repeat {
            count = answer.withUnsafeMutableBytes { recv(fd, $0.baseAddress, $0.count, 0) }
        } while count < 0 && errno == EINTR
        guard count >= 0 else { throw SystemError(Errno(errno), call: command) }
        let code = answer.withUnsafeBytes { Self.code(in: .init(rebasing: $0[..<count])) }
        guard code == 0 else {
            throw SystemError(Errno(code), call: command, remedy: remedy(code))
        }
    }

    /// The errno of an acknowledgement, nlmsgerr: the header, then 0 or -errno.
    static func code(in answer: UnsafeRawBufferPointer) -> CInt {
        guard answer.count >= 20 else { return EIO }
        return 0 &- answer.loadUnaligned(fromByteOffset: 16, as: Int32.self)
    }
}

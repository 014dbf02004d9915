// The capacity of a configuration, where no engine needs to be started to know it.

import ConnectionEngine
import Testing

@Suite struct ConnectionCapacityTests {
    private func capacity(
        _ backend: BackendKind, limit: Int = 1_000, inUse: Int = 100,
        _ set: (inout Configuration) -> Void = { _ in }
    ) -> ConnectionCapacity {
        var configuration = Configuration(backend: backend)
        set(&configuration)
        return configuration.connectionCapacity(descriptorLimit: limit, descriptorsInUse: inUse)
    }

    @Test("without a listener nothing is accepted", arguments: BackendKind.allCases)
    func noListener(backend: BackendKind) {
        #expect(capacity(backend).accepting == 0)
        #expect(capacity(backend).connecting > 0)
    }

    @Test("an engine that cannot start holds nothing", arguments: BackendKind.allCases)
    func noDescriptors(backend: BackendKind) {
        let none = capacity(backend, inUse: 1_000) { $0.listen = [.loopback(port: 0)] }
        #expect(none.accepting == 0 && none.connecting == 0)
    }

    @Test("every worker's listeners and its own descriptors are counted")
    func shared() {
        let shared = capacity(.epoll) {
            $0.workers = 3
            $0.listen = Array(repeating: .loopback(port: 0), count: 2)
        }
        #expect(shared.accepting == 900 - 6 - 6 && shared.connecting == shared.accepting)
        let dealt = capacity(.epoll) {
            $0.workers = 3
            $0.listen = Array(repeating: .loopback(port: 0), count: 2)
            $0.listenerSpread = .dealt
            $0.limits.connections = 200
        }
        // Only two of the workers listen.
        #expect(dealt.accepting == 400 && dealt.connecting == 600)
    }

    @Test("direct descriptors hold what the limits allow, with a descriptor per ring")
    func direct() {
        let large = capacity(.uring, limit: 20_000) { $0.limits.connections = 500_000 }
        #expect(large.connecting == 500_000)
        // 25 further rings beside the first are needed, and five are there.
        let few = capacity(.uring, limit: 20_000, inUse: 19_993) {
            $0.limits.connections = 500_000
        }
        #expect(few.connecting == 6 * 20_000)
    }

    @Test("a listening worker connects only beyond the rings that it may accept into")
    func connectingBesideListener() {
        let both = capacity(.uring, limit: 100, inUse: 90) {
            $0.listen = [.loopback(port: 0)]
            $0.limits.connections = 300
            $0.limits.backlog = 8
        }
        // Seven further rings are there; five of all eight are accepted into.
        #expect(both.accepting == 300)
        #expect(both.connecting == 300)
    }
}

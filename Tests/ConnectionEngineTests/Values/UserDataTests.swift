// What a completion of the kernel says about its request.

import Testing

@testable import ConnectionEngine

@Suite struct UserDataTests {
    static let kinds: [UserData.Kind] = [
        .accept, .connect, .prepareConnect, .poll, .receive, .receiveMultishot, .send, .close,
        .cancel, .disconnect, .wake,
    ]

    @Test("kind, index and generation survive the way through the kernel", arguments: kinds)
    func roundTrip(kind: UserData.Kind) {
        for index in [0, 1, 77, UInt32.max] {
            for generation in [0, 1, 0x80_0000, 0xff_ffff] as [UInt32] {
                let id = ConnectionID(index: index, generation: generation)
                let back = UserData(rawValue: UserData(kind, id).rawValue)
                #expect(back.kind == kind)
                #expect(back.id == id)
            }
        }
    }

    @Test("a generation never spills into the kind")
    func noSpill() {
        let id = ConnectionID(index: 3, generation: .max)
        let data = UserData(.poll, id)
        #expect(data.kind == .poll)
        #expect(data.id.generation == 0xff_ffff)
    }

    @Test("an unknown kind is no kind")
    func unknown() {
        #expect(UserData(rawValue: 0).kind == nil)
        #expect(UserData(rawValue: 200 << 56).kind == nil)
    }
}

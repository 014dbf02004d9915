// Bounds that do not fit together are a bug of the caller, found before anything is made.

import Testing

@testable import ConnectionEngine

@Suite struct LimitsTests {
    @Test("the defaults fit together")
    func defaults() {
        Limits().check()
    }

    @Test("the smallest bounds fit together")
    func smallest() {
        var limits = Limits()
        limits.connections = 1
        limits.buffers = 2
        limits.bufferByteCount = 16
        limits.submissionEntries = 4
        limits.completionEntries = 8
        limits.completionsPerTurn = 2
        limits.ringSlots = 16
        limits.ringBuffers = 1
        limits.check()
    }

    @Test("a turn of one completion stops the process")
    func completionsPerTurn() async {
        await #expect(processExitsWith: .failure) {
            var limits = Limits()
            limits.completionsPerTurn = 1
            limits.check()
        }
    }

    @Test("a submission queue that cannot hold a connect stops the process")
    func submissionEntries() async {
        await #expect(processExitsWith: .failure) {
            var limits = Limits()
            limits.submissionEntries = 2
            limits.check()
        }
    }

    @Test("a completion queue smaller than twice the submission queue stops the process")
    func completionEntries() async {
        await #expect(processExitsWith: .failure) {
            var limits = Limits()
            limits.submissionEntries = 1_024
            limits.completionEntries = 1_024
            limits.check()
        }
    }

    @Test("a size that is no power of two stops the process")
    func powerOfTwo() async {
        await #expect(processExitsWith: .failure) {
            var limits = Limits()
            limits.ringBuffers = 100
            limits.check()
        }
    }

    @Test("more buffers than a 16-bit id can name stop the process")
    func buffers() async {
        await #expect(processExitsWith: .failure) {
            var limits = Limits()
            limits.buffers = 65_535
            limits.check()
        }
    }
}

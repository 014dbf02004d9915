// Kernel memory by slab cache.

import Testing

@testable import ConnectionBench

private let meminfo = """
    MemTotal:       24684084 kB
    MemFree:        24506796 kB
    MemAvailable:   24434552 kB
    Slab:             105736 kB
    SReclaimable:      83012 kB
    SUnreclaim:        22724 kB
    KernelStack:        1348 kB
    PageTables:         1484 kB
    """

private func slabinfo(tcpSlabs: Int, filpSlabs: Int = 23) -> String {
    """
    slabinfo - version: 2.1
    # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables …
    TCP                   26     26   2368   13    8 : tunables    0    0    0 : slabdata      2 \
         \(tcpSlabs)      0
    odd name: x            1      1     32  128    1 : tunables    0    0    0 : slabdata      1 \
         1      0
    filp                 483    483    192   21    1 : tunables    0    0    0 : slabdata     23 \
         \(filpSlabs)      0
    """
}

@Suite struct KernelMemoryTests {
    @Test("a cache's bytes are its slabs by their pages")
    func cacheBytes() throws {
        let memory = try KernelMemory(
            meminfo: meminfo, slabinfo: slabinfo(tcpSlabs: 2), pageBytes: 4_096)
        #expect(memory.source == .slabinfo)
        #expect(
            memory.cacheBytes == ["TCP": 2 * 8 * 4_096, "odd name: x": 4_096, "filp": 23 * 4_096])
        #expect(memory.totalBytes == (16 + 1 + 23) * 4_096)
        // 26 of 13 per slab, 1 of 128, 483 of 21: each with its part of the slab.
        #expect(memory.objectBytes == 2 * 8 * 4_096 + 32 + 23 * 4_096)
        #expect(memory.availableBytes == 24_434_552 * 1_024)
        #expect(memory.kernelStackBytes == 1_348 * 1_024)
    }

    @Test("without slabinfo the two sums of meminfo are used, and the source says so")
    func fallback() throws {
        let memory = try KernelMemory(meminfo: meminfo, slabinfo: nil)
        #expect(memory.source == .meminfo)
        #expect(memory.totalBytes == 105_736 * 1_024 && memory.objectBytes == nil)
        #expect(memory.totalBytes == memory.slabBytes)
    }

    @Test("growth lists the caches that grew by more than 64 KiB, the largest first")
    func growth() throws {
        let before = try KernelMemory(
            meminfo: meminfo, slabinfo: slabinfo(tcpSlabs: 2), pageBytes: 4_096)
        let after = try KernelMemory(
            meminfo: meminfo, slabinfo: slabinfo(tcpSlabs: 1_002, filpSlabs: 40), pageBytes: 4_096)
        let growth = after.growth(since: before)
        #expect(
            growth.caches == [
                .init(name: "TCP", bytes: 1_000 * 8 * 4_096),
                .init(name: "filp", bytes: 17 * 4_096),
            ])
        #expect(growth.totalBytes == 8_017 * 4_096)
        #expect(growth.bytesPerConnection(4_096) == 8_017)
        #expect(growth.bytesPerConnection(0) == nil)

        let small = try KernelMemory(
            meminfo: meminfo, slabinfo: slabinfo(tcpSlabs: 4), pageBytes: 4_096)
        #expect(small.growth(since: before).caches.isEmpty)
        #expect(small.growth(since: before).totalBytes == 65_536)
    }

    @Test("readings of different sources are compared by what both have")
    func mixedSources() throws {
        let before = try KernelMemory(meminfo: meminfo, slabinfo: nil)
        let after = try KernelMemory(meminfo: meminfo, slabinfo: slabinfo(tcpSlabs: 2))
        let growth = after.growth(since: before)
        #expect(growth.source == .meminfo)
        #expect(growth.totalBytes == 0)
        #expect(growth.caches.isEmpty)
    }

    @Test(
        "a truncated or foreign slabinfo is an error",
        arguments: [
            "", "slabinfo - version: 3.0\n",
            "slabinfo - version: 2.1\nTCP 26 26 2368 13 8 : tunables 0 0",
            "slabinfo - version: 2.1\nTCP 1 1 1 1 x : tunables 0 0 0 : slabdata 1 1 0",
        ])
    func malformedSlabinfo(text: String) {
        #expect(throws: FileError.self) { try KernelMemory(meminfo: meminfo, slabinfo: text) }
    }

    @Test("a meminfo without MemAvailable is an error that names it")
    func malformedMeminfo() {
        let error = #expect(throws: FileError.self) {
            try KernelMemory(
                meminfo: "MemTotal: 1 kB\nMemFree: 1 kB\nSlab: 2 kB\nSUnreclaim: 1 kB\n"
                    + "SReclaimable: 1 kB\n", slabinfo: nil)
        }
        #expect(error?.description.contains("MemAvailable") == true)
    }

    @Test("this machine's memory can be read")
    func smoke() throws {
        let memory = try KernelMemory.read()
        #expect(memory.totalBytes > 0)
        #expect(memory.availableBytes <= memory.memoryTotalBytes)
        let available = try KernelMemory.memAvailable()
        #expect(available > 0 && available <= memory.memoryTotalBytes)
    }
}

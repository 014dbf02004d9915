// What the kernel shows of this process: its threads and its descriptors.

import Glibc

/// Kernel threads that io_uring made to run blocking requests; the network path must need none.
func kernelWorkerThreads() -> [String] {
    entries(of: "/proc/self/task").compactMap { task in
        let name = firstLine(of: "/proc/self/task/\(task)/comm")
        return name.hasPrefix("iou-wrk") ? name : nil
    }
}

/// Threads whose name begins so.
func threadCount(named prefix: String) -> Int {
    entries(of: "/proc/self/task").count {
        firstLine(of: "/proc/self/task/\($0)/comm").hasPrefix(prefix)
    }
}

/// Open descriptors of this process.
func descriptorCount() -> Int {
    entries(of: "/proc/self/fd").count
}

/// Open descriptors of this process below `limit`.
func descriptorCount(below limit: Int) -> Int {
    // The lowest free one is the directory's own.
    entries(of: "/proc/self/fd").count { Int($0)! < limit } - 1
}

/// A duplicate of a descriptor, numbered `lowest` or above.
func duplicate(of fd: CInt, lowest: CInt) -> CInt {
    typealias Fcntl = @convention(c) (CInt, CInt, CInt) -> CInt
    let fcntl = unsafeBitCast(dlsym(nil, "fcntl"), to: Fcntl.self)
    return fcntl(fd, CInt(F_DUPFD), lowest)
}

/// Sets the process's limit on descriptors, the hard one too: a process of its own is assumed.
func setDescriptorLimit(_ count: Int) {
    var limit = rlimit(rlim_cur: rlim_t(count), rlim_max: rlim_t(count))
    let result = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    precondition(result == 0, "setrlimit: errno \(errno)")
}

/// Lets the process map `byteCount` bytes more than it has: a process of its own is assumed.
func setAddressSpaceLeft(_ byteCount: Int) {
    let bytes = rlim_t(addressSpaceByteCount() + byteCount)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    let result = setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    precondition(result == 0, "setrlimit: errno \(errno)")
}

/// Opens descriptors until `count` are left below `limit`.
///
/// - Returns: those that were opened.
func occupyDescriptors(below limit: Int, leaving count: Int) -> [CInt] {
    (0..<max(limit - descriptorCount(below: limit) - count, 0)).map { _ in
        let fd = open("/dev/null", O_RDONLY)
        require(fd >= 0 && fd < limit, "open: \(fd), errno \(errno)")
        return fd
    }
}

func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

/// Bytes of address space that this process has mapped.
func addressSpaceByteCount() -> Int {
    Int(firstLine(of: "/proc/self/statm").prefix { $0 != " " })! * 4_096
}

/// A whole file of the kernel's; empty where there is none.
func contents(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&piece, 1, piece.count, file), count > 0 {
        bytes += piece[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
}

func firstLine(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return "" }
    return line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}

/// Like `precondition`, for a test in a process of its own: says what was wrong where its runner
/// prints, since that process's output is discarded.
func require(_ condition: Bool, _ message: @autoclosure () -> String) {
    if condition { return }
    if let failures {
        fputs("✘ In a process of its own: \(message())\n", failures)
        fflush(failures)
    }
    fatalError(message())
}

/// Runs a drill in a process of its own: an error is told like a failed `require`.
func telling(_ body: () throws -> Void) {
    do { try body() } catch { require(false, "\(error)") }
}

/// The runner's standard error, where that can be opened anew. Opened by the first look at it, while
/// there are descriptors.
nonisolated(unsafe) let failures = fopen("/proc/\(getppid())/fd/2", "a")

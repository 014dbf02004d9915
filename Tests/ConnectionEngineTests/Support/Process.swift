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

private func entries(of path: String) -> [String] {
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

private func firstLine(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return "" }
    return line.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}

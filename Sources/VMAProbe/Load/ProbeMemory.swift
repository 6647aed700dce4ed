import CLibbpf
import CVMAWire
import Glibc

/// Where the kernel has physical memory, for those programs that look at pages (bpf/read/pages.h). Nothing says it on
/// every kernel: it is found by a page of our own, of which we know the number and what it holds. Where it is not found
/// (the number is not told without CAP_SYS_ADMIN), that a page is shared by KSM or with the swap cache is not known.
extension Probe {
    static let memoryFinder = "find_memory"

    func findMemory() {
        guard let memory, let (_, fd) = loader.program(Self.memoryFinder) else { return }
        noteSwaps()
        let size = 4096
        let found = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let page = found, page != MAP_FAILED else { return }
        defer { munmap(page, size) }
        memory.pointee.pattern = UInt64.random(in: .min ... .max)
        page.storeBytes(of: memory.pointee.pattern, as: UInt64.self)
        memory.pointee.address = UInt64(UInt(bitPattern: page))
        guard let frame = Self.frame(of: memory.pointee.address) else { return }
        memory.pointee.frame = frame
        var options = bpf_test_run_opts()
        options.sz = optionsSize(\bpf_test_run_opts.batch_size)
        _ = bpf_prog_test_run_opts(fd, &options)
    }

    /// Looks whether anything is swapped to: else no page can be in the swap cache.
    public func noteSwaps() {
        guard let memory else { return }
        // The first line is a heading; without the file there is no swap.
        memory.pointee.swaps = ProcFile.lines("/proc/swaps").count > 1 ? 1 : 0
        guard memory.pointee.swaps != 0, memory.pointee.swap_info == 0 else { return }
        memory.pointee.swap_info = kernel.address(ofData: "swap_info") ?? 0
    }

    private var memory: UnsafeMutablePointer<vme_memory>? {
        (try? loader.memory(of: "memory", bytes: MemoryLayout<vme_memory>.size))?.assumingMemoryBound(to: vme_memory.self)
    }

    /// The number of the page frame at an address of ours, which is present.
    private static func frame(of address: UInt64) -> UInt64? {
        let file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var entry: UInt64 = 0
        guard pread(file, &entry, 8, off_t(address >> 12) << 3) == 8, entry >> 63 != 0 else { return nil }
        // Documentation/admin-guide/mm/pagemap.rst: bits 0 to 54, 0 for who has no privilege.
        let frame = entry & (1 << 55 - 1)
        return frame == 0 ? nil : frame
    }
}

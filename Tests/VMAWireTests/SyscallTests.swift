import CVMAWire
import Testing
import VMACore

@Suite("Syscall numbers")
struct SyscallTests {
    @Test(
        "the programs and the core name the same operation by a number",
        arguments: [
            (NR_close, Operation.userfaultfd), (NR_dup2, .userfaultfd), (NR_dup3, .userfaultfd), (NR_close_range, .userfaultfd),
            (NR_mmap, .mmap), (NR_mprotect, .mprotect), (NR_pkey_mprotect, .pkeyMprotect), (NR_munmap, .munmap), (NR_brk, .brk),
            (NR_ioctl, .ioctl), (NR_mremap, .mremap), (NR_madvise, .madvise), (NR_process_madvise, .processMadvise),
            (NR_shmat, .shmat), (NR_shmdt, .shmdt), (NR_mlock, .mlock), (NR_mlock2, .mlock), (NR_munlock, .mlock),
            (NR_mlockall, .mlock), (NR_munlockall, .mlock), (NR_prctl, .prctl), (NR_io_destroy, .aio),
            (NR_io_uring_enter, .ioUring), (NR_remap_file_pages, .remapFilePages), (NR_mbind, .mbind),
            (NR_set_mempolicy_home_node, .mbind), (NR_mseal, .mseal), (NR_other, .other),
        ])
    func agree(_ number: vme_syscall, _ operation: Operation) {
        let syscall = Syscall(number: Int32(bitPattern: number.rawValue), arguments: [0, 0, 0, 0, 0, 0])
        #expect(syscall.operation == operation)
    }
}

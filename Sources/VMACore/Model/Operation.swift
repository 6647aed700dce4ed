/// The operation during which a merge was considered: the syscall, or what the kernel did outside of one. `stack` is a
/// page fault that grows a stack; `other` is any other syscall. Several syscalls can be one operation (`Syscall.operation`).
public enum Operation: String, CaseIterable, Sendable, CustomStringConvertible {
    case mmap, brk, mremap, mprotect, madvise, mlock, mbind, prctl, userfaultfd, munmap, fork, stack, other
    case shmat, shmdt, mseal, ioctl, exec, aio
    case remapFilePages = "remap_file_pages"
    case pkeyMprotect = "pkey_mprotect"
    case processMadvise = "process_madvise"
    case ioUring = "io_uring"
    case archPrctl = "arch_prctl"
    case mapShadowStack = "map_shadow_stack"

    /// The name in JSON, in text and in metrics.
    public var description: String { rawValue }

    /// The index in `allCases`.
    var place: Int { Int(unsafeBitCast(self, to: UInt8.self)) }
}

extension Syscall {
    /// The operation of a syscall. The numbers are x86-64's, arch/x86/entry/syscalls/syscall_64.tbl; those whose
    /// ranges BPF programs work out are in CVMAWire's vma_syscalls.h, too, and a test compares the two.
    public var operation: Operation {
        if number < 0 { return .stack }
        switch number {
        case 9: return .mmap
        case 10: return .mprotect
        case 329: return .pkeyMprotect
        case 11: return .munmap
        case 12: return .brk
        case 25: return .mremap
        case 28: return .madvise
        case 440: return .processMadvise
        case 149, 150, 151, 152, 325: return .mlock
        case 157: return .prctl
        case 237, 450: return .mbind
        // Closing the last descriptor of a userfaultfd releases its memory.
        case 3, 33, 292, 323, 436: return .userfaultfd
        case 16: return isUserfaultfd ? .userfaultfd : .ioctl
        case 56, 57, 58, 435: return .fork
        case 30: return .shmat
        case 67: return .shmdt
        case 462: return .mseal
        case 216: return .remapFilePages
        case 425, 426, 427: return .ioUring
        case 206, 207: return .aio
        case 59, 322: return .exec
        case 158: return .archPrctl
        case 453: return .mapShadowStack
        default: return .other
        }
    }

    static let shmat: Int32 = 30
    /// Whether the ioctl is a request of userfaultfd, by its type `UFFDIO` (include/uapi/linux/userfaultfd.h).
    private var isUserfaultfd: Bool { argument(1) >> 8 & 0xff == 0xaa }
    static let mapFixed: UInt64 = 0x10 | 0x100000
    static let mremapFixed: UInt64 = 2
    static let mremapDontUnmap: UInt64 = 4
    static let shmRemap: UInt64 = 0o40000

    /// execve and execveat, whose own arguments name no range of the address space that they build.
    var isExec: Bool { number == 59 || number == 322 }

    /// Whether a shmat replaces what is mapped already.
    var replacesBySegment: Bool { number == Self.shmat && argument(2) & Self.shmRemap != 0 }

    /// An address in the range that an mremap copies and leaves where it is; nil for other calls.
    var keptSource: UInt64? {
        operation == .mremap && argument(3) & Self.mremapDontUnmap != 0 ? argument(0) : nil
    }

    /// Whether an mremap never grows in place.
    var movesAway: Bool { argument(3) & (Self.mremapFixed | Self.mremapDontUnmap) != 0 }

    func argument(_ index: Int) -> UInt64 { arguments[index] }

    /// The address from which an mremap copies what comes to lie at `target`: of several VMAs each has its own place.
    func source(of target: UInt64) -> UInt64 {
        let from = argument(0) & ~0xfff
        let to = argument(4) & ~0xfff
        return argument(3) & Self.mremapFixed != 0 && target >= to ? from &+ (target - to) : from
    }

    /// The range that an mremap moves away from. It is about to be unmapped, so it is nobody's neighbour.
    var vacated: AddressRange {
        guard operation == .mremap, argument(3) & Self.mremapDontUnmap == 0 else { return .empty }
        return .pages(at: argument(0), length: argument(1))
    }
}

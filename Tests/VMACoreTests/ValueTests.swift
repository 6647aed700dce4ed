import Testing

@testable import VMACore

@Suite("A range of addresses")
struct AddressRangeTests {
    @Test("is half open, and empty if it ends where it begins, or before")
    func edges() {
        let range = pages(1, 3)
        #expect(range.contains(page(1)) && range.contains(page(3) - 1) && !range.contains(page(3)))
        #expect(range.pages == 2 && pages(3, 1).pages == 0 && AddressRange.empty.isEmpty)
    }

    @Test("overlaps only what has a byte in common with it")
    func overlaps() {
        #expect(pages(1, 3).overlaps(pages(2, 4)) && !pages(1, 3).overlaps(pages(3, 4)))
        for empty in [pages(2, 2), pages(3, 1), pages(1, 1), .empty] {
            #expect(!pages(1, 3).overlaps(empty) && !empty.overlaps(pages(1, 3)))
        }
    }

    @Test("and an empty one make no larger one")
    func union() {
        #expect(pages(1, 2).union(pages(4, 5)) == pages(1, 5))
        #expect(pages(1, 2).union(.empty) == pages(1, 2) && AddressRange.empty.union(pages(1, 2)) == pages(1, 2))
    }

    @Test("of a syscall is rounded outwards to whole pages")
    func rounding() {
        #expect(AddressRange.pages(at: page(1) + 1, length: 1) == pages(1, 2))
        #expect(AddressRange.pages(at: page(1) + 1, length: 4096) == pages(1, 3))
        #expect(AddressRange.pages(at: page(1), length: 4096) == pages(1, 2))
        #expect(AddressRange.pages(at: page(1), length: 0).isEmpty)
        #expect(AddressRange.pages(at: page(1), length: .max).isEmpty, "it wraps, and the kernel refuses it")
    }
}

@Suite("An operation")
struct OperationTests {
    @Test("knows its place among all")
    func place() { #expect(Operation.allCases.map(\.place) == Array(Operation.allCases.indices)) }
}

@Suite("A VMA")
struct VMATests {
    @Test("that is cut takes its offset along")
    func clipped() {
        let vma = Drawing("AAAAAA", ["A": .pgoff(+9)]).vmas[0]
        let part = vma.clipped(to: pages(2, 4))
        #expect(part.range == pages(2, 4) && part.pgoff == vma.pgoff + 2 && part.nextPgoff == vma.pgoff + 4)
        #expect(vma.pgoff(at: page(5) + 17) == vma.pgoff + 5)
    }

    @Test("that is cut takes the offset of its private pages along as well, which is another")
    func clippedAnonPgoff() {
        let vma = Drawing("AAAAAA", ["A": .file(3).pgoff(+9).anonPgoff(-2)]).vmas[0]
        let part = vma.clipped(to: pages(2, 4))
        #expect(part.anonPgoff == vma.anonPgoff + 2 && part.nextAnonPgoff == vma.anonPgoff + 4)
        #expect(part.pgoff == vma.pgoff + 2)
        #expect(vma.clipped(to: pages(0, 3)).anonPgoff == vma.anonPgoff)
    }

    @Test("copies a file's pages on write if it is private and could be writable")
    func copiesFileOnWrite() {
        func copies(_ note: Note) -> Bool { Drawing("A", ["A": note]).vmas[0].copiesFileOnWrite }
        #expect(copies(.file(3)) && copies(.file(3).readOnly))
        #expect(!copies(.none) && !copies(.file(3).without(.mayWrite)) && !copies(.file(3).flag(.shared)))
    }

    @Test("is the same mapping after a page fault, VM_SOFTDIRTY and VM_MAYBE_GUARD, and after nothing else")
    func same() {
        let vma = Drawing("AA").vmas[0]
        func changed(_ note: Note) -> VMA { note.applied(to: vma) }
        for note: Note in [.anon(1), .flag(.softDirty), .flag(.maybeGuard)] {
            #expect(vma.sameMapping(as: changed(note)))
        }
        for note: Note in [.pgoff(+1), .file(1), .policy(1), .uffd(1), .named(1), .readOnly] {
            #expect(!vma.sameMapping(as: changed(note)))
        }
        #expect(!vma.sameMapping(as: Drawing("AAA").vmas[0]))
    }

    @Test("prints its flags by the kernel's names, and the bits that have none by number")
    func flags() {
        #expect(
            VMAFlags.fresh.bitNames
                == ["VM_READ", "VM_WRITE", "VM_MAYREAD", "VM_MAYWRITE", "VM_MAYEXEC", "VM_ACCOUNT"])
        #expect(
            VMAFlags(rawValue: 1 << 62 | 1 << 42 | 1 << 36 | 1 << 35 | 1 << 31).bitNames
                == ["VM_MERGEABLE", "VM_PKEY_BIT3", "bit 36", "VM_SEALED", "bit 62"])
        #expect(VMAFlags.special.bitNames == ["VM_PFNMAP", "VM_IO", "VM_DONTEXPAND", "VM_MIXEDMAP"])
        #expect(VMAFlags([]).bitNames.isEmpty)
        // A file opened for reading only, mapped shared, has VM_MAYSHARE without VM_SHARED.
        #expect(VMAFlags([.read, .exec, .mayShare]).protectionText == "r-xs")
        #expect(VMAFlags([]).protectionText == "---p")
    }
}

@Suite("A syscall")
struct SyscallTests {
    private static let operations: [(Int32, VMACore.Operation)] = [
        (9, .mmap), (10, .mprotect), (329, .pkeyMprotect), (11, .munmap), (12, .brk), (25, .mremap), (28, .madvise),
        (149, .mlock), (150, .mlock), (151, .mlock), (152, .mlock), (325, .mlock), (157, .prctl),
        (237, .mbind), (3, .userfaultfd), (16, .ioctl), (323, .userfaultfd), (56, .fork), (57, .fork),
        (58, .fork), (435, .fork), (-1, .stack), (1, .other), (30, .shmat), (67, .shmdt),
        (59, .exec), (462, .mseal), (216, .remapFilePages), (440, .processMadvise), (426, .ioUring), (207, .aio),
    ]

    @Test("is an operation by its number", arguments: operations)
    func operation(_ number: Int32, _ operation: VMACore.Operation) {
        #expect(Syscall(number: number, arguments: []).operation == operation)
    }

    @Test("mremap leaves its source, unless it is told not to, or has none")
    func vacated() {
        #expect(Syscall.mremap(pages(1, 3), pages: 5).vacated == pages(1, 3))
        #expect(Syscall.mremap(pages(1, 3), to: pages(5, 7)).vacated == pages(1, 3))
        #expect(Syscall.mremap(pages(1, 3), pages: 2, flags: 5).vacated.isEmpty)
        #expect(Syscall.mremap(pages(1, 1), pages: 2).vacated.isEmpty, "a second mapping of shared memory")
        #expect(Syscall.munmap(pages(1, 3)).vacated.isEmpty)
    }

    @Test("with too few arguments has zeros")
    func arguments() {
        #expect(Syscall(number: 9, arguments: [7]).argument(0) == 7)
        #expect(Syscall(number: 9, arguments: [7]).argument(5) == 0)
    }
}

@Suite("Names of flags")
struct FlagNamesTests {
    private func sample(_ flags: UInt64, _ letters: String) -> FlagNames.Sample {
        FlagNames.Sample(flags: VMAFlags(rawValue: flags), letters: letters.split(separator: " ").map(String.init))
    }

    @Test("bits have the names that the kernel's own letters give them")
    func learned() {
        let names = FlagNames(learning: [sample(1 << 37 | 0x71, "rd mr mw me ui"), sample(1 << 50 | 0x11, "rd mr sl")])
        #expect(names.of(VMAFlags(rawValue: 1 << 37 | 1 << 50 | 1)) == ["VM_READ", "VM_UFFD_MINOR", "VM_SEALED"])
        #expect(FlagNames(learning: [sample(1 << 38 | 1, "rd ui")]).of(VMAFlags(rawValue: 1 << 37)) == ["VM_SHADOW_STACK"])
        #expect(FlagNames(learning: [sample(0x801, "rd dw")]).of(VMAFlags(rawValue: 0x800)) == ["VM_DENYWRITE"])
        #expect(FlagNames(learning: [sample(0x801, "rd gu")]).of(VMAFlags(rawValue: 0x800)) == ["VM_MAYBE_GUARD"])
    }

    @Test("a protection key has no letters, and what does not fit teaches nothing")
    func unfit() {
        let names = FlagNames(learning: [
            sample(1 << 33 | 1 << 41 | 1, "rd dp"), sample(1 << 45 | 1, "rd wr mr"), sample(1 << 46 | 1, "rd dp"),
            sample(1 << 46 | 1, "rd sl"),
        ])
        #expect(names == FlagNames(learned: [41: "VM_DROPPABLE"]))
    }
}

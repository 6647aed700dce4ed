import Testing

@testable import VMACore

@Suite("From a write section: a change in place")
struct SectionChangeTests {
    /// Lower case letters are read-only.
    private let notes: [Character: Note] = ["a": .readOnly, "b": .readOnly, "c": .readOnly, "d": .readOnly]

    @Test("of a part has no side in the VMA that it splits")
    func part() {
        #expect(pictures(.mprotect(pages(1, 3)), "AAAA", "AbbA", notes).isEmpty, "so this has none at all")
        #expect(pictures(.mprotect(pages(2, 4)), "AAAACC", "AAbbCC", notes) == ["..**>>"])
        #expect(pictures(.mprotect(pages(2, 4)), "AAAAcc", "AAcccc", notes) == ["..**))"])
        #expect(pictures(.mprotect(pages(2, 4)), "ccAAAA", "ccccAA", notes) == ["((**.."])
        #expect(pictures(.mprotect(pages(2, 4)), "CCAAAA", "CCbbAA", notes) == ["<<**.."])
    }

    @Test("of a whole VMA has both its sides and would remove it")
    func whole() {
        let change = Syscall.mprotect(pages(2, 4))
        #expect(pictures(change, "AABBCC", "AAbbCC", notes) == ["<<**>>"])
        #expect(pictures(change, "aaBBcc", "aaaacc", notes) == ["((**>>"])
        #expect(pictures(change, "aaBBcc", "aaaaaa", notes) == ["((**))"])
        #expect(pictures(change, ".aBBc.", ".abbc.", notes) == [".<**>."])
        #expect(pictures(change, "A.BB.C", "A.bb.C", notes).isEmpty)
        #expect(attempts(change, "AABBCC", "AAbbCC", notes).map(\.replacesVMA) == [true])
        #expect(attempts(.mprotect(pages(2, 3)), "AABBCC", "AAbBCC", notes).map(\.replacesVMA) == [false])
    }

    @Test("proposes the new attributes with the old offset and anon_vma")
    func proposed() throws {
        let more: [Character: Note] = ["B": .anon(1).pgoff(+5), "b": .anon(1).pgoff(+5).readOnly.named(2)]
        let attempt = try #require(attempts(.name(pages(2, 4)), "AABBCC", "AAbbCC", more).first)
        #expect(attempt.proposed.flags == .fresh.subtracting(.write) && attempt.proposed.name == 2)
        #expect(attempt.proposed.pgoff == (page(2) >> 12) + 5 && attempt.proposed.anonVMA == 1)
        #expect(attempt.operation == .prctl)
    }

    @Test("of several VMAs is an attempt for each, which looks back at the one before")
    func several() {
        // The first doesn't look ahead: only what is before it all is beside it.
        let behind = Syscall.mprotect(pages(1, 7))
        #expect(pictures(behind, "DAABBCC", "Daaaaaa", notes) == ["<**....", ".((**..", "...((**"])
        let named = notes.merging(["b": .readOnly.named(1)]) { $1 }
        #expect(pictures(behind, "DAABBCC", "Daabbcc", named) == ["<**....", ".<<**..", "...<<**"])
        // With nothing before it the first is none.
        let change = Syscall.mprotect(pages(0, 6))
        #expect(pictures(change, "AABBCC", "aaaaaa", notes) == ["((**..", "..((**"])
        #expect(pictures(.mprotect(pages(1, 5)), "AABBCC", "AabbcC", named) == [".<**..", "..<<*."])
        // The second is as it shall be already; the third changes beside it.
        #expect(pictures(change, "AAbbCC", "bbbbbb", notes) == ["**))..", "..((**"])
    }

    @Test("by a userfaultfd is of what it changed, whatever else the section stored to")
    func userfaultfd() {
        let notes: [Character: Note] = ["U": .uffd(2), "B": .flag(.locked), "V": .uffd(2).flag(.locked)]
        let call = Syscall(number: 16, arguments: [3, 0xc020_aa00, 0, 0, 0, 0])
        // Registered from the third page on: the first VMA is split there, and its rest stored.
        #expect(pictures(call, "AAAACC", "AAUUUU", notes) == ["..((**"])
        #expect(pictures(call, "AAAABB", "AAUUVV", notes) == ["..<<**"])
    }

    @Test("that joins a VMA which is as it shall be already hands its anon_vma on to that")
    func handedOnUnchanged() {
        let touched: [Character: Note] = [
            "P": .anon(7), "p": .readOnly.anon(7), "a": .readOnly, "Q": .anon(8), "q": .readOnly.anon(8),
        ]
        let found = attempts(.mprotect(pages(0, 6)), "PPaaQQ", "ppppqq", touched)
        #expect(found.map { picture($0, 6) } == ["**))..", "..<<**"])
        #expect(found.last?.prev?.vma.anonVMA == 7)
    }

    @Test("that makes locked memory writable has touched it before the next piece looks back")
    func locked() {
        let locked: [Character: Note] = [
            "a": .readOnly.flag(.locked), "b": .readOnly.flag(.locked).anon(7), "A": .flag(.locked).anon(7),
        ]
        let found = attempts(.mprotect(pages(2, 6)), "..aabb", "..AAAA", locked)
        #expect(found.map { picture($0, 6) } == ["....((**"].map { String($0.suffix(6)) })
        #expect(found.map { $0.prev?.vma.anonVMA } == [7])
    }

    @Test("that joins a touched VMA hands its anon_vma on to the next piece")
    func handedOn() {
        let touched = notes.merging(["p": .readOnly.anon(7)]) { $1 }
        let found = attempts(.mprotect(pages(2, 6)), "ppAABB", "pppppp", touched)
        #expect(found.map { picture($0, 6) } == ["((**..", "..((**"])
        #expect(found.map { $0.prev?.vma.anonVMA } == [7, 7])
        #expect(found.allSatisfy { Judge(.v6_12).judge($0).agreed })
    }

    @Test("that changes nothing is no attempt")
    func nothing() {
        #expect(pictures(.mprotect(pages(2, 4)), "AABBCC", "AABBCC").isEmpty)
        #expect(pictures(.mprotect(pages(2, 4)), "AA..CC", "AA..CC").isEmpty)
        // These come without the lock, and are no change of the syscall's.
        for flag in [VMAFlags.softDirty, .maybeGuard] {
            #expect(pictures(.madvise(pages(2, 4)), "AABBCC", "AADDCC", ["D": .flag(flag)]).isEmpty)
        }
    }

    @Test("is told by any syscall that makes one, over the range that it was given")
    func syscalls() {
        let notes: [Character: Note] = ["b": .flag(.dontDump)]
        for syscall: Syscall in [.madvise(pages(2, 4)), .mlock(pages(2, 4)), .mbind(pages(2, 4)), .name(pages(2, 4))] {
            #expect(pictures(syscall, "AABBCC", "AAbbCC", notes) == ["<<**>>"], "\(syscall.operation)")
            #expect(pictures(syscall, "AABBCC", "AABBbb", notes).isEmpty, "\(syscall.operation)")
        }
        // These have no range of their own.
        for syscall: Syscall in [.munlockall, .ioctl] {
            #expect(pictures(syscall, "AABBCC", "AABBbb", notes) == ["..<<**"], "\(syscall.operation)")
        }
    }

    @Test("shmat maps anew, and is the only other syscall that is asked")
    func shmat() {
        let syscall = Syscall(number: 30, arguments: [1, 0, 0, 0, 0, 0])
        #expect(pictures(syscall, "AA..CC", "AABBCC") == ["<<**>>"])
        #expect(pictures(syscall, "AA..CC", "AAAACC") == ["((**>>"])
        #expect(pictures(syscall, "A....C", "A.BB.C").isEmpty)
        #expect(attempts(syscall, "AA..CC", "AABBCC").map(\.operation) == [.shmat])
        #expect(pictures(Syscall(number: 31, arguments: []), "AA..CC", "AABBCC").isEmpty)
    }

    @Test("is nothing that a munmap, a fork or a growing stack makes")
    func others() {
        for number: Int32 in [11, 56, 57, 58, 435, 1, -1] {
            let syscall = Syscall(number: number, arguments: [page(2), 2 * Drawing.pageSize, 0, 0, 0, 0])
            #expect(pictures(syscall, "AABBCC", "AA..CC").isEmpty)
            #expect(pictures(syscall, "AA..CC", "AABBCC").isEmpty)
        }
    }
}

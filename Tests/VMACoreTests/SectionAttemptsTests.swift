import Testing

@testable import VMACore

/// The attempts of one syscall, from what it found and what it left.
func attempts(
    _ syscall: Syscall, _ before: String, _ after: String, _ notes: [Character: Note] = [:],
    ranges: Section.Ranges? = nil, writes: UInt32 = 1, model: KernelModel = .v6_12
) -> [MergeAttempt] {
    let section = Section(
        .drawn, syscall, stack: 5, ranges: ranges ?? [pages(0, before.count)], writes: writes, incomplete: false)
    return SectionAttempts(
        rules: SectionAttempts.Rules(model), section: section, before: Drawing(before, notes).vmas,
        after: Drawing(after, notes).vmas
    ).attempts
}

func pictures(
    _ syscall: Syscall, _ before: String, _ after: String, _ notes: [Character: Note] = [:],
    ranges: Section.Ranges? = nil, writes: UInt32 = 1
) -> [String] {
    attempts(syscall, before, after, notes, ranges: ranges, writes: writes).map { picture($0, before.count) }
}

@Suite("From a write section: a new mapping")
struct SectionMappingTests {
    private let hole = Syscall.mmap(pages(2, 4))
    private let fixed = Syscall.mmap(pages(2, 4), fixed: true)

    @Test("fills a hole and joins prev, next, both or neither")
    func holeFilled() {
        #expect(pictures(hole, "AA..BB", "AAAABB") == ["((**>>"])
        #expect(pictures(hole, "AA..BB", "AABBBB") == ["<<**))"])
        #expect(pictures(hole, "AA..BB", "AAAAAA") == ["((**))"])
        #expect(pictures(hole, "AA..BB", "AACCBB") == ["<<**>>"])
        #expect(pictures(hole, "A...BB", "A.CCBB") == ["..**>>"])
    }

    @Test("is proposed without VM_MERGEABLE where the kernel adds that afterwards")
    func mergeable() {
        var model = KernelModel.v6_12
        let notes: [Character: Note] = ["A": .flag(.mergeable), "C": .flag(.mergeable)]
        func flags() -> [Bool] {
            attempts(hole, "AA....", "AACC..", notes, model: model).map { $0.proposed.flags.contains(.mergeable) }
        }
        #expect(flags() == [true])
        model.addsMergeableLate = true
        #expect(flags() == [false])
    }

    @Test("with nobody beside it is no attempt: nothing could have merged")
    func alone() {
        #expect(pictures(hole, "......", "..CC..").isEmpty)
        #expect(pictures(hole, "A....B", "A.CC.B").isEmpty)
        #expect(pictures(fixed, "......", "..DD..").isEmpty)
        #expect(pictures(fixed, "..BB..", "..DD..").isEmpty, "what it replaces is not beside it")
    }

    @Test("is found from what the tree stored, the neighbours being read with it")
    func stored() {
        #expect(pictures(hole, "AA..BB", "AAAABB", ranges: [pages(0, 4)]) == ["((**>>"])
        #expect(pictures(hole, "AA..BB", "AACCBB", ranges: [pages(2, 4)]) == ["<<**>>"])
    }

    @Test("has no anon_vma and the offset of its address, whatever it joins")
    func proposed() throws {
        let joined = attempts(hole, "AA..BB", "AAAABB", ["A": .anon(1).policy(2).named(3)])
        let proposed = try #require(joined.first).proposed
        #expect(proposed.anonVMA == 0 && proposed.traits.isEmpty)
        #expect(proposed.policy == 0 && proposed.uffd == 0 && proposed.name == 0)
        #expect(proposed.pgoff == page(2) >> 12 && proposed.flags == .fresh)
        #expect(joined[0].operation == .mmap && joined[0].stack == 5 && joined[0].origin == .drawn)
        #expect(!joined[0].replacesVMA)
        #expect(joined[0].prev?.vma.anonVMA == 1)
    }

    @Test("of a file has the offset that it was given")
    func file() {
        let joined = attempts(hole, "AA....", "AAAA..", ["A": .file(3).pgoff(+9).anonPgoff(+4)])
        #expect(joined.map(\.proposed.pgoff) == [(page(2) >> 12) + 9])
        #expect(joined.map(\.proposed.file) == [3])
        #expect(joined.map(\.proposed.anonPgoff) == [page(2) >> 12], "its private pages go by the address")
    }

    @Test("in a fixed place takes the place of what was there")
    func fixedPlace() {
        #expect(pictures(fixed, "AABBCC", "AADDCC") == ["<<**>>"])
        #expect(pictures(fixed, "AABBCC", "AAAACC") == ["((**>>"])
        #expect(pictures(fixed, "AAB.CC", "AADDCC") == ["<<**>>"])
        #expect(pictures(.mmap(pages(1, 5), fixed: true), "AABBCC", "ADDDDC") == ["!****!"])
    }

    @Test("in the middle of a VMA leaves rests that are no sides")
    func splitting() {
        #expect(pictures(fixed, "AAAAAA", "AADDAA") == ["!!**!!"])
        #expect(pictures(fixed, "AAAA..", "AADD..") == ["!!**.."])
        #expect(pictures(fixed, "..AAAA", "..DDAA") == ["..**!!"])
        // The rests are VMAs while the kernel looks, so it can join them again.
        #expect(pictures(fixed, "AAAAAA", "AAAAAA") == ["((**))"])
    }

    @Test("that failed is no attempt")
    func failed() {
        #expect(pictures(fixed, "AABBCC", "AABBCC", writes: 0).isEmpty)
        #expect(pictures(fixed, "AABBCC", "AA..CC").isEmpty, "unmapped, and then refused")
        #expect(pictures(hole, "AA..BB", "AA..BB").isEmpty)
    }
}

@Suite("From a write section: brk")
struct SectionBrkTests {
    @Test("grows the heap, or leaves a second one, and only looks back")
    func grow() {
        #expect(pictures(.brk(to: page(4)), "HH....", "HHHH..") == ["((**.."])
        #expect(pictures(.brk(to: page(4)), "HH....", "HHII..", ["H": .inherited(1)]) == ["<<**.."])
        #expect(pictures(.brk(to: page(4)), "HH..B.", "HHHHB.") == ["((**.."])
        #expect(attempts(.brk(to: page(4)), "HH....", "HHHH..").map(\.considersNext) == [false])
    }

    @Test("that begins the heap has nobody to join, whatever is mapped above")
    func begin() {
        #expect(pictures(.brk(to: page(2)), "......", "HH....", ranges: [pages(0, 2)]).isEmpty)
        #expect(pictures(.brk(to: page(2)), "..B...", "HHB...").isEmpty)
    }

    @Test("that shrinks, or does nothing, is no attempt")
    func shrink() {
        #expect(pictures(.brk(to: page(2)), "HHHH..", "HH....").isEmpty)
        #expect(pictures(.brk(to: 0), "HHHH..", "HHHH..").isEmpty)
    }
}

@Suite("From a write section: mremap")
struct SectionMremapTests {
    private let touched: [Character: Note] = ["S": .anon(1), "T": .anon(1).pgoff(-6)]

    @Test("moves touched memory with its old offset")
    func move() throws {
        let moved = attempts(.mremap(pages(0, 2), pages: 2), "SS..AA..", "....AATT", touched)
        #expect(moved.map { picture($0, 8) } == ["....<<**"])
        let proposed = try #require(moved.first).proposed
        #expect(proposed.pgoff == page(0) >> 12 && proposed.anonVMA == 1)
        #expect(proposed.traits.contains(.chainSingular))
        #expect(moved[0].operation == .mremap)
        #expect(Judge(.v6_12).judge(moved[0]).prev == "pgoff+anon_vma")
    }

    @Test("moves untouched memory with the offset of its new address")
    func untouched() {
        let moved = attempts(.mremap(pages(0, 2), pages: 2), "SS..AA..", "....AAAA")
        #expect(moved.map { picture($0, 8) } == ["....((**"])
        #expect(moved.map(\.proposed.pgoff) == [page(6) >> 12])
    }

    @Test("moves a file with its offset, and a part with that of the part")
    func part() {
        let notes: [Character: Note] = ["S": .file(3), "T": .file(3).pgoff(-6)]
        let moved = attempts(.mremap(pages(1, 3), pages: 2), "SSSS..A..", "S..S..ATT", notes)
        #expect(moved.map(\.proposed.pgoff) == [page(1) >> 12])
        #expect(moved.map { picture($0, 9) } == ["......<**"])
    }

    @Test("has no side in what it is about to unmap")
    func vacated() {
        let notes: [Character: Note] = ["S": .anon(1), "T": .anon(1).pgoff(-2), "U": .anon(1).pgoff(+2)]
        #expect(pictures(.mremap(pages(0, 2), pages: 2), "SS..BB", "..TTBB", notes) == ["..**>>"])
        #expect(pictures(.mremap(pages(4, 6), pages: 2), "AA..SS", "AAUU..", notes) == ["<<**.."])
        // The rest of the VMA that it was a part of is looked at, and does not count.
        let part = notes.merging(["T": .anon(1).pgoff(-4)]) { $1 }
        #expect(pictures(.mremap(pages(0, 2), pages: 2), "SSSS..BB", "..SSTTBB", part) == ["!!!!**>>"])
        // So with nobody else beside it there is nothing to merge with.
        #expect(pictures(.mremap(pages(0, 2), pages: 2), "SS..", "..TT", notes).isEmpty)
        #expect(pictures(.mremap(pages(0, 2), pages: 2), "SSSS..", "..SSTT", part) == ["!!!!**"])
    }

    @Test("is not judged where its userfaultfd has let go of it, which splits off what may have merged")
    func letGo() {
        let notes: [Character: Note] = ["S": .uffd(2), "A": .uffd(2), "T": .none, "B": .uffd(2), "C": .uffd(3)]
        func moved(_ before: String, _ after: String) -> [String] {
            pictures(.mremap(pages(0, 2), pages: 2), before, after, notes)
        }
        #expect(moved("SS..BB", "..TTBB").isEmpty)
        #expect(moved("SS..BB", "..SSBB") == ["..**>>"], "it has a userfaultfd that is told of moves")
        // Older kernels let go of the whole VMA that it has merged with.
        #expect(moved("SS..BB", "..TTTT") == ["..**))"])
        #expect(moved("SS..CC", "..TTCC").isEmpty)
    }

    @Test("takes the offset of private pages along if there are any, and else begins it afresh")
    func anonPgoff() {
        func offsets(_ note: Note) -> [UInt64] {
            let notes: [Character: Note] = ["S": note, "T": note]
            return attempts(.mremap(pages(1, 3), pages: 2), "SSSS..A..", "S..S..ATT", notes).map(\.proposed.anonPgoff)
        }
        #expect(offsets(.file(3).anon(1).anonPgoff(+64)) == [(page(1) >> 12) + 64])
        #expect(offsets(.file(3).anonPgoff(+64)) == [page(7) >> 12])
        #expect(offsets(.anon(1)) == [page(1) >> 12])
        #expect(offsets(.none) == [page(7) >> 12])
        // What grows continues it, touched or not.
        for note: Note in [.file(3), .file(3).anon(1)] {
            let notes: [Character: Note] = ["S": note.anonPgoff(+50)]
            let grown = attempts(.mremap(pages(0, 2), pages: 4), "SS..", "SSSS", notes)
            #expect(grown.map(\.proposed.anonPgoff) == [(page(2) >> 12) + 50])
        }
    }

    @Test("makes a copy, unless it grows in place")
    func isCopy() {
        let notes: [Character: Note] = ["S": .inherited(1).pgoff(-2)]
        let moved = attempts(.mremap(pages(4, 6), pages: 2), "AA..SS", "AAAA..", notes)
        #expect(moved.map { picture($0, 6) } == ["((**.."] && moved.map(\.isCopy) == [true])
        // In a fork's child that is what these kernels merge, and later ones don't.
        #expect(moved.map { Judge(.v6_16).judge($0).agreed } == [true])
        #expect(moved.map { Judge(.v6_18).judge($0).prev } == ["anon_vma"])
        #expect(attempts(.mremap(pages(0, 2), pages: 4), "SS..AA", "SSSSAA").map(\.isCopy) == [false])
        let behind = attempts(.mremap(pages(0, 2), pages: 2, flags: 5), "SS..", "SSTT")
        #expect(behind.map(\.isCopy) == [true], "it lies behind its source, and is a copy still")
        #expect(attempts(.mprotect(pages(2, 4)), "AABBCC", "AAbbCC", ["b": .readOnly]).map(\.isCopy) == [false])
        #expect(attempts(.mmap(pages(2, 4)), "AA..", "AAAA").map(\.isCopy) == [false])
    }

    @Test("keeps its source as a side if it is told to leave it")
    func dontUnmap() {
        let notes: [Character: Note] = ["S": .anon(1), "T": .anon(1).pgoff(-2)]
        let moved = attempts(.mremap(pages(0, 2), pages: 2, flags: 5), "SS..", "SSTT", notes)
        #expect(moved.map { picture($0, 4) } == ["<<**"])
        #expect(moved.map(\.proposed.pgoff) == [page(0) >> 12], "a copy, and not growth")
    }

    @Test("of several VMAs at once ends where the kernel stops: what was at the target is no copy")
    func stops() {
        let call = Syscall.mremap(pages(0, 3), to: pages(5, 8))
        #expect(pictures(call, "SST..UUU", ".....SST", ["T": .readOnly]) == [".....<<*"])
        #expect(pictures(call, "SST..UUV", ".....SSV", ["T": .readOnly, "V": .flag(.locked)]).isEmpty)
        let alike: [Character: Note] = ["T": .file(1).anon(1).pgoff(+5), "U": .file(1).anon(2), "V": .file(1).anon(2)]
        #expect(pictures(call, "SST..UVV", ".....SVV", alike).isEmpty)
    }

    @Test("of several VMAs at once finds the anon_vma that a copy and what lay behind it have left to each other")
    func handedOn() {
        func judged(_ call: Syscall, _ before: String, _ after: String, _ notes: [Character: Note]) -> [Bool] {
            attempts(call, before, after, notes).map { Judge(.v6_18).judge($0).agreed }
        }
        // The copy of S merges with A and R, of which the copy of T leaves r.
        let behind: [Character: Note] = [
            "A": .anon(1), "S": .anon(1).pgoff(-5), "T": .anon(2).pgoff(-5), "U": .anon(2), "r": .anon(1),
        ]
        let call = Syscall.mremap(pages(8, 10), to: pages(3, 5))
        #expect(judged(call, "AAA.RRR.ST", "AAAAUrr...", behind) == [true, true])
        #expect(attempts(call, "AAA.RRR.ST", "AAAAUrr...", behind).last?.next?.vma.anonVMA == 1)
        // The copy of S merges with R, and is all that is left of that before the copy of T.
        let before: [Character: Note] = ["R": .anon(3), "T": .anon(2).pgoff(-5), "U": .anon(2), "s": .anon(3)]
        #expect(judged(.mremap(pages(5, 7), to: pages(0, 2)), "RRRR.ST", "sURR...", before) == [true])
    }

    @Test("of several VMAs that stay finds those copied before as that left them: without an anon_vma")
    func severalKept() {
        let notes: [Character: Note] = ["S": .inherited(1), "C": .inherited(1).pgoff(+3)]
        let whole = attempts(.mremap(pages(3, 6), to: pages(0, 3), flags: 4), "...S.U", "C.TT.U", notes)
        #expect(whole.map { picture($0, 6) } == ["..*).."])
        #expect(whole.map { $0.next?.vma.anonVMA } == [0] && whole.map { $0.next?.isKeptSource } == [false])
        #expect(whole.map { Judge(.v6_18).judge($0).agreed } == [true])
        // Where only a part of a VMA was copied it keeps that, and what it locked is locked no more.
        let locked = notes.merging(["S": .inherited(1).flag(.locked), "C": .inherited(1).pgoff(+3).flag(.locked)]) { $1 }
        let part = attempts(.mremap(pages(4, 6), to: pages(1, 3), flags: 4), "...SSU", ".CTSSU", locked)
        #expect(part.map { picture($0, 6) } == [".<*>>."])
        #expect(part.map { $0.next?.vma.anonVMA } == [1])
        #expect(part.map { Judge(.v6_18).judge($0).next } == ["anon_vma"])
    }

    @Test("has beside it what its locked source was split off from, where only that loses the lock")
    func lockedSource() {
        let notes: [Character: Note] = ["S": .flag(.locked), "T": .flag(.locked)]
        var model = KernelModel.v6_12
        model.keptSource = .apart
        let behind = attempts(.mremap(pages(1, 2), to: pages(4, 5), flags: 4), "SSSS..", "SKSSS.", notes)
        #expect(behind.map { picture($0, 6) } == ["..((*."])
        #expect(behind.map { Judge(model).judge($0).agreed } == [true])
        let before = attempts(.mremap(pages(3, 4), to: pages(1, 2), flags: 4), "..SSSS", ".SSKSS", notes)
        #expect(before.map { picture($0, 6) } == [".*)..."])
        #expect(before.map { Judge(model).judge($0).agreed } == [true])
        // Without a lock nothing is split, and the source is all of it.
        let whole = attempts(.mremap(pages(1, 2), to: pages(4, 5), flags: 4), "SSSS..", "SSSST.", notes)
        #expect(whole.map { picture($0, 6) } == ["<<<<*."])
        #expect(whole.map { $0.prev?.isKeptSource } == [true])
    }

    @Test("grows in place without asking where a close hook would have it refused")
    func growWithClose() {
        let notes: [Character: Note] = ["S": .file(1).traits(.hasClose)]
        let call = Syscall.mremap(pages(0, 2), pages: 4)
        #expect(attempts(call, "SS..", "SSSS", notes, model: .v6_1).isEmpty)
        #expect(attempts(call, "SS..", "SSSS", notes, model: .v6_12).map(\.outcome) == [.prevOnly])
        #expect(attempts(call, "SS..", "SSSS", model: .v6_1).map(\.outcome) == [.prevOnly])
    }

    @Test("grows in place, continuing its own offset")
    func grow() {
        let notes: [Character: Note] = ["S": .anon(1).pgoff(+50)]
        let grown = attempts(.mremap(pages(0, 2), pages: 4), "SS..AA", "SSSSAA", notes)
        #expect(grown.map { picture($0, 6) } == ["((**>>"])
        #expect(grown.map(\.proposed.pgoff) == [(page(2) >> 12) + 50])
        #expect(grown.map(\.proposed.anonVMA) == [1])
        #expect(grown.allSatisfy { Judge(.v6_12).judge($0).prev == "" })
        #expect(pictures(.mremap(pages(0, 2), pages: 4), "SS..AA", "SSSSSS") == ["((**))"])
        #expect(pictures(.mremap(pages(1, 2), pages: 3), "SS....", "SSSS..") == ["((**.."])
    }

    @Test("to a fixed place takes the place of what was there")
    func fixed() {
        let notes: [Character: Note] = ["S": .anon(1), "T": .anon(1).pgoff(-5)]
        #expect(
            pictures(.mremap(pages(0, 2), to: pages(5, 7)), "SS..ABBC", "....ATTC", notes) == ["....<**>"])
        #expect(
            pictures(.mremap(pages(0, 2), to: pages(5, 7)), "SS..BBBB", "....BTTB", notes) == ["....!**!"])
        #expect(
            pictures(.mremap(pages(0, 2), to: pages(5, 7)), "SS..ABBC", "SS..ABBC", notes, writes: 0).isEmpty)
    }

    @Test("that shrinks, or fails, is no attempt")
    func shrink() {
        #expect(pictures(.mremap(pages(0, 4), pages: 2), "SSSS..", "SS....").isEmpty)
        #expect(pictures(.mremap(pages(0, 2), pages: 4), "SSAA..", "SSAA..").isEmpty)
        #expect(pictures(.mremap(pages(0, 2), pages: 2), "..AA..", "..AA..").isEmpty, "nothing to move")
    }
}

import TestSupport
import Testing

@testable import VMACore

/// An observed process, or a recording, decides how much there is of everything.
@Suite("The work that an event makes")
struct EffortTests {
    @Test("is, for a loss, in proportion to the address spaces that something has happened in since the last one")
    func losses() {
        let scene = Scene()
        for mm in 1 ... 5 as ClosedRange<MMID> { scene.adopt(mm, "AB") }
        scene.observer.apply(.lost(1))
        #expect(scene.observer.stale == [1, 2, 3, 4, 5])
        #expect(scene.observer.population.takeTouched().isEmpty)
        scene.observer.apply(.snapshot(3, Drawing("AB").vmas, asOf: 9))
        scene.observer.apply(.exit(scene.life(4)))
        #expect(scene.observer.stale == [1, 2, 5])
        #expect(scene.observer.population.takeTouched().map(\.mm) == [3])
        _ = scene.observer.image(3)
        scene.observer.apply(.lost(1))
        #expect(scene.observer.stale == [1, 2, 3, 5] && scene.observer.lost == 2)
    }

    @Test("is counted where VMAs are gone through that the event does not contain")
    func counted() {
        let scene = Scene()
        scene.adopt(1, String(repeating: "A.", count: 8))
        let none = scene.observer.effort
        scene.end(1, Syscall(number: 11, arguments: [0, 4096]))
        let once = scene.observer.effort
        #expect(once >= none + 7)
        for _ in 1 ... 10 { scene.end(1, Syscall(number: 11, arguments: [0, 4096])) }
        #expect(scene.observer.effort == none + 11 * (once - none))
    }

    @Test("is none for a fork that was told before: a child begins once")
    func forks() {
        let scene = Scene()
        scene.adopt(1, "AB")
        scene.rows(2, .forked, "AB")
        scene.observer.apply(.fork(scene.life(2, parent: 1)))
        scene.call(2, Syscall(number: 9, arguments: [0x3000, 4096, 3, 0x32]), "AB", "AB.C")
        scene.observer.apply(.fork(scene.life(2, parent: 1)))
        #expect(scene.observer.image(2)?.startCount == 2)
    }

    @Test("of ends does not grow with the address spaces that live: memory is an ancestor's alone when the last one has ended")
    func descendants() {
        let scene = Scene()
        scene.adopt(1, "AB")
        for mm in [2, 3] as [MMID] {
            scene.rows(mm, .forked, "AB")
            scene.observer.apply(.fork(scene.life(mm, parent: 1)))
        }
        #expect(scene.observer.population.hasDescendants(1) && !scene.observer.population.hasDescendants(2))
        scene.observer.apply(.exit(scene.life(2)))
        #expect(scene.observer.population.hasDescendants(1))
        scene.observer.apply(.exit(scene.life(3)))
        #expect(!scene.observer.population.hasDescendants(1))
    }

    @Test("keeps a bounded number of address spaces that have ended, however many end between two looks")
    func ends() {
        let scene = Scene()
        var due = 0
        for round in 0 ..< 6 as Range<MMID> {
            for mm in round * 10_000 + 1 ... (round + 1) * 10_000 {
                scene.adopt(mm, "AB")
                scene.observer.apply(.exit(scene.life(mm, parent: 0)))
            }
            scene.observer.apply(.settled)
            // Frames that nobody knows yet are not waited for then.
            let requests = scene.observer.takeRequests()
            if requests.release, requests.isReleaseDue { due += 1 }
            scene.observer.apply(.released)
            // The first takes them, and asks for their stacks; the next may let go of them.
            scene.observer.apply(.released)
        }
        #expect(due == 6 && scene.observer.images.count <= 2 * Population.goneLimit, "\(due) \(scene.observer.images.count)")
        #expect(!scene.observer.takeRequests().isReleaseDue)
    }

    @Test("finds a VMA among many as going through all of them does")
    func search() {
        var random = SplitMix64(state: 7)
        var vmas: [VMA] = []
        var page = 1
        for _ in 0 ..< 200 {
            let size = Int.random(in: 1 ... 4, using: &random)
            vmas.append(VMA(pages(page, page + size), pgoff: 0, flags: [.read]))
            page += size + Int.random(in: 0 ... 2, using: &random)
        }
        for address in stride(from: 0, through: UInt64(page) << 12 + 8192, by: 2048) {
            #expect(vmas.holding(address) == vmas.first { $0.range.contains(address) })
        }
        #expect([VMA]().holding(5) == nil)
    }

    @Test("keeps the last counts of pages of a section, and not all")
    func counts() {
        let scene = Scene()
        scene.adopt(1, "AB")
        for page in 0 ..< 5000 {
            scene.observer.apply(.counted(scene.origin(1), PageCount(pages(page, page + 1), present: 1)))
        }
        let counts = scene.observer.image(1)?.counts ?? []
        #expect(counts.count <= 512 && counts.suffix(200).map(\.range) == (4800 ..< 5000).map { pages($0, $0 + 1) })
    }

    @Test("keeps a bounded number of rows of misses, without the stack, the exact difference, and the process")
    func rows() {
        var ledger = Ledger()
        for number in 1 ... 100_000 as ClosedRange<UInt32> {
            let key = Ledger.Key(
                mm: number % 20_000, operation: .mmap, side: .prev, blockers: .flags, detail: "flag \(number)", stack: number)
            let vma = VMA(pages(1, 2), pgoff: 0, flags: [])
            ledger.add(key, Ledger.Example(time: 1, proposed: vma, prev: nil, next: nil))
        }
        #expect(ledger.rows.count <= 65_001 && ledger.rows.map(\.count).reduce(0, +) == 100_000)
        #expect(ledger.rows.last.map { $0.key.mm == 0 && $0.key.detail == nil && $0.key.stack == 0 } == true)
    }

    @Test("asks for a bounded number of stacks of refused calls of one process")
    func refusedStacks() {
        let scene = Scene()
        scene.adopt(1, "AB")
        var wanted = 0
        for stack in 1 ... 6000 as ClosedRange<StackID> {
            let mmap = Syscall(number: 9, arguments: [0, 4096, 3, 0x22])
            scene.observer.apply(.refusal(Refusal(scene.origin(1), mmap, stack: stack, count: 1, facts: Refusal.Facts())))
            wanted += scene.observer.takeRequests().stacks.count
        }
        #expect(wanted <= 4000 && scene.observer.frames.othersCount >= 2000)
        #expect(scene.observer.refusals.rows.map(\.count).reduce(0, +) == 6000)
    }

    @Test("keeps the paths of files that something names, and a bounded number of others")
    func files() {
        let scene = Scene(waits: false)
        scene.adopt(1, "AB")
        func vma(_ page: Int, file: FileID) -> VMA { VMA(pages(page, page + 1), pgoff: 0, flags: [.read], file: file) }
        scene.observer.apply(.file(1, path: "/mapped"))
        scene.observer.apply(.file(2, path: "/at the peak"))
        scene.observer.apply(.snapshot(1, [vma(1, file: 1)], asOf: 1))
        for file in 3 ... 100_000 as ClosedRange<FileID> {
            scene.observer.apply(.file(file, path: "/memfd:\(file) (deleted)"))
            #expect(scene.observer.files.count <= 20_000)
        }
        #expect(scene.observer.files[1] == "/mapped" && scene.observer.files[100_000] != nil && scene.observer.files[2] == nil)
        let kept = scene.observer.kept
        #expect(kept.round > 0 && kept.has(file: 1) && kept.has(file: 100_000) && !kept.has(file: 2) && kept.has(file: 0))
    }

    @Test("keeps the texts of names that something has, and a bounded number of others")
    func names() {
        let scene = Scene(waits: false)
        scene.adopt(1, "AB")
        var vma = VMA(pages(1, 2), pgoff: 1, flags: [.read])
        (vma.name, vma.policy, vma.uffd, vma.anonVMA) = (1, 7, 8, 9)
        scene.observer.apply(.name(1, text: "heap"))
        scene.observer.apply(.snapshot(1, [vma], asOf: 1))
        for name in 2 ... 100_000 as ClosedRange<UInt32> {
            scene.observer.apply(.name(name, text: "\(name)"))
            #expect(scene.observer.names.count <= 20_000)
        }
        #expect(scene.observer.names[1] == "heap" && scene.observer.names[100_000] != nil && scene.observer.names[2] == nil)
        let kept = scene.observer.kept
        #expect(kept.has(name: 1) && kept.has(name: 100_000) && !kept.has(name: 2) && kept.has(name: 0))
        #expect(kept.has(policy: 7) && kept.has(context: 8) && kept.has(anonVMA: 9))
        #expect(!kept.has(policy: 8) && !kept.has(context: 9) && !kept.has(anonVMA: 7))
    }

    @Test("keeps more paths where more are named")
    func manyFiles() {
        let scene = Scene()
        scene.adopt(1, "AB")
        let vmas = (1 ... 30_000).map { VMA(pages($0, $0 + 1), pgoff: 0, flags: [.read], file: FileID($0)) }
        scene.observer.apply(.snapshot(1, vmas, asOf: 1))
        for file in 1 ... 200_000 as ClosedRange<FileID> { scene.observer.apply(.file(file, path: "/f")) }
        #expect((1 ... 30_000 as ClosedRange<FileID>).allSatisfy { scene.observer.files[$0] != nil })
        #expect(scene.observer.files.count <= 100_000)
    }
}

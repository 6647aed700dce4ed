import Testing

@testable import VMACore

@Suite("An observation that learns of losses late")
struct SettlingTests {
    private func scene() -> Scene {
        let scene = Scene(waits: true)
        scene.adopt(1, "AA....")
        scene.call(1, .mmap(pages(2, 4)), "AA....", "AABB..", ["B": .flag(.locked)])
        return scene
    }

    @Test("counts an attempt when nothing was lost before")
    func settled() {
        let scene = scene()
        #expect(scene.observer.checked == 0)
        scene.observer.settle()
        #expect(scene.observer.checked == 1 && scene.observer.agreed == 1)
        scene.observer.settle()
        #expect(scene.observer.checked == 1)
    }

    @Test("counts none that may lack its beginning")
    func lost() {
        let scene = scene()
        scene.observer.apply(.lost(1))
        scene.observer.settle()
        #expect(scene.observer.checked == 0)
    }

    @Test("takes back a comparison that may lack a change, with what it said, and no other")
    func audit() {
        let scene = Scene(waits: true)
        scene.adopt(1, "AA....")
        scene.observer.check(mm: 1, Drawing("AA....").vmas)
        scene.observer.settle()
        scene.observer.check(mm: 1, Drawing("AABB..").vmas)
        #expect(scene.observer.audit.checked == 2 && scene.observer.audit.equal == 1)
        #expect(scene.observer.audit.differences.count == 1)
        scene.observer.apply(.lost(1))
        #expect(scene.observer.audit.checked == 1 && scene.observer.audit.equal == 1)
        #expect(scene.observer.audit.differences.isEmpty)
    }

    @Test("judges the attempts of an address space that is gone by then, and keeps its sums")
    func gone() {
        let scene = scene()
        scene.observer.apply(.exit(scene.life(1)))
        scene.observer.releaseLayouts()
        scene.observer.settle()
        #expect(scene.observer.images[0].tally.attempts == 1)
        #expect(scene.observer.images[0].layout.count == 2)
        scene.observer.releaseLayouts()
        #expect(scene.observer.images[0].layout.count == 2, "the largest few keep it")
        for mm: MMID in 2 ... 40 {
            scene.adopt(mm, "AA.B.C")
            scene.observer.apply(.exit(scene.life(mm)))
        }
        scene.observer.settle()
        for _ in 1 ... 2 { scene.observer.releaseLayouts() }
        #expect(scene.observer.images.count { $0.layout.count > 0 } == Population.layoutLimit)
        #expect(scene.observer.images[0].layout.count == 0)
        #expect(scene.observer.images[0].count == 2)
        #expect(scene.observer.images[0].boundaries(scene.observer.judge).total == 1)
    }
}

import Testing

@testable import VMACore

@Suite("Remedies")
struct RemedyTests {
    @Test("none is hidden by those before it", arguments: Remedies.table.indices)
    func reachable(_ index: Int) {
        let remedy = Remedies.table[index]
        var found = Circumstances(
            isGap: remedy.blocker == nil, operation: remedy.operations.first, blockers: remedy.blocker ?? [])
        found.marks = remedy.marks
        found.flags = remedy.flags.map { $0.last == "*" ? String($0.dropLast()) + "X" : $0 }
        found.owner = remedy.owner
        #expect(Remedies.remedy(for: found)?.slug == remedy.slug)
    }

    @Test("every blocker, and every gap, has one whatever else is known", arguments: MergeRules.table.map(\.slug))
    func complete(_ slug: String) throws {
        let blocker = try #require(MergeRules.rule(slug: slug)).blocker
        #expect(Remedies.remedy(for: Circumstances(blockers: blocker))?.blocker == blocker)
        #expect(Remedies.first(of: blocker) == blocker)
        #expect(Remedies.remedy(for: Circumstances(isGap: true))?.blocker == nil)
        #expect(Remedies.remedy(for: Circumstances()) == nil)
    }

    @Test(
        "of several blockers it is about the one that has to go first",
        arguments: [
            ([.anonVMA, .flags], .flags), ([.pgoff, .anonVMA], .pgoff), ([.fileOffset, .protection], .protection),
            ([.fileOffset, .special], .special), ([.file, .close], .close), ([.protection, .file], .file),
            ([.anonVMA, .policy], .policy),
        ] as [(Blockers, Blockers)])
    func first(_ blockers: Blockers, _ first: Blockers) {
        #expect(Remedies.first(of: blockers) == first)
        #expect(Remedies.remedy(for: Circumstances(blockers: blockers))?.blocker == first)
    }

    @Test(
        "code that the reader does not own is known by its functions and objects",
        arguments: [
            (["mprotect (libc.so.6)", "libc.so.6+0x9a1b3", "malloc (libc.so.6)", "slab_page", "worker"], .malloc),
            (["mprotect (libc.so.6)", "pthread_create (libc.so.6)", "start_job", "main"], .threads),
            (["mmap (libc.so.6)", "libjvm.so+0x1234", "libjvm.so+0x99"], .jvm),
            (
                ["mmap (libc.so.6)", "os::commit_memory (libjvm.so)", "StackOverflow::create_stack_guard_pages (libjvm.so)"],
                .jvmStacks
            ),
            (["mmap (libc.so.6)", "create_stack_guard_pages", "main"], nil),
            (["mprotect (libc.so.6)", "libruby-3.1.so.3.1.2+0x90d19", "rb_ary_each (libruby-3.1.so.3.1.2)"], .fibers),
            (["mprotect (libc.so.6)", "zend_fiber_init_context", "php8.2+0x3a3633"], .fibers),
            (["munmap (libc.so.6)", "libjemalloc.so.2+0x94cca", "work"], .jemalloc),
            (["mmap (libc.so.6)", "libjvm.so+0x1234", "malloc (libc.so.6)"], .jvm),
            (["runtime.mmap", "runtime.sysMap"], .go),
            (["mprotect", "v8::base::OS::SetPermissions(void*, unsigned long)", "main"], .v8),
            (["munmap (libc.so.6)", "GC_unmap (libgc.so.1)", "GC_collect"], .boehm),
            (["mmap (ld-linux-x86-64.so.2)", "_dl_map_object (ld-linux-x86-64.so.2)"], .loader),
            (["mmap (libc.so.6)", "malloc", "main"], nil), (["mmap (libc.so.6)", "grow", "main"], nil), ([], nil),
        ] as [([String], Owner?)])
    func owners(_ stack: [String], _ owner: Owner?) {
        #expect(Owner(stack) == owner)
    }

    private func circumstances(
        _ operation: VMACore.Operation, _ picture: String, _ notes: [Character: Note], stack: [String] = ["main"],
        paths: [FileID: String] = [:]
    ) -> Circumstances {
        let vmas = Drawing(picture, notes).vmas
        let blockers = MergeRules.blockers(Pair(vmas[0], vmas[1]), .v6_12)
        return Circumstances(
            operation: operation, blockers: blockers, left: vmas[0], right: vmas[1], model: .v6_12, stack: stack,
            path: { paths[$0] })
    }

    private func slug(
        _ operation: VMACore.Operation, _ picture: String, _ notes: [Character: Note], stack: [String] = ["main"],
        paths: [FileID: String] = [:]
    ) -> String? {
        Remedies.remedy(for: circumstances(operation, picture, notes, stack: stack, paths: paths))?.slug
    }

    private let hidden = Note.without([.read, .write])

    @Test("a page is a guard, and what is as large as what it lies beside is a reserve")
    func guards() {
        #expect(slug(.mprotect, "ABBB", ["A": hidden]) == "guard-install")
        #expect(slug(.mprotect, "AB", ["A": hidden]) == "guard-install")
        #expect(slug(.mprotect, "AABB", ["A": hidden]) == "commit-in-order")
        #expect(slug(.mmap, "AAAABB", ["A": hidden]) == "decommit")
    }

    @Test("only the library seen, a guard of a stack and a heap of an arena are its own")
    func library() {
        let stack = ["mprotect (libc.so.6)"]
        let thread: VMAFlags = .noHugePage
        #expect(slug(.mprotect, "ABBB", ["A": hidden.flag(thread), "B": .flag(thread)], stack: stack) == "stacks")
        #expect(slug(.mprotect, "ABBB", ["A": hidden.flag(thread), "B": .flag(thread)]) == "guard-install")
        #expect(slug(.mprotect, "ABBB", ["A": hidden, "B": .none], stack: stack) == "guard-install")
    }

    @Test(
        "files are told apart by what they are called",
        arguments: [
            ("/dev/zero (deleted)", "/dev/zero (deleted)", "shared-memory"),
            ("/memfd:a (deleted)", "/memfd:b (deleted)", "one-memfd"),
            ("/SYSV00000001 (deleted)", "/SYSV00000001 (deleted)", "attach-segment-once"),
            ("/dev/dri/card0", "/dev/dri/card0", "device-files"),
            ("anon_inode:[io_uring]", "anon_inode:[io_uring]", "device-files"), ("/var/lib/a", "/var/lib/a", "one-descriptor"),
            ("/var/lib/a", "/var/lib/b", "fewer-files"), ("/tmp/x (deleted)", "/tmp/x (deleted)", "fewer-files"),
        ])
    func files(_ left: String, _ right: String, _ expected: String) {
        #expect(slug(.mmap, "AABB", ["A": .file(1), "B": .file(2)], paths: [1: left, 2: right]) == expected)
    }

    @Test("one file is mapped again, backwards, or out of order")
    func offsets() {
        let paths: [FileID: String] = [1: "/var/lib/a"]
        // The second is at the offset of the first.
        #expect(slug(.mmap, "AABB", ["A": .file(1), "B": Note.file(1).pgoff(-2)], paths: paths) == "map-once")
        #expect(slug(.mmap, "AABB", ["A": .file(1), "B": Note.file(1).pgoff(-4)], paths: paths) == "map-forwards")
        #expect(slug(.mmap, "AABB", ["A": .file(1), "B": Note.file(1).pgoff(9)], paths: paths) == "offsets-in-order")
    }

    @Test("flags ask for what takes them back")
    func flags() {
        #expect(slug(.madvise, "AABB", ["A": .flag(.dontCopy)]) == "dofork")
        #expect(slug(.mmap, "AABB", ["A": Note.flag(.noHugePage).anon(1), "B": .anon(2)]) == "map-stack")
        #expect(slug(.madvise, "AABB", ["A": .flag(.noHugePage)]) == "one-huge-page-advice")
        #expect(slug(.mlock, "AABB", ["A": .flag(.locked)]) == "lock-whole")
        #expect(slug(.mmap, "AABB", ["A": .without(.account)]) == "map-writable")
        #expect(slug(.madvise, "AABB", ["A": .flag(VMAFlags(rawValue: 1 << 33))]) == "protection-keys")
    }

    @Test("what one side has alone is told with its direction")
    func direction() {
        func difference(_ notes: [Character: Note]) -> Difference {
            let vmas = Drawing("AABB", notes).vmas
            return Difference(MergeRules.blockers(Pair(vmas[0], vmas[1]), .v6_12), vmas[0], vmas[1], .v6_12)
        }
        let one = difference(["A": .flag(.dontCopy)])
        #expect(one.leftOnly == .dontCopy && one.rightOnly == [])
        #expect(one != difference(["B": .flag(.dontCopy)]))
        #expect(difference(["A": hidden]) != difference(["B": hidden]))
        #expect(difference(["A": .file(1)]) != difference(["B": .file(1)]))
        #expect(difference(["A": .pgoff(3)]) == difference(["B": .pgoff(9)]))
    }
}

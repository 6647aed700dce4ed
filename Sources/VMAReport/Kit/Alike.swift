import VMACore

/// Rows that differ in nothing but the process, as one.
struct Alike<Row> {
    /// The first of them.
    var row: Row
    var count: Int
    /// `name[pid]`, in the order of their rows.
    var processes: [String]

    /// `worker[7]`, `worker[7] and 3 others`
    var who: String { processes.count == 1 ? processes[0] : "\(processes[0]) and \((processes.count - 1).of("other"))" }

    /// The most frequent first.
    static func group<Key: Hashable>(
        _ rows: [Row], by key: (Row) -> Key, count: (Row) -> Int, process: (Row) -> String
    ) -> [Alike] {
        var groups: [Alike] = []
        var index: [Key: Int] = [:]
        var names: [Set<String>] = []
        for row in rows {
            let (key, name) = (key(row), process(row))
            if let at = index[key] {
                groups[at].count += count(row)
                if names[at].insert(name).inserted { groups[at].processes.append(name) }
            } else {
                index[key] = groups.count
                groups.append(Alike(row: row, count: count(row), processes: [name]))
                names.append([name])
            }
        }
        return groups.ranked(by: \.count)
    }
}

extension Report {
    /// A process in a line of text.
    static func name(_ command: String, _ pid: UInt32) -> String { "\(Fit.middle(Fit.printable(command), 16))[\(pid)]" }

    private struct MissKey: Hashable {
        var operation: Operation
        var side: Side
        var blockers: Blockers
        var detail: String?
        var whatIf: WhatIf?
        var stack: [String]
    }

    /// - Parameter depth: stacks are alike if so many innermost frames are.
    func missedAlike(_ depth: Int) -> [Alike<Miss>] {
        Alike.group(missed) { miss in
            MissKey(
                operation: miss.operation, side: miss.side, blockers: miss.blockers, detail: miss.detail,
                whatIf: miss.whatIf, stack: Array(miss.stack.prefix(depth)))
        } count: {
            $0.count
        } process: {
            Self.name($0.command, $0.pid)
        }
    }

    private struct StandingKey: Hashable {
        var isGap: Bool
        var operation: Operation?
        var blockers: Blockers
        var detail: String?
        var whatIf: WhatIf?
        var stack: [String]
    }

    /// What stands of what the programs did themselves: not what exec made, or the dynamic loader, as it
    /// does in every program.
    func standingAlike(_ depth: Int) -> [Alike<Standing>] {
        Alike.group(standing.filter { $0.operation != nil && !Stack.isLoaders($0.stack) }) { row in
            StandingKey(
                isGap: row.isGap, operation: row.operation, blockers: row.blockers, detail: row.directedDetail(labels.flags),
                whatIf: row.whatIf,
                stack: Array(row.stack.prefix(depth)))
        } count: {
            $0.count
        } process: {
            Self.name($0.command, $0.pid)
        }
    }

    /// The others, in a sentence for each kind.
    var standingBesides: [String] {
        func counts(_ isMeant: (Standing) -> Bool) -> String? {
            let rows = standing.filter(isMeant)
            func sum(_ isGap: Bool) -> Int { rows.reduce(0) { $0 + ($1.isGap == isGap ? $1.count : 0) } }
            let parts = [(sum(false), "boundary", "boundaries"), (sum(true), "gap", "gaps")].filter { $0.0 > 0 }
            return parts.isEmpty ? nil : parts.map { $0.0.of($0.1, $0.2) }.joined(separator: " and ")
        }
        let loaders = counts { $0.operation != nil && Stack.isLoaders($0.stack) }
        let early = counts { $0.operation == nil }
        return [(loaders, "the dynamic loader left, as in every program"), (early, "stood before, or exec made them")]
            .compactMap { counts, what in counts.map { "\($0) \(what)" } }
    }
}

/// A call stack in words, innermost frame first: `function (object)` or `object+0xoffset`.
enum Stack {
    /// Every program has what the dynamic loader maps and protects, and can't do it otherwise.
    static func isLoaders(_ frames: [String]) -> Bool {
        frames.prefix(2).contains { $0.holds("(ld-linux") || $0.holds("(ld-musl") }
    }

    /// Who called the C library's function that makes the system call, up to main; without their objects.
    static func callers(_ frames: [String], of operation: Operation) -> [String] {
        Array(
            frames.drop { isWrapper(function($0), operation) }
                .prefix { !function($0).hasPrefix("__libc_start") && function($0) != "_start" })
    }

    /// `mmap64`, `__mprotect`, `syscall`: they are called by whoever makes the call.
    private static func isWrapper(_ function: String, _ operation: Operation) -> Bool {
        var name = function[...]
        for prefix in ["__GI_", "__libc_", "__"] where name.hasPrefix(prefix) {
            name = name.dropFirst(prefix.count)
            break
        }
        if name.hasSuffix("64") { name = name.dropLast(2) }
        return name == operation.rawValue || wrappers.contains(name)
    }

    private static let wrappers: Set<Substring> = [
        "syscall", "sbrk", "shmat", "shmdt", "mseal", "pkey_mprotect", "munlock", "mlockall", "munlockall", "mlock2",
        "process_madvise",
        "remap_file_pages", "set_mempolicy", "fork", "vfork", "clone", "clone3", "posix_madvise",
    ]

    /// How many of the callers are functions of the C library that a static program holds itself: glibc's names, as far as
    /// they lead to one that programs call. A program may have functions of its own with some of these names.
    private static func linked(_ callers: [String]) -> Int {
        let inside = callers.prefix { allocator.contains(function($0)) || entries.contains(function($0)) }
        return inside.lastIndex { entries.contains(function($0)) }.map { $0 + 1 } ?? 0
    }

    private static let allocator: Set<String> = [
        "sysmalloc", "sysmalloc_mmap", "sysmalloc_mmap.isra.0", "_int_malloc", "_int_memalign", "_int_realloc", "_int_free",
        "_int_free_merge_chunk", "_int_free_maybe_consolidate", "_mid_memalign", "_mid_memalign.isra.0", "alloc_new_heap",
        "new_heap", "grow_heap", "heap_trim", "heap_trim.isra.0", "systrim", "systrim.constprop.0", "systrim.isra.0",
        "arena_get2", "arena_get2.part.0", "arena_get_retry", "arena_get_retry.part.0", "_int_new_arena", "tcache_init",
        "tcache_init.part.0", "munmap_chunk", "mremap_chunk", "allocate_stack", "__default_morecore", "__glibc_morecore",
        "__sbrk", "__brk", "brk", "malloc_hook_ini",
    ]
    private static let entries: Set<String> = [
        "__malloc", "__calloc", "__realloc", "__free", "__cfree", "malloc", "calloc", "realloc", "free", "memalign",
        "aligned_alloc", "posix_memalign", "valloc", "__libc_malloc",
        "__libc_calloc", "__libc_realloc", "__libc_free", "__libc_memalign", "__posix_memalign", "pthread_create",
        "__pthread_create", "__pthread_create_2_1",
    ]

    /// The same, without functions of the C library, where others are known.
    static func named(_ frames: [String], of operation: Operation) -> [String] {
        let callers = self.callers(frames, of: operation)
        let own = callers.dropFirst(linked(callers)).filter { !Frame($0).isLibc }
        return (own.contains { $0 != Frame.unseen } ? own : callers).map(function)
    }

    /// Who made a call: ` by fill_hole ← main`, ` in malloc by slab_page ← worker`; what of that was not seen
    /// is said.
    ///
    /// - Parameters:
    ///   - shown: so many functions are named, in so many columns each.
    static func code(_ frames: [String], of operation: Operation, callers shown: Int = 2, _ width: Int = 28) -> String {
        func short(_ function: String) -> String { Fit.middle(Fit.printable(function), width) }
        guard !frames.isEmpty else { return ", without a stack" }
        let callers = self.callers(frames, of: operation)
        let library = callers.prefix(max(callers.prefix { Frame($0).isLibc }.count, linked(callers)))
        let rest = callers.dropFirst(library.count)
        // The library's public function, which its own have been called by.
        let entry = library.last.flatMap { Frame($0).function }.map { " in \(short($0))" } ?? ""
        guard let first = rest.first, rest.contains(where: { $0 != Frame.unseen }) else {
            return entry.isEmpty ? ", its caller was not seen" : "\(entry), whose caller was not seen"
        }
        // A place in the C library without a name says nothing, as where a signal's handler returns to.
        let known = rest.filter { !(Frame($0).isLibc && Frame($0).function == nil) }
        let names = known.prefix(first == Frame.unseen ? shown + 1 : shown).map { short(function($0)) }
        return "\(entry) by \(names.joined(separator: " ← "))"
    }

    /// Without its object.
    private static func function(_ frame: String) -> String { Frame(frame).function ?? frame }
}

extension Report.Standing {
    /// What keeps the two apart, for people: blockers, or a gap.
    var what: String { isGap ? "gap" : blockers.isEmpty ? "nothing: mergeable" : blockers.key }

    /// The same in a word.
    var word: String { isGap ? "gap" : blockers.isEmpty ? "mergeable" : blockers.key }
}

/// Code that the reader of a report rarely owns, but of which something can be turned. It is known by the
/// functions and objects of a call stack.
public enum Owner: String, CaseIterable, Sendable {
    /// `stacks`: of threads or of fibers, where the caller that would tell which was not seen.
    case malloc, threads, stacks, fibers, jvm, jvmStacks, v8, go, dotnet, boehm, jemalloc, mimalloc, libffi, loader

    /// How it is recognized: names of functions or of objects, `*` at the end for any that begin so, or at the start
    /// for any that end so.
    struct Signature {
        var owner: Owner
        var functions: [String] = []
        var objects: [String] = []
        /// The functions count only in these objects; in any where there are none.
        var within: [String] = []
    }

    /// The first that matches the innermost frame that any matches.
    static let signatures: [Signature] = [
        Signature(
            owner: .threads,
            functions: ["pthread_create", "__pthread_create*", "allocate_stack", "allocate_thread_stack", "setup_stack_prot"]),
        Signature(
            owner: .malloc,
            functions: [
                "malloc", "calloc", "realloc", "free", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc",
                "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_memalign", "__libc_free", "_int_malloc", "_int_free*",
                "sysmalloc", "grow_heap", "new_heap", "alloc_new_heap", "heap_trim", "arena_get2*",
            ],
            within: ["libc.so*", "libc-2*"]),
        Signature(
            owner: .malloc,
            functions: [
                "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_memalign", "_int_malloc", "sysmalloc", "arena_get2*",
            ]),
        Signature(owner: .libffi, functions: ["ffi_closure_alloc", "ffi_closure_free"]),
        Signature(owner: .fibers, functions: ["zend_fiber_*", "fiber_pool_*", "rb_fiber_*"], objects: ["libruby*"]),
        Signature(owner: .jvm, objects: ["libjvm.so", "libj9*"]),
        Signature(owner: .dotnet, objects: ["libcoreclr.so", "libclrgc.so", "libclrjit.so", "libmonosgen*"]),
        Signature(owner: .v8, functions: ["v8::*", "node::*"], objects: ["libv8*", "libnode*"]),
        Signature(
            owner: .go,
            functions: [
                "runtime.mmap", "runtime.sys*", "runtime.mProf*", "runtime.(*mheap)*", "runtime.(*page*",
                "runtime.madvise*", "runtime.munmap*", "runtime.malloc*", "runtime.schedinit*",
            ]),
        Signature(owner: .boehm, functions: ["GC_*"], objects: ["libgc.so*"]),
        Signature(owner: .jemalloc, functions: ["je_*"], objects: ["libjemalloc*"]),
        Signature(owner: .mimalloc, functions: ["mi_*", "_mi_*"], objects: ["libmimalloc*"]),
        Signature(owner: .loader, objects: ["ld-linux*", "ld-musl*"]),
    ]

    /// What a function further out says of code that is known already.
    private static let purposes: [(of: Owner, purpose: Signature)] = [
        (
            .jvm,
            Signature(owner: .jvmStacks, functions: ["*::create_stack_guard_pages", "os::pd_create_stack_guard*"])
        )
    ]

    /// Whose code it is that made a call with this stack, innermost frame first; nil for any other's.
    public init?(_ stack: [String]) {
        let frames = stack.map(Frame.init)
        for frame in frames {
            guard let found = Self.signatures.first(where: { $0.matches(frame) }) else { continue }
            let purpose = Self.purposes.first { known in known.of == found.owner && frames.contains { known.purpose.matches($0) }
            }
            self = purpose?.purpose.owner ?? found.owner
            return
        }
        return nil
    }
}

extension Owner.Signature {
    fileprivate func matches(_ frame: Frame) -> Bool {
        func has(_ patterns: [String], _ text: String) -> Bool {
            patterns.contains {
                $0.last == "*" ? text.hasPrefix($0.dropLast()) : $0.first == "*" ? text.hasSuffix($0.dropFirst()) : text == $0
            }
        }
        if let object = frame.object, has(objects, object) { return true }
        guard let function = frame.function, has(functions, function) else { return false }
        return within.isEmpty || frame.object.map { has(within, $0) } ?? false
    }
}

/// A frame of a stack in words: `function (object)`, `function` of the program itself, `object+0xoffset`,
/// or `…` where a frame was not seen. A function that was put into the one that called it is `function (inlined)`, or
/// `function (inlined, object)`; ` at file:line` may stand behind all that.
public struct Frame: Sendable {
    /// What stands in place of a frame that was not seen (`CallPath.unseenFrame`).
    public static let unseen = "…"
    /// Without its parameters; nil where it is not known.
    public var function: String?
    /// Nil for the program's own.
    public var object: String?
    /// The frame was not seen.
    public var isUnseen: Bool

    /// Parses a frame as a report prints it. What has no known form is the name of a function.
    public init(_ text: String) {
        isUnseen = text == Self.unseen
        if isUnseen { return }
        let text = Self.withoutLine(text)
        if text.last == ")", let open = text.lastIndex(of: "("), open > text.startIndex {
            let space = text.index(before: open)
            if text[space] == " ", space > text.startIndex {
                function = String(text[..<space])
                let inside = text[text.index(after: open)...].dropLast()
                if inside.hasPrefix(Self.inlined) {
                    let rest = inside.dropFirst(Self.inlined.count)
                    object = rest.hasPrefix(", ") ? String(rest.dropFirst(2)) : nil
                } else {
                    object = String(inside)
                }
                return
            }
        }
        if let plus = text.lastIndex(of: "+"), text[plus...].hasPrefix("+0x") {
            object = String(text[..<plus])
        } else {
            function = text
        }
    }

    private static let inlined = "inlined"

    private static func withoutLine(_ text: String) -> String {
        guard let last = text.last, last.isASCII, last.isNumber, let colon = text.lastIndex(of: ":") else { return text }
        var place = colon
        // From behind: ` at ` before the file's name.
        while place > text.startIndex {
            place = text.index(before: place)
            if text[place] == " ", text[..<place].hasSuffix(" at") { return String(text[..<place].dropLast(3)) }
        }
        return text
    }

    /// The C library, or the dynamic loader.
    public var isLibc: Bool {
        guard let object else { return false }
        return ["libc.so", "libc-2", "ld-linux", "ld-musl"].contains { object.hasPrefix($0) }
    }
}

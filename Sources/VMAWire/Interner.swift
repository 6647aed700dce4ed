import CVMAWire
import VMACore

/// Turns kernel pointers and hashes into small ids, in the order of their appearance. 0 stays 0.
public struct Interner {
    private var ids = NumberTable()
    private var next: UInt32 = 1
    /// The last pointer and its id.
    private var last: (pointer: UInt64, id: UInt32) = (0, 0)

    public init() {}

    public mutating func id(_ pointer: UInt64) -> UInt32 {
        if pointer == last.pointer { return last.id }
        if pointer == 0 { return 0 }
        var id = ids[pointer]
        if id == 0 {
            id = next
            ids[pointer] = id
            // After four thousand million the first has been gone for long.
            next = next == .max ? 1 : next + 1
        }
        last = (pointer, id)
        return id
    }

    /// How many pointers have an id.
    var count: Int { ids.count }

    /// How many pointers may have an id before those are forgotten that nothing has any more; and how many of the newest
    /// are kept then, since records of them may be under way.
    private static let (few, newest): (Int, UInt32) = (100_000, 4096)
    private var limit = Self.few

    /// Whether there are so many that those are to be forgotten that nothing has any more.
    var isCrowded: Bool { count > limit }

    /// Whether there are twice as many.
    var isOvercrowded: Bool { count > 2 * limit }

    /// Forgets the pointers whose ids `isKept` does not let through.
    mutating func keep(_ isKept: (UInt32) -> Bool) {
        let oldest = next - min(next, Self.newest)
        ids.keep { $0 >= oldest || isKept($0) }
        last = (0, 0)
        limit = max(Self.few, 2 * count)
    }

    /// To be called when the pointer's memory was freed: the same pointer is something else afterwards.
    public mutating func forget(_ pointer: UInt64) {
        guard ids[pointer] != 0 else { return }
        ids[pointer] = 0
        last = (0, 0)
    }
}

/// The ids of a kernel's objects. There is one set for a whole observation, so that an anon_vma has the same id in
/// every process that shares it.
public struct Interners {
    public var mms = Interner()
    var anonVMAs = Interner()
    var files = Interner()
    var policies = Interner()
    var contexts = Interner()
    var names = Interner()
    var stacks = Interner()

    public init() {}

    public mutating func forgetAllButAddressSpaces() {
        // Stacks are told once, and are few: of calls that were refused.
        let (mms, stacks) = (mms, stacks)
        self = Interners()
        (self.mms, self.stacks) = (mms, stacks)
    }

    /// The id of a file by its pointer and its inode's: a closed file leaves its memory to others, and the record of
    /// the path may be lost.
    mutating func file(_ pointer: UInt64, _ inode: UInt32) -> UInt32 {
        pointer == 0 ? 0 : files.id(pointer ^ UInt64(inode) &* 0x9e37_79b9_7f4a_7c15)
    }

    public mutating func vma(_ row: vme_row) -> VMA {
        VMA(
            AddressRange(row.start, row.end), pgoff: row.pgoff, flags: VMAFlags(rawValue: row.flags),
            anonVMA: anonVMAs.id(row.anon_vma), file: file(row.file, row.inode), policy: policies.id(row.policy),
            uffd: contexts.id(row.uffd), name: names.id(row.name), anonPgoff: row.anon_pgoff,
            traits: VMA.Traits(rawValue: UInt16(truncatingIfNeeded: row.traits)))
    }
}

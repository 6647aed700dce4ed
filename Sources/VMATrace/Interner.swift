import CVMAEvent
import VMACore

/// Kernel pointers and hashes to small ids, in the order of their appearance. 0 stays 0.
public struct Interner {
    private var ids: [UInt64: UInt32] = [:]
    private var next: UInt32 = 1

    public init() {}

    public mutating func id(_ pointer: UInt64) -> UInt32 {
        if pointer == 0 { return 0 }
        if let id = ids[pointer] { return id }
        defer { next += 1 }
        ids[pointer] = next
        return next
    }

    /// The pointer's memory was freed: what comes there next is something else.
    public mutating func forget(_ pointer: UInt64) { ids[pointer] = nil }
}

/// The names of a kernel's things. One set for a whole observation, so that the same anon_vma
/// is the same id in every process that shares it.
public struct Interners {
    public var mms = Interner()
    var anonVMAs = Interner()
    var files = Interner()
    var policies = Interner()
    var contexts = Interner()
    var names = Interner()
    var stacks = Interner()
    /// What a file pointer stood for when its path was told last.
    var identity: [UInt64: FileIdentity] = [:]

    struct FileIdentity: Equatable {
        var inode: UInt64
        var device: UInt32
    }

    public init() {}

    public mutating func forgetAllButAddressSpaces() {
        let mms = mms
        self = Interners()
        self.mms = mms
    }

    public mutating func vma(_ row: vme_row) -> VMA {
        VMA(
            AddressRange(row.start, row.end), pgoff: row.pgoff, flags: VMAFlags(rawValue: row.flags),
            anonVMA: anonVMAs.id(row.anon_vma), file: files.id(row.file), policy: policies.id(row.policy),
            uffd: contexts.id(row.uffd), name: names.id(row.name), anonPgoff: row.anon_pgoff,
            traits: VMA.Traits(rawValue: UInt16(truncatingIfNeeded: row.traits)))
    }
}

/// A VMA as `Layout` keeps it: 48 bytes, what many have in common being told by `kind`.
struct PackedVMA {
    var start: UInt64
    var end: UInt64
    var pgoff: UInt64
    var anonPgoff: UInt64
    var anonVMA: AnonVMAID
    /// An id of `VMAKinds`.
    var kind: UInt32
    /// Of the boundary at `start`; 0 where there is none.
    var cause: UInt32 = 0

    /// The part [start, end), its offsets going along.
    func clipped(_ end: UInt64, from start: UInt64) -> PackedVMA {
        var part = self
        let pages = (start &- self.start) >> AddressRange.pageShift
        part.start = start
        part.end = end
        part.pgoff = pgoff &+ pages
        part.anonPgoff = anonPgoff &+ pages
        return part
    }
}

/// What VMAs have in common, by small ids.
struct VMAKinds: Sendable {
    struct Kind: Hashable, Sendable {
        var flags: VMAFlags
        var file: FileID
        var policy: UInt32
        var uffd: UInt32
        var name: UInt32
        var traits: VMA.Traits
    }

    private var kinds: [Kind] = []
    private var ids: [Kind: UInt32] = [:]
    private var live = 0
    /// Those asked for lately, each at a place of its own: the full look-up hashes all of it.
    private var recent: [UInt32] = Array(repeating: 0, count: 16)

    var count: Int { kinds.count }

    subscript(id: UInt32) -> Kind { kinds[Int(id)] }

    mutating func id(_ kind: Kind) -> UInt32 {
        let mixed = (kind.flags.rawValue ^ UInt64(kind.file) << 20) &* 0x9E37_79B9_7F4A_7C15
        let place = Int(mixed >> 60)
        let known = Int(recent[place])
        if known < kinds.count, kinds[known] == kind { return UInt32(known) }
        let id = ids[kind] ?? UInt32(kinds.count)
        if id == kinds.count {
            kinds.append(kind)
            ids[kind] = id
        }
        recent[place] = id
        return id
    }

    mutating func pack(_ vma: VMA) -> PackedVMA {
        let kind = Kind(
            flags: vma.flags, file: vma.file, policy: vma.policy, uffd: vma.uffd, name: vma.name, traits: vma.traits)
        return PackedVMA(
            start: vma.start, end: vma.end, pgoff: vma.pgoff, anonPgoff: vma.anonPgoff, anonVMA: vma.anonVMA,
            kind: id(kind))
    }

    func unpack(_ row: PackedVMA) -> VMA {
        let kind = kinds[Int(row.kind)]
        return VMA(
            AddressRange(row.start, row.end), pgoff: row.pgoff, flags: kind.flags, anonVMA: row.anonVMA,
            file: kind.file, policy: kind.policy, uffd: kind.uffd, name: kind.name, anonPgoff: row.anonPgoff,
            traits: kind.traits)
    }

    /// Whether there are so many that most must be of VMAs that are gone.
    func isCrowded(for count: Int) -> Bool { kinds.count > max(256, 2 * live, count / 16) }

    mutating func noteLive() { live = kinds.count }
}

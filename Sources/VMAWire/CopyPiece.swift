import CVMAWire
import VMACore

/// A piece of a copy of a user stack, and the registers with which its thread entered the kernel.
///
/// It is no event: only the unwinder may see what it holds.
public struct CopyPiece {
    public var mm: MMID
    public var tgid: UInt32
    /// The key by which a section or an attempt refers to the stack.
    public var key: UInt64
    /// Where the path, and the address space, are in the tree of known paths (`struct vme_path`).
    public var path, space: UInt64
    /// The registers, by their index in `vme_register`.
    public var registers: InlineArray<8, UInt64>
    /// Bytes that were to be copied, in all pieces; and whether a larger copy is possible.
    public var asked: Int
    public var hasRest: Bool
    /// Bytes from sp to the first of these.
    public var offset: Int
    /// The address of the bytes, if they are of another stack than the one at sp; else 0.
    public var other: UInt64
    /// The bytes are no piece of the stack, but the addresses that the kernel found by frame pointers.
    public var isChain: Bool { offset == Int(VME_COPY_CHAIN) }
    /// The id of the path's stack; 0 if it is unknown.
    public var known: StackID
    /// Another piece follows.
    public var hasMore: Bool
    /// Valid as long as the record is.
    public var bytes: UnsafeRawBufferPointer

    public var stackPointer: UInt64 { registers[Int(VME_SP.rawValue)] }
}

extension WireDecoder {
    /// The piece of a copy that the record is; nil if it is none, or damaged.
    public mutating func copyPiece(_ record: UnsafeRawBufferPointer) -> CopyPiece? {
        let head = MemoryLayout<vme_copy>.offset(of: \vme_copy.bytes)!
        guard record.count >= head, record.loadUnaligned(as: UInt16.self) == UInt16(VME_COPY.rawValue) else { return nil }
        func field<T: BitwiseCopyable>(_ path: KeyPath<vme_copy, T>) -> T {
            record.loadUnaligned(fromByteOffset: MemoryLayout<vme_copy>.offset(of: path)!, as: T.self)
        }
        let count = Int(field(\.count))
        guard count <= record.count - head else { return nil }
        let header = field(\.h)
        let first = MemoryLayout<vme_copy>.offset(of: \vme_copy.registers)!
        return CopyPiece(
            mm: interners.mms.id(header.mm), tgid: header.tgid, key: field(\.key), path: field(\.path),
            space: field(\.space),
            registers: InlineArray { record.loadUnaligned(fromByteOffset: first + 8 * $0, as: UInt64.self) },
            asked: Int(field(\.asked)), hasRest: field(\.rest) != 0, offset: Int(field(\.offset)), other: field(\.other),
            known: field(\.known),
            hasMore: field(\.more) != 0,
            bytes: UnsafeRawBufferPointer(rebasing: record[head ..< head + count]))
    }
}

/// What `stack` of a record stands for: a list of addresses sent before, a path that the loader has named, or a copy.
struct StackNames {
    /// Of a copy, by its key.
    private var copies: [UInt64: StackID] = [:]
    /// The ids of addresses that have been recorded.
    private var defined: Set<StackID> = []
    private static let mostCopies = 1 << 16
    /// Lists of addresses that have an id. Beyond that all get new ones.
    static let mostStacks = 1 << 18
    /// The number of records whose stack was lost, or not copied to spare the ring.
    private(set) var unknown = 0

    /// From now on `key` stands for these addresses. Returns their id, and whether it is new.
    mutating func name(_ key: UInt64, _ addresses: [UInt64], _ interner: inout Interner) -> (StackID, isNew: Bool) {
        bound(&interner)
        let id = interner.id(Self.hash(addresses))
        name(key, id)
        return (id, defined.insert(id).inserted)
    }

    /// A process can have any number of stacks.
    private mutating func bound(_ interner: inout Interner) {
        guard interner.count >= Self.mostStacks else { return }
        interner.keep { _ in false }
        defined = []
    }

    mutating func name(_ key: UInt64, _ id: StackID) {
        if copies.count >= Self.mostCopies { copies.removeAll(keepingCapacity: true) }
        copies[key] = id
    }

    mutating func id(_ key: UInt64, _ interner: inout Interner) -> StackID {
        switch key & (VME_STACK_KNOWN | VME_STACK_COPIED) {
        case 0:
            bound(&interner)
            return interner.id(key)
        case VME_STACK_KNOWN: return StackID(truncatingIfNeeded: key)
        default:
            if let known = copies[key] { return known }
            unknown += 1
            return interner.id(VME_STACK_THINNED)
        }
    }

    /// As the kernel's side names a list of addresses.
    static func hash(_ addresses: [UInt64]) -> UInt64 {
        addresses.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1) &* 0x100_0000_01b3 } & ~(VME_STACK_KNOWN | VME_STACK_COPIED)
    }
}

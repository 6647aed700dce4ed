import CZlib
import VMACore

/// The frame of a recording (docs/trace-format.md): a signature, a version, and blocks.
enum TraceFormat {
    /// Like PNG's signature: a program that takes a recording for text damages it here, where it shows at once.
    static let signature: [UInt8] = [0x89, 0x56, 0x4d, 0x54, 0x0d, 0x0a, 0x1a, 0x0a]
    /// Version 2 added the event `pages`, version 4 `callPath` in place of `frames`; older recordings lack these.
    /// There is no version 3: a flipped bit would make it an older version, and a damaged version must be noticed.
    static let version: UInt32 = 4
    /// Bytes of signature and version.
    static let startSize = 12
    /// Bytes of a block's head: kind, bytes, events, checksum, four little endian numbers of 32 bits.
    static let headSize = 16

    /// Append only. A reader passes over blocks of kinds that it does not know.
    enum Block: UInt32 {
        case header = 1, events, end
    }

    static func bytes(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in (0 ..< 4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) } }
    }

    static func value(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        (0 ..< 4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
    }
}

/// The facts that hold for a whole observation.
public struct TraceHeader: Sendable, Equatable {
    /// The version of the vmascope that observed.
    public var toolVersion: String
    /// `uname -r`.
    public var kernel: String
    /// `hooks` or `tracepoints`.
    public var source: String
    public var model: KernelModel
    /// The arguments of `Observer`.
    public var isHooked: Bool
    public var waits: Bool
    /// The start: ISO 8601, and nanoseconds of CLOCK_MONOTONIC.
    public var started: String
    public var startTime: UInt64
    /// `vm.max_map_count`, or nil if it could not be read.
    public var mapLimit: Int?
    public var hasStacks: Bool

    public init(
        toolVersion: String, kernel: String, source: String, model: KernelModel, isHooked: Bool, waits: Bool,
        started: String, startTime: UInt64, mapLimit: Int?, hasStacks: Bool
    ) {
        self.toolVersion = toolVersion
        self.kernel = kernel
        self.source = source
        self.model = model
        self.isHooked = isHooked
        self.waits = waits
        self.started = started
        self.startTime = startTime
        self.mapLimit = mapLimit
        self.hasStacks = hasStacks
    }
}

/// The facts that are known when an observation has ended.
public struct TraceEnd: Sendable, Equatable {
    /// The end, in nanoseconds of CLOCK_MONOTONIC.
    public var time: UInt64
    /// The first BPF record that could not be decoded, in words; nil if there was none.
    public var damage: String?

    public init(time: UInt64, damage: String? = nil) {
        self.time = time
        self.damage = damage
    }
}

extension ByteStream {
    mutating func header(_ header: inout TraceHeader) {
        text(&header.toolVersion)
        text(&header.kernel)
        text(&header.source)
        flag(&header.isHooked)
        flag(&header.waits)
        text(&header.started)
        number(&header.startTime)
        // 0: unknown.
        var limit = header.mapLimit.map { UInt64($0) + 1 } ?? 0
        number(&limit)
        // `sysctl_max_map_count` is an int.
        if limit > UInt64(Int32.max) + 1 { fail("a limit of VMAs that no kernel has") }
        header.mapLimit = limit == 0 ? nil : Int(truncatingIfNeeded: min(limit - 1, UInt64(Int32.max)))
        flag(&header.hasStacks)
        model(&header.model)
    }

    mutating func end(_ end: inout TraceEnd) {
        number(&end.time)
        var damage = end.damage ?? ""
        text(&damage)
        end.damage = damage.isEmpty ? nil : damage
    }

    /// The merge rules by name: a reader can't judge by a rule that it does not know. A rule that is found later is
    /// appended, and read only if bytes remain.
    private mutating func model(_ model: inout KernelModel) {
        rule(&model.anonVMARule)
        flag(&model.mergesCopiesOfForks)
        rule(&model.keptSource)
        rule(&model.hole)
        rule(&model.close)
        number(&model.ignoredFlags.rawValue)
        flag(&model.hasAnonPgoff)
        flag(&model.addsMergeableLate)
        guard !Self.isReader || remaining > 0 else { return }
        flag(&model.dropsAccount)
        rule(&model.brk)
        rule(&model.names)
        flagNames(&model.flagNames)
    }

    /// Recordings of older versions end before this.
    private mutating func flagNames(_ names: inout FlagNames) {
        guard !Self.isReader || remaining > 0 else { return }
        let known = names.learned.sorted { $0.key < $1.key }
        var learned: [Int: String] = [:]
        for index in 0 ..< count(known.count, bits: 16) {
            var (bit, name) = Self.isReader ? (0, "") : known[index]
            var byte = UInt8(truncatingIfNeeded: bit)
            self.byte(&byte)
            text(&name)
            guard !Self.isReader || byte < 64 && Self.isFlagName(name) else { return fail("a VMA flag without a name") }
            learned[Int(byte)] = name
        }
        if Self.isReader { names = FlagNames(learned: learned) }
    }

    /// Names of flags are printed as they are, and often.
    private static func isFlagName(_ name: String) -> Bool {
        (1 ... 32).contains(name.utf8.count)
            && name.utf8.allSatisfy { (65 ... 90).contains($0) || (48 ... 57).contains($0) || $0 == 95 }
    }

    private mutating func rule<Rule: RawRepresentable<String>>(_ rule: inout Rule) {
        var name = rule.rawValue
        text(&name)
        if let known = Rule(rawValue: name) { rule = known } else { fail("an unknown merge rule: \(name)") }
    }
}

/// CRC-32, by zlib.
struct Checksum {
    private var sum: UInt = 0

    var value: UInt32 { UInt32(truncatingIfNeeded: sum) }

    mutating func add(_ bytes: [UInt8]) { sum = crc32_z(sum, bytes, bytes.count) }

    static func of(_ parts: [UInt8]...) -> UInt32 {
        var sum = Checksum()
        parts.forEach { sum.add($0) }
        return sum.value
    }
}

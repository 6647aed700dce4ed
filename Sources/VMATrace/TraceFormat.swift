import CZlib
import VMACore

/// The frame of a recording (docs/trace-format.md): a signature, a version, and blocks.
enum TraceFormat {
    /// As PNG's: what takes a recording for text damages it where that shows at once.
    static let signature: [UInt8] = [0x89, 0x56, 0x4d, 0x54, 0x0d, 0x0a, 0x1a, 0x0a]
    /// 2 has the event `pages`, 4 `callPath` in place of `frames`; what is older is one without these. There is
    /// no 3: with a bit less it would be an older one, and a damaged version is to be noticed.
    static let version: UInt32 = 4
    /// Signature and version.
    static let startSize = 12
    /// Kind, bytes, events, checksum: four little endian numbers of 32 bits.
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

/// What holds for a whole observation.
public struct TraceHeader: Sendable, Equatable {
    /// Of the vmascope that observed.
    public var toolVersion: String
    /// `uname -r`.
    public var kernel: String
    /// `hooks` or `tracepoints`.
    public var source: String
    public var model: KernelModel
    /// As given to `Observer`.
    public var isHooked: Bool
    public var waits: Bool
    /// When it began: ISO 8601, and CLOCK_MONOTONIC nanoseconds.
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

/// What is known when an observation has ended.
public struct TraceEnd: Sendable, Equatable {
    /// CLOCK_MONOTONIC nanoseconds.
    public var time: UInt64
    /// The first record that could not be read, in words; nil if there was none.
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
        header.mapLimit = limit == 0 ? nil : Int(clamping: limit - 1)
        flag(&header.hasStacks)
        model(&header.model)
    }

    mutating func end(_ end: inout TraceEnd) {
        number(&end.time)
        var damage = end.damage ?? ""
        text(&damage)
        end.damage = damage.isEmpty ? nil : damage
    }

    /// Rules by name: what this version does not know, it can't judge by. A rule that comes to be known
    /// later is appended, and read only where something remains.
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

    /// Recordings of older versions end before it.
    private mutating func flagNames(_ names: inout FlagNames) {
        guard !Self.isReader || remaining > 0 else { return }
        let known = names.learned.sorted { $0.key < $1.key }
        var learned: [Int: String] = [:]
        for index in 0 ..< count(known.count, bits: 16) {
            var (bit, name) = Self.isReader ? (0, "") : known[index]
            var byte = UInt8(truncatingIfNeeded: bit)
            self.byte(&byte)
            text(&name)
            learned[Int(byte)] = name
        }
        if Self.isReader { names = FlagNames(learned: learned) }
    }

    private mutating func rule<Rule: RawRepresentable<String>>(_ rule: inout Rule) {
        var name = rule.rawValue
        text(&name)
        if let known = Rule(rawValue: name) { rule = known } else { fail("a merge rule that is not known here: \(name)") }
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

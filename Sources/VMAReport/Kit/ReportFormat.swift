import VMACore

/// An output format of a report. There is one file for each; a new one is a row in `ReportFormats`.
public protocol ReportFormat {
    /// Appends the report to `text`.
    func render(_ report: Report, into text: inout String)
}

/// A way to write a report for tools, in bytes.
public protocol BinaryFormat {
    /// - Parameters:
    ///   - report: what is to be written.
    ///   - write: takes each part as it is made, so that nothing has to hold the whole. What it throws ends the writing.
    func render(_ report: Report, to write: ([UInt8]) throws -> Void) throws
}

/// All output formats by name.
public enum ReportFormats {
    private static let table: [(name: String, make: @Sendable (Bool, Weight, Int) -> any ReportFormat)] = [
        ("text", { colour, _, whatIf in TextReport(colour: colour, whatIf: whatIf) }),
        ("json", { _, _, _ in JSONReport() }),
        ("html", { _, _, whatIf in HTMLReport(whatIf: whatIf) }),
        ("folded", { _, weight, _ in FoldedReport(weight: weight) }),
    ]

    /// - Parameters:
    ///   - isPacked: the file is packed by gzip.
    ///   - keepsTimeline: it shows when things happened, so the observer has to keep that (`Timeline`).
    private static let binaries: [(name: String, isPacked: Bool, keepsTimeline: Bool, make: @Sendable () -> any BinaryFormat)] = [
        ("pprof", true, false, { PprofReport() }),
        ("perfetto", false, true, { PerfettoReport() }),
    ]

    /// The names of all formats, as `--format` takes them.
    public static var names: [String] { textNames + binaries.map(\.name) }

    /// The names of the formats in text.
    public static var textNames: [String] { table.map(\.name) }

    /// A format in text; nil for one in bytes, and for a name that no format has.
    ///
    /// - Parameters:
    ///   - name: as `--format` takes it.
    ///   - colour: whether the text goes to a terminal and may contain escape codes.
    ///   - weight: what the width of a stack stands for, in a format that has only stacks.
    ///   - whatIf: the proposal whose answers a format for people gives; an index in `Proposals.table`.
    public static func named(
        _ name: String, colour: Bool, weight: Weight = .misses, whatIf: Int = Proposals.rfc
    ) -> (any ReportFormat)? {
        table.first { $0.name == name }?.make(colour, weight, whatIf)
    }

    /// A format in bytes; nil for one in text, and for a name that no format has.
    public static func binary(_ name: String) -> (format: any BinaryFormat, isPacked: Bool)? {
        binaries.first { $0.name == name }.map { ($0.make(), $0.isPacked) }
    }

    /// Whether the format needs `Observer.keepTimeline`.
    public static func keepsTimeline(_ name: String) -> Bool { binaries.contains { $0.name == name && $0.keepsTimeline } }
}

/// What the width of a stack stands for: misses (the flow) or boundaries (the stock).
public enum Weight: String, CaseIterable, Sendable { case misses, boundaries }

/// The texts that ids stand for, to print a VMA.
public struct Labels: Sendable {
    /// The paths of mapped files.
    public var files: [FileID: String]
    /// The texts of names given by prctl(PR_SET_VMA).
    public var names: [UInt32: String]
    /// The names of the bits of `vm_flags`.
    public var flags: FlagNames

    /// Texts by id: one that is missing is printed as unknown.
    public init(files: [FileID: String], names: [UInt32: String], flags: FlagNames = .standard) {
        self.files = files
        self.names = names
        self.flags = flags
    }

    /// The path of the mapped file; nil for anonymous memory.
    public func file(_ vma: VMA) -> String? {
        vma.file == 0 ? nil : files[vma.file] ?? "(file \(vma.file), path unknown)"
    }

    /// The name as in `/proc/PID/maps`: given by prctl, or `[heap]`, `[stack]`, `[vdso]`, `[vvar]`, `[vvar_vclock]`.
    public func name(_ vma: VMA) -> String? {
        if vma.name != 0 { return names[vma.name] ?? "(name \(vma.name), text unknown)" }
        if vma.traits.contains([.vdso, .vvar]) { return "[vvar_vclock]" }
        if vma.traits.contains(.vdso) { return "[vdso]" }
        if vma.traits.contains(.vvar) { return "[vvar]" }
        if vma.traits.contains(.heap) { return "[heap]" }
        return vma.traits.contains(.stack) ? "[stack]" : nil
    }
}

extension VMAFlags {
    /// The flags that the four characters of the protection and their VM_MAY… flags don't show.
    var besideProtection: VMAFlags {
        subtracting([.read, .write, .exec, .shared, .mayRead, .mayWrite, .mayExec, .mayShare])
    }
}

extension UInt64 {
    var hex: String { "0x" + String(self, radix: 16) }
}

extension Array {
    /// Elements with the largest counts first; equal ones stay in their order.
    func ranked(by count: (Element) -> Int) -> [Element] {
        enumerated().sorted { (count($1.element), $0.offset) < (count($0.element), $1.offset) }.map(\.element)
    }
}

extension Dictionary where Key == Blockers, Value == Int {
    /// Largest counts first, and then in the table's order.
    var ranked: [(key: Blockers, value: Int)] {
        sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
    }
}

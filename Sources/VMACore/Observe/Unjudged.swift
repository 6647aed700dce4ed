/// Why the attempts of a write section are not in the counts.
public enum Unjudged: String, CaseIterable, Sendable {
    /// It was made by a call of 32-bit code.
    case compat
    /// It was made by process_madvise.
    case processMadvise = "process_madvise"
    /// It changed more VMAs than are recorded.
    case tooManyVMAs = "vmas"
    /// It could not be read completely, or had begun before it was observed.
    case incomplete

    /// For people, in a sentence on such sections.
    public var text: String {
        switch self {
        case .compat: "32-bit calls"
        case .processMadvise: "process_madvise"
        case .tooManyVMAs: "too many VMAs at once"
        case .incomplete: "seen in part"
        }
    }

    init(_ section: Section, isCut: Bool) {
        self =
            isCut
            ? .tooManyVMAs : section.incomplete ? .incomplete : section.syscall.isNative ? .processMadvise : .compat
    }
}

extension Dictionary where Key == Unjudged, Value == Int {
    /// `32-bit calls, process_madvise`: the most frequent first.
    public var text: String {
        filter { $0.value > 0 }.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map(\.key.text)
            .joined(separator: ", ")
    }
}

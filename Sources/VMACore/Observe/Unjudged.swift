/// Why the attempts of a write section are not in the counts.
public enum Unjudged: String, CaseIterable, Sendable {
    /// It was made by a call of 32-bit code.
    case compat
    /// It was made by process_madvise.
    case processMadvise = "process_madvise"
    /// It was made by io_uring (IORING_OP_MADVISE).
    case ioUring = "io_uring"
    /// It was made by another call that says nowhere what it changes: remap_file_pages, ioctl, map_shadow_stack.
    case otherCall = "other_call"
    /// It changed more VMAs than are recorded.
    case tooManyVMAs = "vmas"
    /// It could not be read completely, or had begun before it was observed.
    case incomplete

    /// For people, in a sentence on such sections.
    public var text: String {
        switch self {
        case .compat: "32-bit calls"
        case .processMadvise: "process_madvise"
        case .ioUring: "io_uring"
        case .otherCall: "remap_file_pages, ioctl or map_shadow_stack"
        case .tooManyVMAs: "too many VMAs at once"
        case .incomplete: "seen in part"
        }
    }

    init(_ section: Section, isCut: Bool) {
        if isCut {
            self = .tooManyVMAs
        } else if section.incomplete {
            self = .incomplete
        } else if !section.syscall.isNative {
            self = .compat
        } else {
            switch section.syscall.operation {
            case .processMadvise: self = .processMadvise
            case .ioUring: self = .ioUring
            default: self = .otherCall
            }
        }
    }
}

extension Dictionary where Key == Unjudged, Value == Int {
    /// `32-bit calls, process_madvise`: the most frequent first.
    public var text: String {
        filter { $0.value > 0 }.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }.map(\.key.text)
            .joined(separator: ", ")
    }
}

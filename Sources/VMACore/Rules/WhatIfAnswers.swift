/// The answer of a proposal to one side of an attempt, and the reason for it.
public struct WhatIfAnswer: Hashable, Sendable {
    /// Why a proposal refuses, or why its answer is unknown. The slugs are in JSON (`what_if_why`).
    public enum Reason: UInt8, CaseIterable, Sendable {
        case none
        /// The range that is moved, changed or added is mapped by a living forked child, too.
        case child
        /// The range was inherited through a fork.
        case inherited
        /// All three would have to become one VMA, and the next one is shared with another process.
        case next
        /// A page of the VMA that it is moved from is shared, by KSM or with the swap cache.
        case pages
        /// One of the two was moved while another process shared it, and kept its page offset.
        case moved
        /// The neighbour is not faulted, and today's kernel refuses that merge, too.
        case unfaulted
        /// The neighbour was inherited through a fork, and the range is not faulted.
        case chain
        /// The proposal is about another operation, or not about this limit.
        case scope
        /// The anon_vma could not be read.
        case unread

        /// The name in JSON; nil for `none`.
        public var slug: String? { self == .none ? nil : "\(self)" }
    }

    /// Whether it would have merged.
    public var whatIf: WhatIf
    /// Why not, or why that is unknown; `none` where it would have merged, and where two answers differ (`either`).
    public var reason: Reason

    init(_ whatIf: WhatIf, _ reason: Reason = .none) {
        self.whatIf = whatIf
        self.reason = reason
    }

    static let joins = WhatIfAnswer(.recoverable)
}

/// The answers of all proposals to one side, in the order of `Proposals.table`: 16 bits, so that each
/// boundary of a layout can carry them.
public struct WhatIfAnswers: Hashable, Sendable {
    /// Two bits for the answer of each proposal, and four for the reason of the first one's.
    public private(set) var bits: UInt16 = 0
    /// The number of proposals that there is room for.
    public static let limit = 6
    private static let reasonShift: UInt16 = 12

    /// No proposal has answered.
    public init() {}
    init(bits: UInt16) { self.bits = bits }

    /// Whether there is no answer.
    public var isEmpty: Bool { bits == 0 }

    /// The answer of the proposal with this index in `Proposals.table`; nil if it has none.
    public subscript(proposal: Int) -> WhatIf? {
        guard proposal < Self.limit else { return nil }
        switch bits >> UInt16(2 * proposal) & 3 {
        case 1: return .recoverable
        case 2: return .shared
        case 3: return .unknown
        default: return nil
        }
    }

    /// The reason for the first proposal's answer.
    public var reason: WhatIfAnswer.Reason { WhatIfAnswer.Reason(rawValue: UInt8(bits >> Self.reasonShift)) ?? .none }

    mutating func set(_ proposal: Int, _ answer: WhatIfAnswer) {
        guard proposal < Self.limit else { return }
        let code: UInt16 =
            switch answer.whatIf {
            case .recoverable: 1
            case .shared: 2
            case .unknown: 3
            }
        bits = bits & ~(3 << UInt16(2 * proposal)) | code << UInt16(2 * proposal)
        if proposal == 0 { bits = bits & 0xfff | UInt16(answer.reason.rawValue) << Self.reasonShift }
    }
}

extension WhatIfAnswers {
    /// The answers for a boundary that nobody has tried: where the answer depends on which of the two VMAs is
    /// changed, it is unknown.
    public static func either(_ one: WhatIfAnswers, _ other: WhatIfAnswers) -> WhatIfAnswers {
        var both = one
        for place in 0 ..< limit {
            guard let first = one[place], let second = other[place], first != second else { continue }
            both.set(place, WhatIfAnswer(.unknown))
        }
        return both
    }
}

/// How many times each proposal gave each answer.
public struct WhatIfCounts: Sendable, Equatable {
    private var counts: [[WhatIf: Int]] = []

    /// The counts of the proposal with this index in `Proposals.table`.
    public subscript(proposal: Int) -> [WhatIf: Int] { proposal < counts.count ? counts[proposal] : [:] }

    mutating func add(_ answers: WhatIfAnswers, _ count: Int = 1) {
        guard !answers.isEmpty else { return }
        if counts.isEmpty { counts = Array(repeating: [:], count: Proposals.table.count) }
        for place in counts.indices {
            if let answer = answers[place] { counts[place][answer, default: 0] += count }
        }
    }

    mutating func add(_ other: WhatIfCounts) {
        if counts.isEmpty { return counts = other.counts }
        for place in other.counts.indices { counts[place].merge(other.counts[place], uniquingKeysWith: +) }
    }
}

/// Whether an anon_vma belongs to its process alone.
enum Ownership: Sendable, Equatable {
    case own, child, inherited, unread

    /// The answer of a rule that depends on it.
    var answer: WhatIfAnswer {
        switch self {
        case .own: .joins
        case .child: WhatIfAnswer(.shared, .child)
        case .inherited: WhatIfAnswer(.shared, .inherited)
        case .unread: WhatIfAnswer(.unknown, .unread)
        }
    }
}

extension VMA {
    /// Whether the VMA's anon_vma is its own root, and no VMA of a living descendant is linked to it. Which process
    /// wrote to which page since a fork does not matter.
    var ownership: Ownership {
        if anonVMA == 0 { return .own }
        guard traits.contains(.anonKnown) else { return .unread }
        if !traits.contains(.ownRoot) { return .inherited }
        return traits.contains(.hasChildren) ? .child : .own
    }

    /// The page offset that anonymous memory has where it was mapped, or was moved while untouched.
    var homePgoff: UInt64 { start >> AddressRange.pageShift }
}

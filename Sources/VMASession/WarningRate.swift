/// Decides how many warnings of one kind are printed in an interval of `system`: whoever can cause them can cause very
/// many. The others are counted. No user takes the room of all others.
struct WarningRate {
    private let what: String
    private var printed: [UInt32?: Int] = [:]
    private var count = 0
    private var leftOut = 0

    /// Lines of an interval, and those among them of the processes of one user.
    static let (limit, userLimit) = (16, 4)

    /// - Parameter what: what the processes did of which there were more, for people.
    init(_ what: String) { self.what = what }

    /// Whether the next line is printed.
    ///
    /// - Parameter user: who stands for the process that it is about (`UserShares`); nil if it is not known.
    mutating func allows(_ user: UInt32?) -> Bool {
        guard count < Self.limit, printed[user, default: 0] < Self.userLimit else {
            leftOut += 1
            return false
        }
        count += 1
        printed[user, default: 0] += 1
        return true
    }

    /// Ends the interval. Returns a line that counts the warnings that were left out.
    mutating func end() -> String? {
        defer { (printed, count, leftOut) = ([:], 0, 0) }
        return leftOut == 0 ? nil : "\(leftOut) more processes \(what)"
    }
}

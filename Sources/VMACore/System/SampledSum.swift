/// A sum over a sample in which each thing was chosen by itself, with a chance of 1 in its weight
/// (Poisson sampling): the Horvitz-Thompson estimate of the sum over all.
public struct SampledSum: Sendable, Equatable {
    /// Of what was seen.
    public private(set) var seen: UInt64 = 0
    /// The most that one thing added.
    public private(set) var largest = 0
    public private(set) var value = 0.0
    /// Unbiased, of `value`: the sum of w (w - 1) y².
    public private(set) var variance = 0.0

    public init() {}

    /// - Parameters:
    ///   - count: what one thing adds to the sum.
    ///   - weight: it stands for so many, itself among them.
    public mutating func add(_ count: Int, weight: UInt32) {
        let (y, w) = (Double(count), Double(max(weight, 1)))
        seen += UInt64(count)
        largest = max(largest, count)
        value += w * y
        variance += w * (w - 1) * y * y
    }

    public mutating func add(_ other: SampledSum) {
        seen += other.seen
        largest = max(largest, other.largest)
        value += other.value
        variance += other.variance
    }

    /// As if only one in `factor` of what was chosen had arrived: records that were lost.
    func scaled(by factor: Double) -> SampledSum {
        var sum = self
        sum.value *= factor
        sum.variance = factor * factor * variance + factor * (factor - 1) * value
        return sum
    }

    /// With its 95% interval: Fay and Feuer's for weighted sums of counts (Statistics in Medicine 16,
    /// 1997), which holds for few, too; what was seen is the least it can be. Exact where all was seen.
    ///
    /// - Parameter weight: the largest there was, that of what may have been passed over.
    public func estimate(rarest weight: UInt32) -> Estimate {
        // What was passed over last may be as large as the largest that was seen.
        let (w, y) = (Double(max(weight, 1)), Double(max(largest, 1)))
        let (x, v) = (value + w * y, variance + w * (w - 1) * y * y)
        let low = variance == 0 ? value : variance / (2 * value) * Self.chiSquare(-Self.z, 2 * value * value / variance)
        let high = v == 0 ? value : v / (2 * x) * Self.chiSquare(Self.z, 2 * x * x / v)
        return Estimate(value, low: min(value, max(low, Double(seen))), high: max(value, high))
    }

    /// Of the standard normal distribution, 0.975.
    private static let z = 1.959963984540054

    /// The quantile of the chi-square distribution that is the normal's at `z` (Wilson and Hilferty).
    private static func chiSquare(_ z: Double, _ degrees: Double) -> Double {
        let part = 2 / (9 * degrees)
        let root = 1 - part + z * part.squareRoot()
        return root > 0 ? degrees * root * root * root : 0
    }
}

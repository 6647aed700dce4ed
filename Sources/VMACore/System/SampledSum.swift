/// A sum over a sample in which each section was chosen by itself, with a chance of 1 in its weight (Poisson
/// sampling): the Horvitz-Thompson estimate of the sum over all sections.
public struct SampledSum: Sendable, Equatable {
    /// The plain sum over the sample.
    public private(set) var seen: UInt64 = 0
    /// The most that one section added.
    public private(set) var largest = 0
    /// The estimate of the sum over all sections.
    public private(set) var value = 0.0
    /// The unbiased variance of `value`: the sum of w (w - 1) y².
    public private(set) var variance = 0.0

    /// - Parameters:
    ///   - count: what one section adds to the sum.
    ///   - weight: for how many sections this one stands, itself among them.
    public mutating func add(_ count: Int, weight: UInt32) {
        let (y, w) = (Double(count), Double(max(weight, 1)))
        seen += UInt64(count)
        largest = max(largest, count)
        value += w * y
        variance += w * (w - 1) * y * y
    }

    /// Adds the sum over another part of the sample.
    public mutating func add(_ other: SampledSum) {
        seen += other.seen
        largest = max(largest, other.largest)
        value += other.value
        variance += other.variance
    }

    /// The sum if only one in `factor` of the chosen sections had arrived: for records that were lost.
    func scaled(by factor: Double) -> SampledSum {
        var sum = self
        sum.value *= factor
        sum.variance = factor * factor * variance + factor * (factor - 1) * value
        return sum
    }

    /// The estimate with its 95% interval: Fay and Feuer's for weighted sums of counts (Statistics in Medicine 16,
    /// 1997), which holds for small counts, too. It does not go below what was seen, and is exact where all sections
    /// were recorded.
    ///
    /// - Parameter weight: the largest weight of a section that may have been passed over.
    public func estimate(rarest weight: UInt32) -> Estimate {
        // A section that was passed over may have as many misses as the recorded section with most.
        let (w, y) = (Double(max(weight, 1)), Double(max(largest, 1)))
        let (x, v) = (value + w * y, variance + w * (w - 1) * y * y)
        let low = variance == 0 ? value : variance / (2 * value) * Self.chiSquare(-Self.z, 2 * value * value / variance)
        let high = v == 0 ? value : v / (2 * x) * Self.chiSquare(Self.z, 2 * x * x / v)
        return Estimate(value, low: min(value, max(low, Double(seen))), high: max(value, high))
    }

    /// The 0.975 quantile of the standard normal distribution.
    private static let z = 1.959963984540054

    /// The quantile of the chi-square distribution at the probability of the normal's quantile `z` (Wilson and
    /// Hilferty).
    private static func chiSquare(_ z: Double, _ degrees: Double) -> Double {
        let part = 2 / (9 * degrees)
        let root = 1 - part + z * part.squareRoot()
        return root > 0 ? degrees * root * root * root : 0
    }
}

import TestSupport
import Testing

@testable import VMACore

@Suite("A sum over a sample")
struct SampledSumTests {
    @Test("of everything is exact")
    func whole() {
        var sum = SampledSum()
        for count in [0, 1, 3] { sum.add(count, weight: 1) }
        #expect(sum.estimate(rarest: 1) == Estimate(4, low: 4, high: 4))
        #expect(SampledSum().estimate(rarest: 1) == Estimate(0, low: 0, high: 0))
    }

    @Test("stands for what was passed over, and is at least what was seen")
    func weighted() {
        var sum = SampledSum()
        sum.add(1, weight: 10)
        sum.add(2, weight: 1)
        let estimate = sum.estimate(rarest: 10)
        #expect(estimate.value == 12 && estimate.low >= 3 && estimate.low < 12 && estimate.high > 30)
    }

    @Test(
        "that found nothing says how much there may be: so many escape with a chance of 2.5%",
        arguments: [2, 10, 100] as [UInt32])
    func nothing(weight: UInt32) {
        let most = SampledSum().estimate(rarest: weight).high
        // (1 - 1/w) to the power of that is 0.025.
        let exact: [UInt32: Double] = [2: 5.32, 10: 35.0, 100: 367.0]
        #expect(abs(most / exact[weight]! - 1) < 0.08)
    }

    /// How often the truth is in the interval, over many samples of one population.
    private func coverage(_ population: [Int], weights: [UInt32], runs: Int, seed: UInt64) -> Double {
        var numbers = SplitMix64(state: seed)
        let truth = Double(population.reduce(0, +))
        var held = 0
        for _ in 0 ..< runs {
            var sum = SampledSum()
            for (index, count) in population.enumerated() {
                let weight = weights[index % weights.count]
                if UInt32.random(in: 0 ..< weight, using: &numbers) == 0 { sum.add(count, weight: weight) }
            }
            let estimate = sum.estimate(rarest: weights.max()!)
            if estimate.low <= truth, truth <= estimate.high { held += 1 }
        }
        return Double(held) / Double(runs)
    }

    @Test("holds the truth in its interval as often as it claims", arguments: [1, 10, 100] as [UInt32])
    func covers(weight: UInt32) {
        for (size, every) in [(20, 1), (300, 1), (300, 10), (5000, 3)] {
            let population = (0 ..< size).map { $0 % every == 0 ? 1 : 0 }
            #expect(coverage(population, weights: [weight], runs: 1000, seed: 7) >= 0.94, "\(size), one in \(every)")
        }
        // One busy process, looked at seldom, among others.
        #expect(coverage(Array(repeating: 1, count: 2000), weights: [1, weight], runs: 1000, seed: 8) >= 0.94)
        // Few were sampled, of which each may miss many sides: what was passed over is as large.
        for (count, size) in [(2, 40), (8, 40), (8, 400), (50, 400)] {
            let population = Array(repeating: count, count: size)
            #expect(coverage(population, weights: [weight], runs: 1000, seed: 10) >= 0.94, "\(size) of \(count)")
        }
        // One that is looked at seldom, and does much at once, among many that do little.
        #expect(coverage((0 ..< 2000).map { $0 % 2 == 0 ? 1 : 12 }, weights: [1, weight], runs: 1000, seed: 11) >= 0.94)
        // Sections in which several sides are missed at once.
        #expect(coverage((0 ..< 4000).map { $0 % 5 }, weights: [weight], runs: 1000, seed: 9) >= 0.94)
    }
}

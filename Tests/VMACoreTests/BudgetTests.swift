import Testing
import VMACore

/// A load and the programs that watch it: what a second of it costs, in seconds of processor time.
private struct Load {
    /// Counting everybody's sections; of these, what shows before an address space is known (`floor`), and of that what
    /// shows where the ends of sections alone are attached (`lean`).
    var counting: Double
    var floor = 0.0
    var lean = 0.0
    /// Sections that might be recorded.
    var sections: Double
    static let toldCost = 12e-6

    init(counting: Double, sections: Double) { (self.counting, self.sections) = (counting, sections) }

    /// One process's `locks` sections a second, which cost 400 ns each if they are looked at, in units of 100 ns.
    init(locks: Double, floor: Double, lean: Double) {
        (counting, sections, self.floor, self.lean) = (locks * 400e-9, 50, floor, lean)
    }

    /// For `seconds`, in steps as the budget wants them. Returns the cost, and how many decisions paused.
    @discardableResult
    mutating func run(_ budget: inout FlowBudget, from now: inout UInt64, cost: inout Double, seconds: Double) -> Int {
        var pauses = 0
        let end = now + UInt64(seconds * 1e9)
        while now < end {
            let step = budget.step
            now += step
            let time = Double(step) / 1e9
            let looked = min(counting, Double(budget.allowance) * 100e-9)
            switch budget.level {
            case .full: cost += time * (floor + looked + min(sections, budget.target) * Self.toldCost)
            case .lean: cost += time * (lean + looked)
            case .paused: break
            }
            budget.note(received: 0, ringBytes: 1 << 20)
            if budget.decide(now, cost: cost).level == .paused { pauses += 1 }
        }
        return pauses
    }
}

@Suite("The budget of the whole system")
struct BudgetTests {
    @Test(
        "is kept in the long run, whatever the load",
        arguments: [
            (0.0001, 50.0), (0.002, 100_000), (0.009, 1_000), (0.05, 10), (0.9, 1_000_000),
        ])
    func kept(_ counting: Double, _ sections: Double) {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        var load = Load(counting: counting, sections: sections)
        load.run(&budget, from: &now, cost: &cost, seconds: 600)
        // What can be saved up, and what one step may cost before anybody looks.
        #expect(cost <= 0.01 * 600 + 0.01 * 5 + counting * 0.4)
    }

    @Test("tells a quiet system whole, and does not pause")
    func quiet() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        var load = Load(counting: 0.0001, sections: 50)
        #expect(load.run(&budget, from: &now, cost: &cost, seconds: 60) == 0)
        #expect(budget.target == 1000 && budget.least == 1 && budget.all.time == budget.all.of)
    }

    @Test("owes no more than ten seconds of it, whatever a moment has cost")
    func debt() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        now += budget.step
        cost += 1
        #expect(budget.decide(now, cost: cost).level == .paused)
        let paused = now
        while !budget.isWatching {
            now += budget.step
            _ = budget.decide(now, cost: cost)
        }
        #expect(now - paused < 13_000_000_000)
    }

    @Test("tells fewer refused calls of each user where they are dear, and as many as before when they are not")
    func details() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        #expect(budget.details == 25)
        // One user's children are refused two hundred calls a second, of which each that is told costs 0.6 ms.
        for _ in 0 ..< 600 {
            now += budget.step
            cost += Double(budget.step) / 1e9 * (0.001 + 0.6e-3 * min(200, Double(budget.details)))
            #expect(budget.decide(now, cost: cost).level != .paused && budget.details >= 4)
        }
        #expect(budget.all.time == budget.all.of && budget.recordedAll.part > 0.9)
        for _ in 0 ..< 600 {
            now += budget.step
            _ = budget.decide(now, cost: cost)
        }
        #expect(budget.details == 25)
        #expect(FlowBudget(share: 1, now: 0, cost: 0).details == 2500 && FlowBudget(share: 0.001, now: 0, cost: 0).details == 4)
    }

    @Test("pauses under a load that costs more than it whatever is left out, and goes on when it is over")
    func dear() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        var dear = Load(locks: 1_000_000, floor: 0.3, lean: 0.2)
        #expect(dear.run(&budget, from: &now, cost: &cost, seconds: 60) > 0)
        #expect(budget.allowance < 10_000 && budget.target < 1000)
        #expect(budget.all.time < budget.all.of / 10)
        var rest = Load(counting: 0.0001, sections: 0)
        rest.run(&budget, from: &now, cost: &cost, seconds: 200)
        #expect(budget.level == .full && budget.target == 1000 && budget.allowance == FlowBudget.noLimit && !budget.isStrained)
    }

    @Test(
        "leaves out who costs most, and pauses for nobody, where that is enough",
        arguments: [5_000.0, 50_000, 200_000], [0.0, 0.004, 0.008])
    func leftOut(_ locks: Double, _ floor: Double) {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        var load = Load(locks: locks, floor: floor, lean: floor / 2)
        #expect(load.run(&budget, from: &now, cost: &cost, seconds: 600) == 0)
        #expect(cost <= 0.01 * 600 + 0.01 * 5 + load.counting * 0.6)
        #expect(budget.all.time == budget.all.of)
        #expect(budget.recordedAll.time > budget.recordedAll.of / 5 * 4)
    }

    @Test("records nothing, but counts on, where looking at pointers alone costs too much")
    func lean() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        // A process that does nothing but change flags: 2.4% with all programs attached, 0.6% with one.
        var load = Load(locks: 190_000, floor: 0.024, lean: 0.006)
        load.run(&budget, from: &now, cost: &cost, seconds: 600)
        #expect(cost <= 0.01 * 600 + 0.01 * 5 + 0.1)
        #expect(budget.all.time > budget.all.of / 100 * 99)
        #expect(budget.recordedAll.time > budget.recordedAll.of / 20 && budget.recordedAll.time < budget.recordedAll.of / 2)
        #expect(budget.isStrained)
    }

    @Test("records less of each where very many begin and end, each of which records its first sections")
    func newcomers() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        while now < 120_000_000_000 {
            now += budget.step
            let time = Double(budget.step) / 1e9
            if budget.level == .full { cost += time * (0.002 + 5000 * Load.toldCost / Double(budget.least)) }
            budget.note(received: 0, ringBytes: 1 << 20)
            _ = budget.decide(now, cost: cost)
        }
        #expect(cost <= 0.01 * 120 + 0.1 && budget.recordedAll.time > budget.recordedAll.of / 5 * 4)
    }

    @Test("reads no answers for everybody while it is tight")
    func answers() {
        var (now, cost): (UInt64, Double) = (1_000, 0)
        var budget = FlowBudget(share: 0.01, now: now, cost: cost)
        #expect(budget.affordsAnswers)
        var load = Load(locks: 190_000, floor: 0.024, lean: 0.006)
        load.run(&budget, from: &now, cost: &cost, seconds: 30)
        #expect(!budget.affordsAnswers)
    }

    @Test("has fewer told while a burst fills the ring, and looks more often")
    func burst() {
        var budget = FlowBudget(share: 0.01, now: 0, cost: 0)
        var now: UInt64 = 0
        for round in 1 ... 6 {
            budget.note(received: 1 << 20, ringBytes: 8 << 20)
            now += budget.step
            #expect(budget.decide(now, cost: 0).limit == UInt32(1) << min(2 * UInt32(round), 12))
        }
        #expect(budget.step == FlowBudget.steps.lowerBound)
        for _ in 1 ... 20 {
            budget.note(received: 0, ringBytes: 8 << 20)
            now += budget.step
            _ = budget.decide(now, cost: 0)
        }
        #expect(budget.least == 1 && budget.step == FlowBudget.steps.upperBound)
    }

    @Test("decides nothing before a step is over, and begins an epoch each second")
    func epochs() {
        var budget = FlowBudget(share: 0.01, now: 0, cost: 0)
        #expect(!budget.isDue(budget.step - 1) && budget.isDue(budget.step))
        let begun = stride(from: UInt64(200_000_000), through: 10_000_000_000, by: 200_000_000)
            .filter { budget.decide($0, cost: 0).beginsEpoch }
        #expect(begun.count == 10)
    }

    @Test("sweeps 10,000 idle processes a slice at a time, and no more than the share pays for")
    func sweeps() {
        var sweeps = SweepBudget<Int>()
        var (cost, done) = (0.0, [Int]())
        sweeps.refill(0.01, Array(0 ..< 10_000))
        var slices = 0
        while sweeps.hasWork {
            let before = cost
            sweeps.slice(cost: { cost }) {
                cost += 0.0001; done.append($0)
            }
            #expect(cost - before < 0.0032)
            slices += 1
        }
        #expect(done == Array(0 ..< done.count) && (99 ... 101).contains(done.count) && slices >= 4)
    }

    @Test("makes up for one large layout before it sweeps another")
    func largeLayout() {
        var sweeps = SweepBudget<Int>()
        var cost = 0.0
        sweeps.refill(0.01, [1, 2])
        sweeps.slice(cost: { cost }) { _ in cost += 0.045 }
        #expect(!sweeps.hasWork)
        for _ in 1 ... 3 {
            sweeps.refill(0.01, [2])
            #expect(!sweeps.hasWork)
        }
        sweeps.refill(0.01, [2])
        #expect(sweeps.hasWork)
    }
}

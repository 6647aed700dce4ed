import CSystem
import CTestSupport
import Foundation
import Testing

@testable import VMAProbe

@Suite("Nobody's files take away others' names")
struct ReaderTurnsTests {
    private let second: UInt64 = 1_000_000_000

    @Test("who has cost least has the next turn, and what was long ago counts little")
    func order() {
        var turns = ReaderTurns(isBounded: false)
        turns.charge(1, 4 * second, names: nil, second)
        turns.charge(2, 1 * second, names: nil, second)
        #expect(turns.order([1, 2, 3, nil], second) == [3, nil, 2, 1])
        // After three half-lives it is half a second.
        let later = second + 3 * ReaderTurns.halfLife
        turns.charge(2, 0, names: nil, later)
        turns.charge(3, second, names: nil, later)
        #expect(turns.order([1, 2, 3], later) == [2, 1, 3])
    }

    @Test("as many names are under way as take a while, whoever asked for more")
    func names() {
        var turns = ReaderTurns(isBounded: false)
        #expect(turns.names(1, 0) == 200)
        for _ in 0 ..< 10 { turns.charge(1, 48 * 20_000_000, names: 48, second) }
        #expect(turns.names(1, second) == 10)
        // What a file takes when it is read first says nothing of the names in it.
        turns.charge(2, 3 * second, names: nil, second)
        #expect(turns.names(2, second) == 200)
        for _ in 0 ..< 3 { turns.charge(3, 90 * second, names: 1, second) }
        #expect(turns.names(3, second) == 1)
    }

    @Test("a user has a share of the time, and no more, where the system is observed")
    func share() {
        var (bounded, free) = (ReaderTurns(isBounded: true), ReaderTurns(isBounded: false))
        for turn in 0 ..< 5 as Range<UInt64> {
            #expect(!bounded.isUsedUp(1, turn))
            bounded.charge(1, second, names: 1, turn)
            free.charge(1, 100 * second, names: 1, turn)
        }
        bounded.charge(1, second / 10, names: 1, 5)
        #expect(bounded.isUsedUp(1, second) && !bounded.isUsedUp(2, second) && !bounded.isUsedUp(nil, second))
        #expect(!free.isUsedUp(1, second))
        // A minute gives it 0.3 s, and a week no more than at first.
        #expect(!bounded.isUsedUp(1, 60 * second))
        bounded.charge(1, second / 4, names: 1, 60 * second)
        #expect(bounded.isUsedUp(1, 60 * second))
        #expect(!bounded.isUsedUp(1, 604_800 * second))
        bounded.charge(1, 6 * second, names: 1, 604_800 * second)
        #expect(bounded.isUsedUp(1, 604_801 * second))
    }

    @Test("accounts are bounded")
    func accounts() {
        var turns = ReaderTurns(isBounded: true)
        for user in 0 ..< 5000 as Range<UInt32> { turns.charge(user, 6 * second, names: nil, second) }
        #expect(turns.isUsedUp(4999, second))
        #expect((0 ..< 5000 as Range<UInt32>).count { turns.isUsedUp($0, second) } <= 1000)
    }

    @Test("an opener's time counts that it waits for a file system, and not the time that it has nothing to do")
    func opener() {
        var clock = OpenerClock()
        _ = clock.waited(getpid(), since: vms_monotonic_ns(), vms_monotonic_ns())
        let start = vms_monotonic_ns()
        usleep(30_000)
        let now = vms_monotonic_ns()
        // Other tests run in other threads; this one slept.
        let waited = clock.waited(getpid(), since: start, now)
        #expect(waited <= now - start)
        #expect(clock.waited(getpid(), since: now, now) == 0)
        #expect(clock.waited(0, since: 0, now) == 0)
    }

    @Test("helpers that processes are to blame for count by user until they have ended")
    func ended() throws {
        var ended = EndedHelpers()
        func pair() throws -> HelperPair {
            let children = [tests_fork_as(0), tests_fork_as(0)]
            try #require(children.allSatisfy { $0 > 0 })
            return HelperPair(opener: (children[0], -1), reader: (children[1], -1))
        }
        let first = try pair()
        ended.add(first, blamed: (first.opener.pid, 7))
        #expect(!ended.areTooMany(of: 7))
        for _ in 0 ..< 1000 where ended.count > 0 { usleep(5000) }
        #expect(ended.count == 0 && ended.takeForgiven() == 1 && ended.takeForgiven() == 0)
        // One that does not end is no child of ours, for the test: nobody can be killed that does not end.
        #expect(!ended.areTooMany(of: 7) && !ended.areTooMany(of: nil))
    }
}
